//! README.md and docs/: their suites compile, and what it shows of a command is what the command prints.

use crate::support::{TempProject, root};

/// The fenced blocks of a text with their info strings, in order.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let fence: String = line.chars().take_while(|letter| *letter == '`').collect();
        if fence.len() >= 3 {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != fence).collect();
            blocks.push((line[fence.len()..].to_owned(), body.join("\n") + "\n"));
        }
    }
    blocks
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The README and every page of docs/ but the reference, whose blocks are files that
/// `reference` runs.
fn pages() -> String {
    let mut text = readme();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let is_page = path.extension().is_some_and(|ending| ending == "md");
        if is_page && !path.ends_with("reference.md") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}

#[test]
fn the_suites_of_the_pages_compile() {
    let mut checked = 0;
    for (info, text) in blocks(&pages()) {
        if !info.starts_with("yaml") {
            continue;
        }
        // A page's blocks that say their file belong together, and are tried as such below.
        if text.starts_with("# suites/") {
            continue;
        }
        let path = if text.starts_with("# rules/") {
            "rules/own.yaml"
        } else {
            "suites/readme.yaml"
        };
        let project = TempProject::new(&[
            (path, &text),
            ("suites/right.yaml", "cases:\n  - {reply: x, expect: 1}\n"),
        ]);
        project.write(
            "suites/problems.jsonl",
            "{\"id\": \"a\", \"question\": \"q\", \"answer\": \"1\", \"tests\": \"assert 1\"}\n",
        );
        project.write("suites/replies/sum.md", "x");
        let ran = project.run(&["check"]);
        assert_eq!(ran.status, 0, "{}\n{text}", ran.stderr);
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} YAML blocks were found");
}

#[test]
fn the_first_suite_prints_what_the_readme_shows() {
    let blocks = blocks(&readme());
    let at = blocks
        .iter()
        .position(|(info, _)| info == "yaml suites/factorial.yaml")
        .expect("the first suite is marked");
    let suite = &blocks[at].1;
    assert!(
        suite.lines().count() <= 12,
        "the first suite has {} lines",
        suite.lines().count()
    );
    let shown = &blocks[at + 1].1;
    let (command, shown) = shown.split_once('\n').unwrap();
    let project = TempProject::new(&[("suites/factorial.yaml", suite)]);
    let words: Vec<&str> = command
        .strip_prefix("$ rewardspec ")
        .expect("a command")
        .split(' ')
        .collect();
    let ran = project.run(&words).expect_status(0);
    // The seconds differ from run to run, and so whether a slow case is named; what is said of isolation
    // differs from machine to machine.
    let steady = |text: &str| -> String {
        text.lines()
            .filter(|line| !line.contains("isolat") && !line.starts_with("slowest: "))
            .map(|line| line.split(" in ").next().unwrap().trim_end().to_owned() + "\n")
            .collect()
    };
    assert_eq!(steady(&ran.stdout), steady(shown));
}

#[test]
fn commands_of_the_pages_exist() {
    let mut commands = 0;
    for line in pages()
        .lines()
        .filter_map(|line| line.trim().strip_prefix("$ "))
    {
        let words: Vec<&str> = line.split(' ').collect();
        let name = match words.as_slice() {
            ["rewardspec", name, ..] => *name,
            ["cargo", "run", "--release", "--", name, ..] | ["cargo", "run", "--", name, ..] => {
                *name
            }
            _ => continue,
        };
        let ran = crate::support::run_in(&root(), &[name, "--help"], "", &[]);
        assert_eq!(ran.status, 0, "`{line}`: {}", ran.stderr);
        commands += 1;
    }
    assert!(commands >= 4, "only {commands} commands were found");
}

#[test]
fn the_guide_of_rules_prints_what_it_shows() {
    let guide = std::fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let project = TempProject::new(&[]);
    let mut shown = Vec::new();
    for (info, text) in blocks(&guide) {
        if info.starts_with("yaml") {
            let (name, _) = text.split_once('\n').unwrap();
            project.write(name.strip_prefix("# ").expect("a file's name"), &text);
        } else if let Some(pipe) = text.strip_prefix("$ echo '") {
            let (row, rest) = pipe.split_once("' | rewardspec ").unwrap();
            let (command, output) = rest.split_once('\n').unwrap();
            shown.push((row.to_owned(), command.to_owned(), output.to_owned()));
        }
    }
    assert_eq!(shown.len(), 3);
    for (row, command, output) in shown {
        let words: Vec<&str> = command.split(' ').collect();
        let ran = project.run_with(&words, &row).expect_status(0);
        assert_eq!(ran.stdout, output, "{command}");
    }
    let explained = project
        .run(&["explain", "sum::sum"])
        .expect_status(0)
        .stdout;
    for told in ["`arrow`", "last-answer", "it holds commands for a shell"] {
        assert!(
            explained.contains(told),
            "`{told}` is missing in:\n{explained}"
        );
    }
    project.run(&["test", "rules::"]).expect_status(0);
}

#[test]
fn the_bundled_suites_have_the_cases_and_lines_that_are_told() {
    let text = std::fs::read_to_string(root().join("suites/README.md")).unwrap();
    let listed = crate::support::run_in(&root(), &["list"], "", &[]).expect_status(0);
    let mut told = 0;
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [suites, _, lines, cases] = cells[..] else {
            panic!("{line}");
        };
        let names: Vec<&str> = suites.split('`').skip(1).step_by(2).collect();
        told += names.len();
        let begins = |id: &&str| {
            let suite = id.split("::").next().unwrap();
            names.contains(&suite)
        };
        assert_eq!(
            listed.stdout.lines().filter(begins).count().to_string(),
            cases,
            "{suites}"
        );
        let written = |name: &&str| {
            let suite = std::fs::read_to_string(root().join(format!("suites/{name}.yaml")));
            let text = suite.unwrap();
            let counts = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
            text.lines().filter(counts).count()
        };
        let sum: usize = names.iter().map(written).sum();
        assert_eq!(sum.to_string(), lines, "{suites}");
    }
    let files = std::fs::read_dir(root().join("suites")).unwrap();
    let suites = files.filter(|file| {
        let path = file.as_ref().unwrap().path();
        path.extension().is_some_and(|ending| ending == "yaml")
    });
    assert_eq!(told, suites.count());
}
