//! What an author wrote: YAML text to suites and rule packs, every value with its place.
//!
//! Nothing is resolved here: names stay names, inheritance is not applied. The layers of a case
//! stay trees ([`Node`]), because they are merged as trees before they are decoded.

mod decode;
pub mod expect;
mod later;
pub mod node;
pub mod rules;
pub mod suite;
pub mod value;

pub use decode::decode;
pub use node::{Key, Kind, Node};

use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::source::{SourceId, Span, Spanned};
use suite::Keys;

/// A suite file: its own keys, the keys its cases inherit, and its cases.
#[derive(Debug, Clone)]
pub struct SuiteFile {
    /// The title.
    pub title: Option<String>,
    /// Rule packs to load; absent, every file in the project's `rules/`.
    pub rules: Option<Vec<Spanned<String>>>,
    /// The map of keys that every case inherits.
    pub shared: Node,
    /// The cases; empty where a dataset alone makes them.
    pub cases: Vec<CaseEntry>,
    /// Where the file begins.
    pub span: Span,
}

/// A case as it stands in `cases`.
#[derive(Debug, Clone)]
pub struct CaseEntry {
    /// Its name; absent, its 1-based number.
    pub name: Option<Spanned<String>>,
    /// The map of its other keys.
    pub keys: Node,
    /// Where it stands.
    pub span: Span,
}

/// Keys that stand only on a suite.
const SUITE_KEYS: &[&str] = &["name", "rules", "cases"];

/// Reads a suite.
///
/// # Errors
/// What is no YAML is one diagnostic. Otherwise each layer (the suite's own keys and each case)
/// is decoded, and the first structural error of each is reported.
pub fn parse_suite(source: SourceId, text: &str) -> Result<SuiteFile, Diagnostics> {
    let root = node::parse(source, text)?;
    let Kind::Map(entries) = &root.kind else {
        let label = "a suite is a map with the keys `cases` or `dataset`";
        return Err(
            Diagnostic::at(root.span, format!("expected a map, found {}", root.noun()))
                .label(label)
                .into(),
        );
    };
    let mut diagnostics = Diagnostics::default();
    let mut shared = Vec::new();
    let mut suite = SuiteFile {
        title: None,
        rules: None,
        shared: Node {
            kind: Kind::Map(Vec::new()),
            span: root.span,
        },
        cases: Vec::new(),
        span: root.span,
    };
    for (key, value) in entries {
        match key.text.as_str() {
            "name" => suite.title = collect(decode(value), &mut diagnostics),
            "rules" => suite.rules = collect(decode(value), &mut diagnostics),
            "cases" => suite.cases = parse_cases(value, &mut diagnostics),
            _ => shared.push((key.clone(), value.clone())),
        }
    }
    suite.shared.kind = Kind::Map(shared);
    if suite.cases.is_empty()
        && suite.shared.get("dataset").is_none()
        && diagnostics.is_empty()
        && root.get("cases").is_none()
    {
        diagnostics.push(
            Diagnostic::at(root.span, "the suite has no cases")
                .help("write them under `cases`, or name a file of rows under `dataset`"),
        );
    }
    check_layer(&suite.shared, SUITE_KEYS, &mut diagnostics);
    diagnostics.sort();
    if diagnostics.is_empty() {
        Ok(suite)
    } else {
        Err(diagnostics)
    }
}

fn parse_cases(value: &Node, diagnostics: &mut Diagnostics) -> Vec<CaseEntry> {
    let Kind::List(items) = &value.kind else {
        diagnostics.push(Diagnostic::at(
            value.span,
            format!("expected a list of cases, found {}", value.noun()),
        ));
        return Vec::new();
    };
    if items.is_empty() {
        diagnostics.push(Diagnostic::at(
            value.span,
            "`cases` is empty: nothing would be tested",
        ));
    }
    let mut cases = Vec::new();
    for item in items {
        let Kind::Map(entries) = &item.kind else {
            diagnostics.push(
                Diagnostic::at(
                    item.span,
                    format!("expected a case, which is a map, found {}", item.noun()),
                )
                .help("a case has keys such as `prompt`, `reply` and `expect`"),
            );
            continue;
        };
        let mut name = None;
        let mut keys = Vec::new();
        for (key, value) in entries {
            match key.text.as_str() {
                "name" => name = collect(decode(value), diagnostics),
                _ => keys.push((key.clone(), value.clone())),
            }
        }
        let keys = Node {
            kind: Kind::Map(keys),
            span: item.span,
        };
        check_layer(&keys, &["name"], diagnostics);
        cases.push(CaseEntry {
            name,
            keys,
            span: item.span,
        });
    }
    cases
}

/// Whether a layer of keys is well-formed by itself; `~`, which removes, is left out.
pub fn check_layer(layer: &Node, also_known: &[&'static str], diagnostics: &mut Diagnostics) {
    let Kind::Map(entries) = &layer.kind else {
        diagnostics.push(Diagnostic::at(
            layer.span,
            format!("expected a map of keys, found {}", layer.noun()),
        ));
        return;
    };
    for (key, _) in entries {
        let name = key.text.as_str();
        if Keys::NAMES.contains(&name) {
            continue;
        }
        let known = Keys::NAMES.iter().chain(also_known).copied();
        diagnostics.push(match later::key("Keys", name) {
            Some(message) => Diagnostic::at(key.span, message),
            None if name == "cases" || name == "rules" => Diagnostic::at(
                key.span,
                format!("`{name}` stands at the top of a suite, not in a case"),
            ),
            None => Diagnostic::at(key.span, format!("unknown key `{name}`"))
                .maybe_help(did_you_mean(name, known)),
        });
    }
    for (key, value) in entries {
        if value.is_nothing() || !Keys::NAMES.contains(&key.text.as_str()) {
            continue;
        }
        // Decoding one key at a time reports one error for each, not one for all.
        let single = Node {
            kind: Kind::Map(vec![(key.clone(), without_removals(value))]),
            span: layer.span,
        };
        let _: Option<Keys> = collect(decode(&single), diagnostics);
    }
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

fn collect<T>(result: Result<T, Diagnostic>, diagnostics: &mut Diagnostics) -> Option<T> {
    result
        .map_err(|diagnostic| diagnostics.push(diagnostic))
        .ok()
}
