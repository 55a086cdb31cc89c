//! `doctor`: what this machine offers, layer by layer, and what to do.

use std::fmt::Write as _;

use super::{Exit, open, put_line, runtime};
use crate::backend::local::{Local, LocalOptions};
use crate::doctor::{Examination, examine};
use crate::escape::{json_pretty, visible};
use crate::execution::Isolation;

#[derive(Debug, clap::Args)]
pub(super) struct DoctorArguments {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    /// Run suites here and in E2B's cloud and compare the rewards: makes sandboxes, which cost money
    #[arg(long, conflicts_with = "json")]
    e2b_parity: bool,
    /// With --e2b-parity: suite files or directories [default: the project's suites/]
    #[arg(requires = "e2b_parity")]
    paths: Vec<std::path::PathBuf>,
    /// With --e2b-parity: at most so many cases
    #[arg(long, value_name = "N", requires = "e2b_parity")]
    limit: Option<usize>,
}

pub(super) fn doctor(arguments: &DoctorArguments) -> Exit {
    if arguments.e2b_parity {
        return super::parity::parity(&arguments.paths, arguments.limit);
    }
    let mut project = open(&[]);
    if !project.diagnostics.is_empty() {
        return super::report(&project.diagnostics, &project);
    }
    let languages: Vec<_> = project.rules().languages().cloned().collect();
    let Ok(runtime) = runtime() else {
        return Exit::Infrastructure;
    };
    let local = Local::new(LocalOptions {
        jobs: Some(1),
        ..LocalOptions::default()
    });
    let examined = runtime.block_on(async {
        let examined = examine(&local, &languages).await;
        local.close().await;
        examined
    });
    let examination = match examined {
        Ok(examination) => examination,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Infrastructure;
        }
    };
    let text = if arguments.json {
        json_pretty(&examination).unwrap_or_default()
    } else {
        visible(describe(&examination).trim_end())
    };
    let _ = put_line(&text);
    if examination.is_well() {
        Exit::Passed
    } else {
        Exit::Infrastructure
    }
}

fn describe(examination: &Examination) -> String {
    let user = match examination.uid {
        0 => "root".to_owned(),
        other => format!("user {other}"),
    };
    let mut text = format!(
        "rewardspec {} on {}, as {user}\n\ninterpreters\n",
        examination.version, examination.system
    );
    let (there, missing): (Vec<_>, Vec<_>) = examination
        .interpreters
        .iter()
        .partition(|found| found.missing.is_none());
    for found in there.into_iter().chain(missing) {
        let shown = match (&found.path, &found.missing) {
            (Some(path), _) => {
                let through = found
                    .through
                    .as_ref()
                    .map_or(String::new(), |through| format!(", found as {through}"));
                format!(
                    "{:<9} {path}{through}",
                    found.version.as_deref().unwrap_or("-")
                )
            }
            (None, Some(why)) => format!("missing   {why}"),
            (None, None) => String::new(),
        };
        let _ = writeln!(text, "  {:<12} {shown}", found.language);
    }
    if !examination.layers.is_empty() {
        text.push_str("\nlayers of isolation, each tried by itself\n");
    }
    for layer in &examination.layers {
        let state = match (&layer.missing, layer.microseconds) {
            (Some(_), _) => "missing".to_owned(),
            (None, Some(taken)) => format!("works {taken:>5.0} µs"),
            (None, None) => "works".to_owned(),
        };
        let why = layer
            .missing
            .as_ref()
            .map_or(String::new(), |why| format!(": {why}"));
        let _ = writeln!(
            text,
            "  {:<21} {state:<15} {}{why}",
            layer.name, layer.purpose
        );
    }
    let mut helps: Vec<(&str, Vec<&str>)> = Vec::new();
    for layer in &examination.layers {
        let Some(help) = &layer.help else { continue };
        match helps.iter_mut().find(|(known, _)| known == help) {
            Some((_, names)) => names.push(&layer.name),
            None => helps.push((help, vec![&layer.name])),
        }
    }
    if !helps.is_empty() {
        text.push_str("\nwhat to do about those that are missing\n");
    }
    for (help, names) in helps {
        let _ = writeln!(text, "  {}:\n    {help}", names.join(", "));
    }
    let meaning = match examination.isolation {
        Isolation::Full => "every layer",
        Isolation::Reduced => {
            "files, network, identity, secrets and the whole tree are contained; not all layers are there"
        }
        Isolation::None => {
            "a separate process with your rights; `run` refuses it unless `--isolation none` is written"
        }
    };
    let _ = writeln!(
        text,
        "\nisolation: {} ({meaning})",
        examination.isolation.word()
    );
    for (name, why) in &examination.missing {
        let _ = writeln!(text, "  missing: {name}: {why}");
    }
    text.push_str("\na hostile program, tried here\n");
    if let Some(why) = &examination.not_tried {
        let _ = writeln!(text, "  not tried: {why}");
    }
    for attempt in &examination.attempts {
        let state = match (&attempt.not_made, attempt.got.is_empty()) {
            (_, false) => "gets out",
            (Some(_), true) => "not made",
            (None, true) => "contained",
        };
        let _ = writeln!(text, "  {:<27} {state:<10} {}", attempt.name, attempt.ended);
        if let Some(why) = &attempt.not_made {
            let _ = writeln!(text, "  {:<27} {why}", "");
        }
        for got in &attempt.got {
            let _ = writeln!(text, "  {:<27} {got}", "");
        }
    }
    text.push_str("\nE2B's cloud\n");
    let cloud = &examination.e2b;
    let key = match (cloud.key_is_set, cloud.key_has_form) {
        (false, _) => "not set: `backend: auto` runs on this machine",
        (true, true) => "set, and looks like a key",
        (true, false) => "set, but does not look like a key: `e2b_` and hexadecimal digits",
    };
    let _ = writeln!(text, "  E2B_API_KEY  {key}");
    let answer = match (cloud.accepted, &cloud.problem) {
        _ if cloud.is_local_mode => "E2B_DEBUG is true: a sandbox on this machine, not asked",
        (None, _) => "not asked",
        (Some(true), _) => "answers, and accepts the key",
        (Some(false), Some(problem)) => problem,
        (Some(false), None) => "cannot be used",
    };
    let _ = writeln!(text, "  {}  {answer}", cloud.address);
    text
}
