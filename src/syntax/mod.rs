//! What an author wrote: YAML text to suites and rule packs, every value with its place.
//!
//! Nothing is resolved here: names stay names, inheritance is not applied. The layers of a case
//! stay trees ([`Node`]), because they are merged as trees before they are decoded.

pub mod argument;
pub mod checks;
mod decode;
pub mod expect;
mod form;
pub mod matcher;
pub mod matrix;
pub mod model;
pub mod node;
pub mod rules;
pub mod schema;
pub mod score;
mod structure;
pub mod suite;
pub mod test_code;
pub mod value;

pub use decode::decode;
pub use node::{Key, Kind, Node};

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::source::{SourceId, Span, Spanned};
use structure::{LAYER, Mistake, SUITE, Structure};
use suite::{Keys, RequireSpec};

/// A suite file: its own keys, the keys its cases inherit, and its cases.
#[derive(Debug, Clone)]
pub struct SuiteFile {
    /// The title.
    pub title: Option<String>,
    /// Rule packs to load; absent, every file in the project's `rules/`.
    pub rules: Option<Vec<Spanned<String>>>,
    /// What the suite as a whole must reach.
    pub require: Option<Spanned<RequireSpec>>,
    /// The map of keys that every case inherits.
    pub shared: Node,
    /// Whether cases are written; else a dataset alone makes them.
    pub has_cases: bool,
    /// The cases that are well-formed.
    pub cases: Vec<CaseEntry>,
    /// Where the file begins.
    pub span: Span,
}

/// A case as it stands in `cases`.
#[derive(Debug, Clone)]
pub struct CaseEntry {
    /// Its name; absent, its number.
    pub name: Option<Spanned<String>>,
    /// Which of the cases it is, from 1 on.
    pub number: usize,
    /// The map of its other keys.
    pub keys: Node,
    /// Where it stands.
    pub span: Span,
}

/// Reads a suite.
///
/// # Errors
/// What is no YAML is one diagnostic. Otherwise every structural error. Where only cases are wrong, the
/// suite comes without them, beside what is wrong: what else is wrong with the others can be told too.
pub fn parse_suite(source: SourceId, text: &str) -> Result<(SuiteFile, Diagnostics), Diagnostics> {
    let root = node::parse(source, text)?;
    let span = root.span;
    if root.is_nothing() {
        let start = Span {
            source,
            start: 0,
            end: 0,
        };
        return Err(Diagnostic::at(start, "the file is empty")
            .help("a suite needs at least `cases` or `dataset`")
            .into());
    }
    let mut wrong = Vec::new();
    let mut of_cases = Vec::new();
    let mut shared = Vec::new();
    let mut suite = SuiteFile {
        title: None,
        rules: None,
        require: None,
        shared: Node {
            kind: Kind::Map(Vec::new()),
            span,
        },
        has_cases: root.get("cases").is_some(),
        cases: Vec::new(),
        span,
    };
    // The tree of a large suite is taken apart, not copied; what is wrong is looked for in a second
    // reading.
    let told = |wrong| -> Result<Diagnostics, Diagnostics> {
        Ok(told(&node::parse(source, text)?, wrong, &SUITE))
    };
    let Kind::Map(entries) = root.kind else {
        return Err(told(vec![wrong_alone::<&str>(&[], span)])?);
    };
    for (key, value) in entries {
        let path = || vec![key.text.clone()];
        match key.text.as_str() {
            "name" => suite.title = collect(decode(&value), path, &mut wrong),
            "rules" => suite.rules = collect(decode(&value), path, &mut wrong),
            "require" => suite.require = collect(decode(&value), path, &mut wrong),
            "cases" => suite.cases = parse_cases(value, &mut wrong, &mut of_cases),
            _ => shared.push((key, value)),
        }
    }
    suite.shared.kind = Kind::Map(shared);
    wrong.extend(wrong_keys(&suite.shared, &[]));
    let is_empty = !suite.has_cases && suite.shared.get("dataset").is_none();
    if is_empty && wrong.is_empty() {
        let diagnostic = Diagnostic::at(span, "the suite has no cases")
            .help("write them under `cases`, or name a file of rows under `dataset`");
        return Err(diagnostic.into());
    }
    if wrong.is_empty() && of_cases.is_empty() {
        return Ok((suite, Diagnostics::default()));
    }
    let can_go_on = wrong.iter().all(|mistake| can_be_without(&mistake.path[0]));
    remove(
        &mut suite.shared,
        wrong.iter().map(|mistake| &mistake.path[0]),
    );
    wrong.extend(of_cases);
    let diagnostics = told(wrong)?;
    if can_go_on {
        Ok((suite, diagnostics))
    } else {
        Err(diagnostics)
    }
}

/// Keys whose absence makes nothing else wrong: what is wrong in meaning is told beside their mistakes.
const ALONE: &[&str] = &[
    "name",
    "description",
    "tags",
    "backend",
    "e2b",
    "isolation",
    "timeout",
    "limits",
    "network",
    "samples",
    "code",
    "stdin",
    "args",
    "files",
    "compare",
    "score",
    "skip",
    "only",
];

fn can_be_without(key: &str) -> bool {
    let meant = if Keys::NAMES.contains(&key) {
        Some(key)
    } else {
        nearest(key, Keys::NAMES.iter().copied())
    };
    meant.is_some_and(|meant| ALONE.contains(&meant))
}

fn remove<'k>(layer: &mut Node, keys: impl Iterator<Item = &'k String> + Clone) {
    if let Kind::Map(entries) = &mut layer.kind {
        entries.retain(|(key, _)| !keys.clone().any(|wrong| *wrong == key.text));
    }
}

/// The cases that are well-formed; what is wrong with the others goes to `of_cases`.
fn parse_cases(
    value: Node,
    wrong: &mut Vec<Mistake>,
    of_cases: &mut Vec<Mistake>,
) -> Vec<CaseEntry> {
    let items = match value.kind {
        Kind::List(items) if !items.is_empty() => items,
        _ => {
            wrong.push(wrong_alone(&["cases"], value.span));
            return Vec::new();
        }
    };
    let mut cases = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let path = ["cases".to_owned(), index.to_string()];
        let Kind::Map(mut entries) = item.kind else {
            of_cases.push(wrong_alone(&path, item.span));
            continue;
        };
        let mut of_case = Vec::new();
        let at = entries.iter().position(|(key, _)| key.text == "name");
        let name = at.and_then(|at| {
            let (key, value) = entries.remove(at);
            let path = || [&path[..], &[key.text]].concat();
            collect(decode(&value), path, &mut of_case)
        });
        let mut keys = Node {
            kind: Kind::Map(entries),
            span: item.span,
        };
        of_case.extend(wrong_keys(&keys, &path));
        let wrong = of_case.iter().filter_map(|mistake| mistake.path.get(2));
        if wrong.clone().all(|key| can_be_without(key)) {
            remove(&mut keys, wrong);
            cases.push(CaseEntry {
                name,
                number: index + 1,
                keys,
                span: item.span,
            });
        }
        of_cases.extend(of_case);
    }
    cases
}

/// What is wrong with a layer of keys by itself: it stands at the root.
pub fn check_layer(layer: &Node) -> Diagnostics {
    told(layer, wrong_keys(layer, &[]), &LAYER)
}

/// What is wrong with each key of a layer, as far as decoding goes: at most one mistake a key. `~`,
/// which removes, is left out.
fn wrong_keys(layer: &Node, path: &[String]) -> Vec<Mistake> {
    let Kind::Map(entries) = &layer.kind else {
        return vec![wrong_alone(path, layer.span)];
    };
    // Nearly always nothing is wrong, and then one decoding tells it.
    if decode::<Keys>(&without_nested_removals(layer)).is_ok() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (key, value) in entries {
        let path = || [path, std::slice::from_ref(&key.text)].concat();
        if !Keys::NAMES.contains(&key.text.as_str()) {
            wrong.push(wrong_alone(&path(), key.span));
        } else if !value.is_nothing() {
            let single = Node {
                kind: Kind::Map(vec![(key.clone(), kept(key, value).into_owned())]),
                span: layer.span,
            };
            let _: Option<Keys> = collect(decode(&single), path, &mut wrong);
        }
    }
    wrong
}

/// A mistake that the schema has the words for.
fn wrong_alone<S: AsRef<str>>(path: &[S], span: Span) -> Mistake {
    Mistake {
        path: path.iter().map(|step| step.as_ref().to_owned()).collect(),
        diagnostic: Diagnostic::at(span, "this is not expected here"),
    }
}

/// Every structural error, where decoding found at least one. Decoding stops at the first error of a
/// key; the schema tells all of them, and decoding's own stands where the schema has nothing to say.
fn told(root: &Node, wrong: Vec<Mistake>, structure: &LazyLock<Structure>) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    if wrong.is_empty() {
        // The schema is not even made.
        return diagnostics;
    }
    let all = structure.mistakes(root);
    for mistake in wrong {
        // They are sorted, so what begins with a path stands together.
        let first = all.partition_point(|other| other.path < mistake.path);
        let mut same = all[first..]
            .iter()
            .take_while(|other| other.path.starts_with(&mistake.path))
            .peekable();
        if same.peek().is_none() {
            diagnostics.push(mistake.diagnostic);
        } else {
            same.for_each(|other| diagnostics.push(other.diagnostic.clone()));
        }
    }
    diagnostics.sort();
    diagnostics
}

/// A layer without the entries of its maps that only remove what is inherited.
fn without_nested_removals(layer: &Node) -> Cow<'_, Node> {
    let Kind::Map(entries) = &layer.kind else {
        return Cow::Borrowed(layer);
    };
    let is_kept = |(key, value): &(Key, Node)| matches!(kept(key, value), Cow::Borrowed(_));
    if entries.iter().all(is_kept) {
        return Cow::Borrowed(layer);
    }
    let entries = entries.iter();
    Cow::Owned(Node {
        kind: Kind::Map(
            entries
                .map(|(key, value)| (key.clone(), kept(key, value).into_owned()))
                .collect(),
        ),
        span: layer.span,
    })
}

/// A key's value without the entries that only remove: those of maps whose keys the author chooses.
/// Elsewhere an unknown key with nothing behind it is a mistake like any other.
fn kept<'n>(key: &Key, value: &'n Node) -> Cow<'n, Node> {
    let holds_removals = match &value.kind {
        Kind::Map(entries) => entries.iter().any(|(_, value)| value.is_nothing()),
        Kind::Scalar { .. } | Kind::List(_) => false,
    };
    if holds_removals && ["vars", "files"].contains(&key.text.as_str()) {
        return Cow::Owned(without_removals(value));
    }
    Cow::Borrowed(value)
}

/// A map without the entries that are `~`; in `vars` and its like they remove what is inherited.
pub fn without_removals(node: &Node) -> Node {
    match &node.kind {
        Kind::Map(entries) => Node {
            kind: Kind::Map(
                entries
                    .iter()
                    .filter(|(_, value)| !value.is_nothing())
                    .cloned()
                    .collect(),
            ),
            span: node.span,
        },
        Kind::Scalar { .. } | Kind::List(_) => node.clone(),
    }
}

fn collect<T>(
    result: Result<T, Diagnostic>,
    path: impl FnOnce() -> Vec<String>,
    wrong: &mut Vec<Mistake>,
) -> Option<T> {
    let mistake = |diagnostic| Mistake {
        path: path(),
        diagnostic,
    };
    result
        .map_err(|diagnostic| wrong.push(mistake(diagnostic)))
        .ok()
}
