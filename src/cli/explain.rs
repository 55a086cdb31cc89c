//! `explain`: a compiled case for people, and with `--run` what comes of its reply.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::run::{exit_of_one, one_case};
use super::{BackendArguments, Exit, compile, open, put_line, runtime};
use crate::backend::e2b::TEMPLATE;
use crate::escape::visible;
use crate::evaluator::code::Block;
use crate::evaluator::expected::Lost;
use crate::evaluator::{
    BackendChoice, Check, CheckRule, CheckedText, Credit, Evaluator, Expectation, FoundBy, Matcher,
    Nonce, Origin, Wanted,
};
use crate::program::CloudMode;
use crate::report::explain_outcome;

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    /// The case: `suite::case`
    case: String,
    /// Suite files or directories [default: the project's suites/]
    paths: Vec<PathBuf>,
    /// Run the program too
    #[arg(long)]
    run: bool,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(super) fn explain(arguments: &ExplainArguments) -> Exit {
    let mut project = open(&arguments.paths);
    let paths = named_suite(&project, &arguments.case, &arguments.paths);
    let suites = match compile(&mut project, &paths) {
        Ok(suites) => suites,
        Err(exit) => return exit,
    };
    let evaluator = match one_case(&project, &suites, Some(&arguments.case)) {
        Ok(evaluator) => evaluator,
        Err(exit) => return exit,
    };
    let text = describe(&evaluator, &project.sources.place(evaluator.written_at));
    if put_line(text.trim_end()).is_err() || !arguments.run {
        return Exit::Passed;
    }
    let Ok(runtime) = runtime() else {
        return Exit::Infrastructure;
    };
    let ready =
        arguments
            .backend
            .ready(&project, &runtime, evaluator.isolation, &evaluator.backends);
    let runner = match ready {
        Ok(runner) => runner,
        Err(exit) => return exit,
    };
    let evaluated = runtime.block_on(super::evaluate(&runner, &evaluator, None));
    let Some(outcome) = evaluated else {
        return Exit::Interrupted;
    };
    let _ = put_line(&format!(
        "\n== what came of it\n{}\n\nrepeat with: rewardspec explain '{}' --run",
        explain_outcome(&outcome),
        evaluator.id
    ));
    exit_of_one(&outcome)
}

/// Lines of a part that are shown in short.
const LINES_SHORT: usize = 8;

/// What a case asks, runs and expects, a few lines of each.
pub(super) fn in_short(evaluator: &Evaluator) -> String {
    let mut text = format!("for example {}", evaluator.id);
    if let Some((file, line)) = &evaluator.row {
        let _ = write!(text, ", made of {file}:{line}");
    }
    let mut part = |name: &str, content: &str| {
        let content = visible(content.trim());
        let lines: Vec<&str> = content.lines().collect();
        let _ = write!(text, "\n  {name}");
        for line in lines.iter().take(LINES_SHORT) {
            let _ = write!(text, "\n{}", format!("    {line}").trim_end());
        }
        if lines.len() > LINES_SHORT {
            let _ = write!(text, "\n    … {} more lines", lines.len() - LINES_SHORT);
        }
    };
    for message in &evaluator.messages {
        part(
            if message.role == "user" {
                "prompt"
            } else {
                message.role
            },
            &message.content,
        );
    }
    let reply = evaluator.replies.first();
    let attempt = reply.map(|reply| evaluator.attempt(reply, Nonce(String::new())));
    match attempt {
        None => part(
            "program",
            "what the reply's code makes; no reply is written",
        ),
        Some(Err(fault)) => part("program", &fault.message),
        Some(Ok(attempt)) => match attempt.program {
            Some(program) => part("program", &program),
            None => part("program", "the reply has no code"),
        },
    }
    for expectation in &evaluator.expectations {
        let content = format!("{}: {}", expectation.metric(), expected(expectation));
        part("expected", &content);
    }
    if let Some(later) = &evaluator.later {
        part("not run", later);
    }
    let _ = write!(
        text,
        "\n  all of it: rewardspec explain '{}'\n",
        evaluator.id
    );
    text
}

/// The suite before `::`, when the project has it: other suites need not compile.
fn named_suite(project: &crate::project::Project, case: &str, paths: &[PathBuf]) -> Vec<PathBuf> {
    if !paths.is_empty() {
        return paths.to_vec();
    }
    let Some((suite, _)) = case.split_once("::") else {
        return Vec::new();
    };
    let files = project.suite_files().unwrap_or_default();
    files
        .into_iter()
        .filter(|file| crate::project::stem(file) == suite)
        .collect()
}

/// Where a case may run, and how in the cloud.
fn backends(evaluator: &Evaluator) -> String {
    let names: Vec<String> = evaluator
        .backends
        .iter()
        .map(|backend| match backend {
            BackendChoice::Local => "local".to_owned(),
            BackendChoice::E2b => {
                let mode = match evaluator.cloud.mode {
                    CloudMode::Script => "script",
                    CloudMode::Notebook => "notebook",
                };
                let template = evaluator.cloud.template.as_deref();
                format!(
                    "e2b (mode {mode}, template {})",
                    template.unwrap_or(TEMPLATE)
                )
            }
        })
        .collect();
    names.join(", else ")
}

fn describe(evaluator: &Evaluator, place: &str) -> String {
    let mut text = format!("{}\nwritten at {place}", evaluator.id);
    if let Some((file, line)) = &evaluator.row {
        let _ = write!(text, ", row {file}:{line}");
    }
    let _ = writeln!(
        text,
        "\nlanguage: {}{}, timeout: {:?}, backend: {}",
        evaluator.language.name,
        evaluator
            .model
            .as_ref()
            .map_or(String::new(), |model| format!(
                ", model: {}",
                visible(model)
            )),
        evaluator.limits.wall,
        backends(evaluator)
    );
    for message in &evaluator.messages {
        let _ = writeln!(
            text,
            "\n== {}\n{}",
            message.role,
            visible(message.content.trim_end())
        );
    }
    match &evaluator.replies[..] {
        [] => text.push_str("\n== reply\nnone is written\n"),
        [reply, more @ ..] => {
            let which = match more.len() {
                0 => String::new(),
                more => format!(" (the first of {})", more + 1),
            };
            let _ = writeln!(
                text,
                "\n== reply{which}\n{}",
                visible(reply.text().trim_end())
            );
            match evaluator.attempt(reply, Nonce(String::new())) {
                Ok(attempt) => {
                    if let Some(extraction) = &attempt.extraction {
                        let _ = writeln!(
                            text,
                            "\n== extraction (rule `{}`)\n{}",
                            extraction.rule,
                            visible(&extraction.reason)
                        );
                        for block in &extraction.blocks {
                            if let Some(why) = block.lost {
                                let _ = writeln!(text, "not {}: {why}", lines_of(block));
                            }
                        }
                    }
                    let files = attempt.extraction.iter().flat_map(|found| &found.files);
                    for file in files.filter(|file| Some(&*file.path) != evaluator.extractor.main())
                    {
                        let _ = writeln!(
                            text,
                            "\n== file {}\n{}",
                            visible(&file.path),
                            visible(file.text.trim_end())
                        );
                    }
                    if let Some(program) = &attempt.program {
                        let _ = writeln!(text, "\n== program\n{}", visible(program.trim_end()));
                    }
                }
                Err(fault) => {
                    let _ = writeln!(text, "\n== extraction\n{}", visible(&fault.message));
                }
            }
        }
    }
    let _ = writeln!(text, "\n== expected");
    for expectation in &evaluator.expectations {
        let _ = writeln!(
            text,
            "{}: {}",
            expectation.metric(),
            visible(&expected(expectation))
        );
        if let Expectation::Output(matcher) = expectation {
            text.push_str(&visible(&stated(matcher, evaluator)));
        }
    }
    let _ = writeln!(text, "\n== score\n{}", score(evaluator));
    text
}

fn expected(expectation: &Expectation) -> String {
    match expectation {
        Expectation::Output(matcher)
        | Expectation::Stderr(matcher)
        | Expectation::ExitCode(matcher)
        | Expectation::Error(matcher) => matches(matcher),
        Expectation::Runs => "it runs without error".to_owned(),
        Expectation::Files(files) => {
            let files = files.iter();
            let files: Vec<String> = files
                .map(|(path, matcher)| format!("{path} {}", matches(matcher)))
                .collect();
            files.join("\n  ")
        }
        Expectation::Duration(under) => format!("less than {under:?}"),
        Expectation::Memory(under) => format!("less than {under} bytes"),
        Expectation::Check(check) => checked(check),
        Expectation::StdinCases(inputs) => {
            let lines: Vec<String> = inputs
                .cases
                .iter()
                .enumerate()
                .map(|(index, case)| {
                    format!(
                        "\n  {}. {:?} gives {}",
                        index + 1,
                        case.stdin,
                        matches(&case.output)
                    )
                })
                .collect();
            let credit = match inputs.credit {
                Credit::All => "",
                Credit::Fraction => ", the fraction that passes counts",
            };
            let stop = if inputs.stops_at_failure {
                ", ends at the first failure"
            } else {
                ""
            };
            let count = inputs.cases.len();
            format!("{count} inputs{credit}{stop}{}", lines.concat())
        }
        Expectation::Tests(tests) => {
            let entry = tests
                .entry_point
                .as_ref()
                .map_or(String::new(), |entry| format!(", entry point `{entry}`"));
            let calls = tests.calls.iter().map(|call| format!("  {call}"));
            let mut lines = vec![format!("{}{entry}", tests.place.told())];
            lines.extend(tests.texts.iter().map(|text| text.trim_end().to_owned()));
            lines.extend(calls);
            lines.join("\n")
        }
    }
}

/// What a check asks.
fn checked(check: &Check) -> String {
    let rule = match &check.rule {
        CheckRule::Command(command) => {
            return format!("by the command {}", command.words.join(" "));
        }
        CheckRule::Text(rule) => rule,
    };
    let of = match rule.of {
        CheckedText::Code => "the code",
        CheckedText::Reply => "the reply",
        CheckedText::Stdout => "standard output",
        CheckedText::Stderr => "standard error",
    };
    let mut asks: Vec<String> = rule.matchers.iter().map(matches).collect();
    asks.extend(rule.max_lines.map(|most| format!("at most {most} lines")));
    asks.extend(
        rule.max_chars
            .map(|most| format!("at most {most} characters")),
    );
    asks.extend(
        rule.empty
            .map(|empty| if empty { "empty" } else { "not empty" }.to_owned()),
    );
    format!("{of}: {}", asks.join(", "))
}

/// Where in the prompt an output is stated, and what lost against it; nothing where none is stated.
fn stated(matcher: &Matcher, evaluator: &Evaluator) -> String {
    let Origin::Prompt(FoundBy { extractor, .. }) = &matcher.expected.origin else {
        return String::new();
    };
    let users = evaluator.messages.iter();
    let mut users = users.filter(|message| message.role == "user");
    let found = users.find_map(|message| {
        let explained = extractor.explain(&message.content, None);
        Some((&message.content, explained.stated?, explained.lost))
    });
    let Some((prompt, stated, lost)) = found else {
        return String::new();
    };
    let mut text = format!(
        "  stated at {} (characters {} to {}){}\n",
        line_and_column(prompt, stated.span.start),
        stated.span.start,
        stated.span.end,
        match stated.all.len() {
            1 => String::new(),
            all => format!(", the first of {all} by this rule"),
        }
    );
    let lost: Vec<(&String, &Lost)> = lost
        .iter()
        .filter_map(|lost| Some((lost.value.as_ref()?, lost)))
        .collect();
    for (value, lost) in lost.iter().take(LINES_SHORT) {
        let _ = writeln!(
            text,
            "  lost: `{}` at {} by `{}`: {}",
            in_one_line(value),
            line_and_column(prompt, lost.span.start),
            lost.rule,
            in_one_line(&lost.reason)
        );
    }
    if lost.len() > LINES_SHORT {
        let _ = writeln!(
            text,
            "  … {} more; `rewardspec rules try expected-output` tells all",
            lost.len() - LINES_SHORT
        );
    }
    text
}

/// A text on one line, shortened when it is long.
fn in_one_line(text: &str) -> String {
    const LETTERS_MAX: usize = 60;
    let text = text.replace('\n', "\\n");
    match text.char_indices().nth(LETTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The place of a character, both counted from 1.
fn line_and_column(text: &str, character: usize) -> String {
    let (mut line, mut column) = (1, 1);
    for c in text.chars().take(character) {
        if c == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    format!("{line}:{column}")
}

fn matches(matcher: &Matcher) -> String {
    let not = if matcher.negated { "not " } else { "" };
    let comparator = matcher.comparator();
    let expected = matcher.expected.text.trim_end();
    match &matcher.expected.origin {
        Origin::Suite => format!("{not}`{expected}` by `{comparator}`"),
        Origin::Prompt(found) => format!(
            "{not}`{expected}` by `{comparator}`, found in the prompt by the rule `{}`",
            found.rule
        ),
        Origin::Reference => format!("{not}what the reference leaves, by `{comparator}`"),
    }
}

fn score(evaluator: &Evaluator) -> String {
    let rule = &evaluator.score;
    let total: f64 = rule.weights.iter().map(|(_, weight)| weight).sum();
    let weights: Vec<String> = rule
        .weights
        .iter()
        .map(|(name, weight)| format!("{name} × {:.3}", weight / total))
        .collect();
    let gates: Vec<String> = rule
        .gates
        .iter()
        .map(|(name, floor)| format!("0 if {name} is below {floor}"))
        .collect();
    let wanted = match rule.wanted {
        Wanted::AtLeast(least) => format!("wanted: at least {least}"),
        Wanted::AtMost(most, None) => format!("wanted: at most {most}"),
        Wanted::AtMost(most, Some(cause)) => {
            format!("wanted: at most {most}, with the cause `{}`", cause.word())
        }
    };
    let mut lines = vec![weights.join(" + ")];
    lines.extend(gates);
    lines.push(wanted);
    lines.join("\n")
}

/// A block of a reply, by its lines and tag.
fn lines_of(block: &Block) -> String {
    let tag = if block.lang.is_empty() {
        "untagged".to_owned()
    } else {
        format!("`{}`", visible(&block.lang))
    };
    if block.end_line <= block.start_line {
        return format!("line {} ({tag})", block.start_line);
    }
    format!("lines {}-{} ({tag})", block.start_line, block.end_line)
}
