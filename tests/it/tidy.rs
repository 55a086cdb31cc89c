//! The conventions of ARCHITECTURE.md that source text shows.

use std::path::{Path, PathBuf};

use crate::support::root;

/// Modules from the bottom up; each may use those of lower rank, and itself.
const RANKS: &[(&str, u8)] = &[
    ("escape", 0),
    ("source", 0),
    ("diagnostic", 1),
    ("execution", 2),
    ("reward", 2),
    ("program", 3),
    ("template", 3),
    ("evaluator", 4),
    ("syntax", 5),
    ("compile", 6),
    ("e2b", 6),
    ("project", 7),
    ("backend", 7),
    ("run", 8),
    ("report", 9),
    ("doctor", 9),
    ("trials", 10),
    ("cli", 11),
];

/// Modules of one rank do not know each other; a backend knows only what it runs and what came
/// of it, so it cannot leak an expectation.
const BACKEND_KNOWS: &[&str] = &["backend", "program", "execution", "e2b"];

/// Modules that do no I/O.
const PURE: &[&str] = &[
    "source",
    "diagnostic",
    "program",
    "execution",
    "reward",
    "template",
    "evaluator",
    "syntax",
    "compile",
];
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "tokio",
    "Instant::now",
    "SystemTime",
    "std::thread",
];

/// Every source file but those that hold tests alone.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(&root().join("src"), &mut found);
    found.retain(|(path, _)| !path.ends_with("tests.rs"));
    assert!(found.len() > 30, "the sources were not found");
    found
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((
                path.strip_prefix(root().join("src")).unwrap().to_path_buf(),
                text,
            ));
        }
    }
}

/// The module of `src` that a file belongs to.
fn module(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

fn rank(name: &str) -> Option<u8> {
    RANKS
        .iter()
        .find(|(module, _)| *module == name)
        .map(|(_, rank)| *rank)
}

/// The modules that `crate::…` paths of a text name.
fn used(code: &str) -> Vec<String> {
    let names = code
        .match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with('$'))
        .map(|(at, _)| {
            code[at + "crate::".len()..]
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect::<String>()
        });
    names.collect()
}

#[test]
fn imports_point_downward() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = module(&path);
        let Some(own_rank) = rank(&own) else { continue };
        for name in used(&code(&text)) {
            let Some(other) = rank(&name) else { continue };
            if name != own && other >= own_rank {
                wrong.push(format!("{}: {own} uses {name}", path.display()));
            }
            if own == "backend" && !BACKEND_KNOWS.contains(&name.as_str()) {
                wrong.push(format!("{}: a backend knows of {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_rank() {
    for (path, _) in sources() {
        let name = module(&path);
        assert!(
            rank(&name).is_some() || ["lib", "main"].contains(&name.as_str()),
            "{name} has no rank in this file"
        );
    }
}

#[test]
fn pure_modules_have_no_effects() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !PURE.contains(&module(&path).as_str()) {
            continue;
        }
        let code = code(&text);
        wrong.extend(
            EFFECTS
                .iter()
                .filter(|effect| code.contains(**effect))
                .map(|effect| format!("{}: {effect}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_the_sandbox_and_says_why() {
    for (path, text) in sources() {
        let code = code(&text);
        let blocks = code.matches("unsafe {").count() + code.matches("unsafe extern").count();
        if blocks == 0 {
            continue;
        }
        assert!(
            path.starts_with("backend/local/sandbox"),
            "{}: unsafe outside the sandbox",
            path.display()
        );
        let reasons = text.matches("SAFETY:").count();
        assert!(
            reasons >= blocks,
            "{}: {blocks} unsafe blocks, {reasons} reasons",
            path.display()
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(
            text.starts_with("//!"),
            "{} begins without `//!`",
            path.display()
        );
    }
}

#[test]
fn only_the_command_line_and_the_trials_print() {
    for (path, text) in sources() {
        let own = module(&path);
        let code = code(&text);
        let prints = ["println!", "print!(", "eprintln!", "eprint!("]
            .iter()
            .any(|word| code.contains(word));
        let may = ["cli", "trials"].contains(&own.as_str());
        assert!(!prints || may, "{} prints", path.display());
    }
}

#[test]
fn the_changelog_tells_of_this_version() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        changelog.contains("## Unreleased") || changelog.contains(&format!("## {version}")),
        "no entry for {version}"
    );
}

#[test]
fn the_checks_of_this_file_can_fail() {
    assert_eq!(
        used("use crate::run::Outcome;\nlet x = crate::backend::f();"),
        ["run", "backend"]
    );
    assert_eq!(code("a // crate::run\n#[cfg(test)]\nmod tests {}"), "a ");
    assert!(rank("run") > rank("compile"));
}
