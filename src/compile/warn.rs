//! What is well-formed and probably not meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use super::cases::Compiler;
use super::later;
use super::plan::SuitePlan;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::evaluator::compare::{Comparator, Expected};
use crate::source::{Span, Spanned};
use crate::syntax::rules::{AnyRule, RulePack};
use crate::syntax::{Kind, Node};

/// Variables of a matrix that no template uses.
pub(super) fn suite(compiler: &mut Compiler<'_>) {
    let axes = std::mem::take(&mut compiler.axes);
    for (axis, _) in axes.into_values().filter(|(_, is_used)| !is_used) {
        let message = format!(
            "no template uses the variable `{}` of the matrix",
            axis.value
        );
        let help = format!(
            "write `{{{{ {} }}}}` where it belongs, or remove it",
            axis.value
        );
        compiler
            .warnings
            .push(Diagnostic::warning(axis.span, message).help(help));
    }
}

/// What cases use that this version does not have: they are not run.
pub fn later(suite: &SuitePlan) -> Diagnostics {
    let mut used: BTreeMap<(Span, &str), usize> = BTreeMap::new();
    for feature in suite.cases.iter().flat_map(|case| &case.later) {
        *used.entry((feature.span, &feature.value)).or_default() += 1;
    }
    let mut diagnostics = Diagnostics::default();
    for ((span, what), count) in used {
        let message = match count {
            1 => format!("{}: the case is not run", later::message(what)),
            _ => format!("{}: {count} cases are not run", later::message(what)),
        };
        diagnostics.push(Diagnostic::warning(span, message));
    }
    diagnostics
}

/// A pattern that matches where nothing is.
pub(super) fn pattern(
    comparator: &Arc<Comparator>,
    text: &Spanned<String>,
    compiler: &mut Compiler<'_>,
) {
    let prepared = comparator.prepare(&Expected::Text(text.value.clone()));
    if prepared.is_ok_and(|prepared| prepared.matches_empty()) {
        let message = "the pattern matches the empty text: a program that prints nothing would do";
        compiler
            .warnings
            .push(Diagnostic::warning(text.span, message));
    }
}

/// That no case is known to be bad: a judge that accepts everything would not be noticed.
pub fn nothing_bad(suites: &[SuitePlan]) -> Option<Diagnostic> {
    let mut cases = suites.iter().flat_map(|suite| &suite.cases);
    let has_replies = suites
        .iter()
        .flat_map(|suite| &suite.cases)
        .any(|case| case.has_reply());
    if !has_replies || cases.any(|case| case.is_known_bad()) {
        return None;
    }
    let message = "no case is known to be bad: if everything were accepted, nobody would notice";
    let help = "add a reply that must earn nothing, with `score: {at_most: 0}`";
    Some(Diagnostic::warning(suites.first()?.written_at, message).help(help))
}

/// Rules of a pack that no suite uses. Hacks are tried on all.
pub fn unused_rules(pack: &RulePack, suites: &[SuitePlan]) -> Diagnostics {
    let is_used = |kind: &str, name: &str| {
        let mut uses = suites.iter().flat_map(|suite| &suite.uses);
        uses.any(|(used, what)| *used == kind && (what == name || what == "*"))
    };
    let mut diagnostics = Diagnostics::default();
    for AnyRule { kind, noun, name } in pack.rules() {
        if kind != "hack" && !is_used(kind, &name.value) {
            let message = format!("no suite uses the {noun} `{}`", name.value);
            diagnostics.push(Diagnostic::warning(name.span, message));
        }
    }
    diagnostics
}

/// Patterns of a pack that match the empty text, and so anything.
pub fn pack(pack: &RulePack) -> Diagnostics {
    let mut patterns: Vec<&Node> = Vec::new();
    for language in &pack.languages {
        patterns.extend(language.node.get("exception"));
        patterns.extend(items(&language.node, &["looks_like"]));
        patterns.extend(items(&language.node, &["declares"]));
    }
    for extractor in &pack.code {
        let node = &extractor.node;
        patterns.extend(node.get("ignore").and_then(|ignore| ignore.get("when")));
        for path in [
            ["ignore", "commands"].as_slice(),
            &["end"],
            &["remove_inside"],
            &["words", "correction"],
            &["words", "alternative"],
            &["words", "quoted"],
            &["words", "output"],
            &["words", "sketch"],
        ] {
            patterns.extend(items(node, path));
        }
    }
    for extractor in &pack.expected_output {
        let Kind::List(rules) = &extractor.node.kind else {
            continue;
        };
        for rule in rules {
            patterns.extend(
                ["pattern", "unless"]
                    .into_iter()
                    .filter_map(|key| rule.get(key)),
            );
        }
    }
    let mut diagnostics = Diagnostics::default();
    for pattern in patterns {
        if let Kind::Scalar { text, .. } = &pattern.kind
            && Regex::new(text).is_ok_and(|regex| regex.is_match(""))
        {
            let message = "the pattern matches the empty text, and so anything";
            diagnostics.push(Diagnostic::warning(pattern.span, message));
        }
    }
    diagnostics
}

/// The items of the list that a path of keys leads to.
fn items<'n>(node: &'n Node, path: &[&str]) -> &'n [Node] {
    let found = path.iter().try_fold(node, |node, key| node.get(key));
    match found.map(|node| &node.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}
