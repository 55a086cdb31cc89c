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

/// Keys that stand only on a suite.
const SUITE_KEYS: &[&str] = &["name", "rules", "cases"];

/// Reads a suite.
///
/// # Errors
/// What is no YAML is one diagnostic. Otherwise each layer (the suite's own keys and each case)
/// is decoded, and the first structural error of each key is reported. Where only cases are wrong, the
/// suite comes without them, beside what is wrong: what else is wrong with the others can be told too.
pub fn parse_suite(source: SourceId, text: &str) -> Result<(SuiteFile, Diagnostics), Diagnostics> {
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
        has_cases: root.get("cases").is_some(),
        cases: Vec::new(),
        span: root.span,
    };
    let mut of_cases = Diagnostics::default();
    for (key, value) in entries {
        match key.text.as_str() {
            "name" => suite.title = collect(decode(value), &mut diagnostics),
            "rules" => suite.rules = collect(decode(value), &mut diagnostics),
            "cases" => suite.cases = parse_cases(value, &mut diagnostics, &mut of_cases),
            _ => shared.push((key.clone(), value.clone())),
        }
    }
    suite.shared.kind = Kind::Map(shared);
    if !suite.has_cases && suite.shared.get("dataset").is_none() && diagnostics.is_empty() {
        diagnostics.push(
            Diagnostic::at(root.span, "the suite has no cases")
                .help("write them under `cases`, or name a file of rows under `dataset`"),
        );
    }
    check_layer(&suite.shared, SUITE_KEYS, &mut diagnostics);
    if diagnostics.is_empty() {
        Ok((suite, of_cases))
    } else {
        diagnostics.extend(of_cases);
        diagnostics.sort();
        Err(diagnostics)
    }
}

/// The cases that are well-formed; what is wrong with the others goes to `of_cases`.
fn parse_cases(
    value: &Node,
    diagnostics: &mut Diagnostics,
    of_cases: &mut Diagnostics,
) -> Vec<CaseEntry> {
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
    for (index, item) in items.iter().enumerate() {
        let mut wrong = Diagnostics::default();
        let Kind::Map(entries) = &item.kind else {
            of_cases.push(
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
                "name" => name = collect(decode(value), &mut wrong),
                _ => keys.push((key.clone(), value.clone())),
            }
        }
        let keys = Node {
            kind: Kind::Map(keys),
            span: item.span,
        };
        check_layer(&keys, &["name"], &mut wrong);
        if wrong.is_empty() {
            cases.push(CaseEntry {
                name,
                number: index + 1,
                keys,
                span: item.span,
            });
        }
        of_cases.extend(wrong);
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
