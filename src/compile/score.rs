//! `score` compiled: every named metric is one that the case can produce.

use super::cases::Compiler;
use super::expectations::Compiled;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::evaluator::{ScoreRule, Wanted};
use crate::source::Spanned;
use crate::syntax::score::ScoreSpec;

pub(super) fn compile(
    written: &ScoreSpec,
    expect: &Compiled,
    compiler: &mut Compiler<'_>,
) -> ScoreRule {
    let named: Vec<&str> = expect.metrics.iter().map(String::as_str).collect();
    let mut metrics = vec!["extracted_code", "execution_result"];
    if named.contains(&"output_match") {
        metrics.push("expected_output");
    }
    metrics.extend(&named);
    let mut known = |name: &Spanned<String>| {
        if !metrics.contains(&name.value.as_str()) {
            let diagnostic = Diagnostic::at(
                name.span,
                format!("the case cannot produce the metric `{}`", name.value),
            );
            compiler
                .report(diagnostic.maybe_help(did_you_mean(&name.value, metrics.iter().copied())));
        }
    };

    let mut gates = Vec::new();
    if !["exit_code", "error", "stderr"]
        .iter()
        .any(|name| named.contains(name))
    {
        gates.push(("execution_result".to_owned(), 1.0));
    }
    for (name, floor) in written.gates.iter().flat_map(|gates| &gates.0) {
        known(name);
        gates.retain(|(gate, _)| *gate != name.value);
        gates.push((name.value.clone(), *floor));
    }
    let weights: Vec<(String, f64)> = match &written.weights {
        None => named.iter().map(|name| ((*name).to_owned(), 1.0)).collect(),
        Some(weights) => {
            for (name, _) in &weights.value.0 {
                known(name);
            }
            weights
                .value
                .0
                .iter()
                .map(|(name, weight)| (name.value.clone(), weight.value))
                .collect()
        }
    };
    if let Some(weights) = &written.weights {
        if weights.value.0.is_empty() {
            let message = "`weights` is empty: nothing would count";
            compiler.report(Diagnostic::at(weights.span, message));
        }
        for (_, weight) in &weights.value.0 {
            if !(weight.value >= 0.0 && weight.value.is_finite()) {
                compiler.report(Diagnostic::at(
                    weight.span,
                    "a weight is a number of 0 or more",
                ));
            }
        }
        if let Some((first, _)) = weights.value.0.first()
            && weights
                .value
                .0
                .iter()
                .all(|(_, weight)| weight.value == 0.0)
        {
            compiler.report(Diagnostic::at(
                first.span,
                "the weights sum to 0: nothing would count",
            ));
        }
    }
    for (name, floor) in written.gates.iter().flat_map(|gates| &gates.0) {
        if !(0.0..=1.0).contains(floor) {
            compiler.report(Diagnostic::at(
                name.span,
                format!("the floor of `{}` is not between 0 and 1", name.value),
            ));
        }
    }
    for bound in [&written.at_least, &written.at_most].into_iter().flatten() {
        if !(0.0..=1.0).contains(&bound.value) {
            compiler.report(Diagnostic::at(bound.span, "a score is between 0 and 1"));
        }
    }
    let wanted = match (&written.at_least, &written.at_most) {
        (Some(_), Some(most)) => {
            compiler.report(
                Diagnostic::at(most.span, "`at_most` stands beside `at_least`")
                    .help("write one of the two"),
            );
            Wanted::AtLeast(1.0)
        }
        (Some(least), None) => Wanted::AtLeast(least.value),
        (None, Some(most)) => {
            Wanted::AtMost(most.value, written.cause.as_ref().map(|cause| cause.value))
        }
        (None, None) => Wanted::AtLeast(1.0),
    };
    if let (Some(cause), Some(most)) = (&written.cause, &written.at_most)
        && most.value != 0.0
    {
        compiler.report(
            Diagnostic::at(cause.span, "only a score of 0 has a cause")
                .help("write `at_most: 0` beside it, or leave `cause` out"),
        );
    }
    if let (Some(cause), None) = (&written.cause, &written.at_most) {
        compiler.report(
            Diagnostic::at(cause.span, "`cause` stands without `at_most`")
                .help("a cause belongs to a reply known to be bad: `at_most: 0`"),
        );
    }
    ScoreRule {
        weights,
        gates,
        wanted,
    }
}
