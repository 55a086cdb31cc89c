//! `doctor --e2b-parity`: the same cases on this machine and in E2B's cloud, their rewards compared.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{BackendArgument, BackendArguments, Exit, compile, open, put_line, refuse, runtime};
use crate::backend::e2b::E2b;
use crate::escape::visible;
use crate::reward::Cause;
use crate::run::{Event, Interrupts, Outcome, Planned, Runner, Selection, run_all};

/// What is compared of an outcome.
#[derive(Debug, PartialEq)]
struct Compared {
    score: f64,
    cause: Option<Cause>,
    metrics: BTreeMap<String, f64>,
}

pub(super) fn parity(paths: &[PathBuf], limit: Option<usize>) -> Exit {
    let mut project = open(paths);
    let suites = match compile(&mut project, paths) {
        Ok(suites) => suites,
        Err(exit) => return exit,
    };
    match E2b::from_environment(None) {
        Ok(Some(_)) => {}
        Ok(None) => {
            let help = "get a key at https://e2b.dev/dashboard";
            return refuse(
                "E2B_API_KEY is not set: there is nothing to compare with",
                Some(help),
            );
        }
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Infrastructure;
        }
    }
    let Ok(runtime) = runtime() else {
        return Exit::Infrastructure;
    };
    let selection = Selection {
        limit,
        ..Selection::default()
    };
    let mut sides = Vec::new();
    for backend in [BackendArgument::Local, BackendArgument::E2b] {
        let arguments = BackendArguments {
            backend: Some(backend),
            ..BackendArguments::default()
        };
        let entered = runtime.enter();
        let runner = match arguments.runner(&project) {
            Ok(runner) => std::sync::Arc::new(runner),
            Err(exit) => return exit,
        };
        drop(entered);
        let planned = selection
            .plan(&suites, &project)
            .filter(|planned| match planned {
                Planned::Case(evaluator) => {
                    // Only what has a reply, and runs in both places.
                    evaluator.ignored().is_none()
                        && !evaluator.replies.is_empty()
                        && crate::backend::interpreter::missing(&evaluator.language.interpreter)
                            .is_none()
                }
                Planned::Fault(_) | Planned::BadRow(_) => false,
            });
        match runtime.block_on(all(&runner, planned)) {
            Some(outcomes) => sides.push(outcomes),
            None => return Exit::Interrupted,
        }
    }
    let [local, cloud] = &sides[..] else {
        return Exit::Infrastructure;
    };
    told(local, cloud)
}

/// Outcomes by case; nothing when this process was asked to end.
async fn all(
    runner: &std::sync::Arc<Runner>,
    planned: impl Iterator<Item = Planned>,
) -> Option<BTreeMap<String, Result<Compared, String>>> {
    let mut outcomes = BTreeMap::new();
    let work = run_all(runner, planned, |event| {
        if let Event::Reply(outcome) = event {
            outcomes.insert(outcome.name(), compared(outcome));
        }
        std::ops::ControlFlow::Continue(())
    });
    let mut interrupts = Interrupts::listen();
    let ended = tokio::select! {
        () = work => true,
        () = interrupts.next() => false,
    };
    super::close(runner, &mut interrupts).await;
    ended.then_some(outcomes)
}

fn compared(outcome: &Outcome) -> Result<Compared, String> {
    let reward = outcome
        .result
        .as_ref()
        .map_err(|fault| fault.message.clone())?;
    Ok(Compared {
        score: reward.score,
        cause: reward.cause,
        metrics: reward
            .metrics
            .iter()
            .map(|(name, metric)| (name.clone(), metric.score))
            .collect(),
    })
}

fn told(
    local: &BTreeMap<String, Result<Compared, String>>,
    cloud: &BTreeMap<String, Result<Compared, String>>,
) -> Exit {
    let (mut equal, mut differ, mut failed) = (0, 0, 0);
    for (id, here) in local {
        let there = cloud.get(id);
        let line = match (here, there) {
            (Ok(here), Some(Ok(there))) if here == there => {
                equal += 1;
                continue;
            }
            (Ok(here), Some(Ok(there))) => {
                differ += 1;
                format!("{id}: {} here, {} in the cloud", one(here), one(there))
            }
            (Err(why), _) => {
                failed += 1;
                format!("{id}: could not run here: {why}")
            }
            (_, Some(Err(why))) => {
                failed += 1;
                format!("{id}: could not run in the cloud: {why}")
            }
            (_, None) => {
                failed += 1;
                format!("{id}: was not run in the cloud")
            }
        };
        let _ = put_line(&visible(&line));
    }
    let _ = put_line(&format!(
        "{equal} {} with equal rewards, {differ} with others, {failed} that could not run",
        if equal == 1 { "case" } else { "cases" }
    ));
    if failed > 0 {
        Exit::Infrastructure
    } else if differ > 0 {
        Exit::Below
    } else {
        Exit::Passed
    }
}

fn one(compared: &Compared) -> String {
    let cause = compared
        .cause
        .map_or(String::new(), |cause| format!(" ({})", cause.word()));
    format!("{:.3}{cause}", compared.score)
}
