//! Every structural mistake of a file: its tree held against the JSON Schema, each error put into
//! words and back to its place.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::decode::number_of;
use super::node::{Key, Kind, Node};
use super::schema::{self, Names};
use crate::diagnostic::{Diagnostic, did_you_mean, nearest};
use crate::source::Span;

/// A mistake and the keys and numbers that lead to it from the root.
#[derive(Debug, Clone)]
pub(super) struct Mistake {
    pub(super) path: Vec<String>,
    pub(super) diagnostic: Diagnostic,
}

/// A schema that trees are held against.
pub(super) struct Structure {
    schema: Value,
    validator: Validator,
}

/// Suites.
pub(super) static SUITE: LazyLock<Structure> =
    LazyLock::new(|| Structure::new(schema::suite(&Names::new())));
/// Rule packs.
pub(super) static PACK: LazyLock<Structure> =
    LazyLock::new(|| Structure::new(schema::pack(&Names::new())));
/// The keys of a case alone.
pub(super) static LAYER: LazyLock<Structure> = LazyLock::new(|| Structure::new(schema::layer()));

impl Structure {
    fn new(schema: Value) -> Self {
        let validator = jsonschema::draft7::new(&schema).expect("the schema is made from types");
        Structure { schema, validator }
    }

    /// Every mistake of a tree, at most one for each place.
    pub(super) fn mistakes(&self, root: &Node) -> Vec<Mistake> {
        let instance = json_of(root);
        let mut found: BTreeMap<Vec<String>, Told> = BTreeMap::new();
        for error in self.validator.iter_errors(&instance) {
            let path = steps(error.instance_path().as_str());
            let Some(node) = at(root, &path) else {
                continue;
            };
            let schema_path = steps(error.schema_path().as_str());
            let (schema, message) = self.schema_at(&schema_path);
            let place = Place {
                root: &self.schema,
                schema,
                message,
                beside: beside(&schema_path),
                parent: path.split_last().and_then(|(_, parent)| at(root, parent)),
                is_of_case: schema_path
                    .get(1)
                    .is_some_and(|name| name == "Case" || name == "Preset"),
                path,
                node,
            };
            for (path, told) in place.told(error.kind()) {
                // What is of the wrong kind has other faults too; this one is told.
                match found.get_mut(&path) {
                    Some(known) if known.rank <= told.rank => {}
                    Some(known) => *known = told,
                    None => drop(found.insert(path, told)),
                }
            }
        }
        let found = found.into_iter();
        found
            .map(|(path, told)| Mistake {
                path,
                diagnostic: told.diagnostic,
            })
            .collect()
    }

    /// The innermost schema around a keyword that says what it expects, and the message of a rule
    /// within it.
    fn schema_at(&self, path: &[String]) -> (&Value, Option<&str>) {
        let mut at = &self.schema;
        let mut schema = at;
        let mut message = at.get("errorMessage").and_then(Value::as_str);
        for step in path {
            if INTO.contains(&step.as_str()) {
                message = None;
            }
            let next = match at {
                Value::Array(items) => step
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index)),
                _ => at.get(step),
            };
            let Some(next) = next else { break };
            at = next;
            if at.get("title").is_some_and(Value::is_string) {
                schema = at;
            }
            message = at.get("errorMessage").and_then(Value::as_str).or(message);
        }
        (schema, message)
    }
}

/// A mistake in words; the lower the rank, the more it says of its place.
struct Told {
    rank: u8,
    diagnostic: Diagnostic,
}

/// Where an error is: in the tree and in the schema.
struct Place<'a> {
    /// The whole schema.
    root: &'a Value,
    schema: &'a Value,
    /// What the rule that is broken says.
    message: Option<&'a str>,
    /// The key that this one may not stand beside.
    beside: Option<&'a str>,
    parent: Option<&'a Node>,
    is_of_case: bool,
    path: Vec<String>,
    node: &'a Node,
}

impl Place<'_> {
    /// The error in words, for each place that it is about.
    fn told(self, kind: &ValidationErrorKind) -> Vec<(Vec<String>, Told)> {
        let (rank, diagnostic) = match kind {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                return unexpected
                    .iter()
                    .filter_map(|name| self.unknown(name))
                    .collect();
            }
            ValidationErrorKind::Required { property } if self.message.is_none() => {
                let property = property.as_str().unwrap_or_default();
                return self.missing(property).into_iter().collect();
            }
            ValidationErrorKind::Type { .. } => (0, self.expected()),
            ValidationErrorKind::Enum { options } => (2, self.word(options)),
            ValidationErrorKind::Pattern { pattern } => (2, self.pattern(pattern)),
            ValidationErrorKind::FalseSchema => (2, self.excluded()),
            ValidationErrorKind::MinItems { .. } => (3, self.empty()),
            ValidationErrorKind::MaxProperties { .. } => (3, self.second()),
            // A key that is not known may be the one that is missing.
            _ if self.unknown_keys().next().is_some() => return Vec::new(),
            ValidationErrorKind::MinProperties { .. } if self.message.is_none() => {
                (3, self.expected())
            }
            ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::Not { .. } => {
                (4, self.rule(self.key()))
            }
            _ => (4, self.rule(self.node.span)),
        };
        vec![(self.path, Told { rank, diagnostic })]
    }

    fn title(&self) -> &str {
        let title = self.schema.get("title").and_then(Value::as_str);
        title.unwrap_or("another value")
    }

    fn expected(&self) -> Diagnostic {
        let message = format!("expected {}, found {}", self.title(), found(self.node));
        let in_quotes =
            matches!(&self.node.kind, Kind::Scalar { text, plain: false } if looks_typed(text));
        let help = if in_quotes {
            Some("leave out the quotes: in them it is text".to_owned())
        } else {
            let mend = self.in_a_list().or_else(|| self.example());
            mend.map(|mend| format!("write {mend}"))
        };
        Diagnostic::at(self.node.span, message).maybe_help(help)
    }

    /// A word where a list of words is meant: the list of it.
    fn in_a_list(&self) -> Option<String> {
        let takes = |schema: &Value, wanted: &str| match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
            Some(kind) => kind == wanted,
            None => schema.as_object().is_some_and(serde_json::Map::is_empty),
        };
        let items = self.schema.get("items")?;
        if !takes(self.schema, "array") || takes(self.schema, "string") || !takes(items, "string") {
            return None;
        }
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_nothing() && is_word(text) => {
                Some(format!("`[{text}]`"))
            }
            _ => None,
        }
    }

    /// What may stand here, where the title does not show it.
    fn example(&self) -> Option<String> {
        let is_vague = ["a list", "a map"].contains(&self.title());
        let example = self.schema.pointer("/defaultSnippets/0/body")?;
        is_vague.then(|| format!("one such as `{}`", flow(example)))
    }

    /// A rule that is broken, in its own words: the first line says what is wrong, the second what to
    /// do.
    fn rule(&self, span: Span) -> Diagnostic {
        let Some(message) = self.message else {
            return self.expected();
        };
        at_with_help(span, message)
    }

    /// The key that the value stands at, which is where editors tell of what a map lacks; in a list
    /// the value itself.
    fn key(&self) -> Span {
        let name = self.path.last().map_or("", String::as_str);
        let keys = self.parent.map(entries).unwrap_or_default().iter();
        let key = keys.map(|(key, _)| key).find(|key| key.text == name);
        key.map_or(self.node.span, |key| key.span)
    }

    fn known(&self) -> Vec<&str> {
        let properties = self.schema.get("properties").and_then(Value::as_object);
        let names = properties
            .into_iter()
            .flatten()
            .filter(|(_, property)| property.get("doNotSuggest").is_none());
        names.map(|(name, _)| name.as_str()).collect()
    }

    /// The keys below which a key is known that is not known here.
    fn below_which(&self, name: &str) -> Vec<&str> {
        let properties = self.schema.get("properties").and_then(Value::as_object);
        let holds = |property: &Value| {
            let named = property.get("$ref").and_then(Value::as_str);
            let of = named.and_then(|named| self.root.pointer(named.trim_start_matches('#')));
            let of = of.unwrap_or(property).get("properties");
            of.is_some_and(|properties| properties.get(name).is_some())
        };
        let properties = properties.into_iter().flatten();
        properties
            .filter(|(_, property)| holds(property))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Where a key belongs that is not known here, or which one is meant.
    fn meant(&self, name: &str) -> Option<String> {
        let is_a_word = |letter: char| letter.is_alphanumeric() || "_-@.".contains(letter);
        if !name.chars().all(is_a_word) {
            let help = "in `{…}` a comma ends a value: put quotes around a text that holds one";
            return Some(help.to_owned());
        }
        let below = self.below_which(name);
        if !below.is_empty() && below.len() <= 3 {
            let keys: Vec<String> = below.iter().map(|key| format!("`{key}`")).collect();
            return Some(format!("`{name}` stands under {}", keys.join(" or ")));
        }
        let near = nearest(name, self.known());
        let is_of_root = self
            .root
            .pointer("/properties")
            .and_then(|keys| keys.get(name));
        if near.is_none() && is_of_root.is_some() && self.path.len() < 4 {
            return Some(format!(
                "`{name}` stands further out, at the margin of the file or of a case"
            ));
        }
        did_you_mean(name, self.known())
    }

    /// Keys that the schema does not have, where it has all that may stand there.
    fn unknown_keys(&self) -> impl Iterator<Item = &Key> {
        let is_closed = self.schema.get("additionalProperties") == Some(&Value::Bool(false));
        let known = self.known();
        let keys = entries(self.node).iter().map(|(key, _)| key);
        let is_known = move |key: &&Key| known.contains(&key.text.as_str());
        keys.filter(move |key| is_closed && !is_known(key))
    }

    fn unknown(&self, name: &str) -> Option<(Vec<String>, Told)> {
        let key = entries(self.node)
            .iter()
            .map(|(key, _)| key)
            .find(|key| key.text == name)?;
        let diagnostic = if self.is_of_case && ["cases", "rules", "require"].contains(&name) {
            let message = format!("`{name}` stands at the top of a suite, not in a case");
            Diagnostic::at(key.span, message)
        } else {
            Diagnostic::at(key.span, format!("unknown key `{name}`")).maybe_help(self.meant(name))
        };
        Some((
            self.below(name),
            Told {
                rank: 1,
                diagnostic,
            },
        ))
    }

    fn missing(&self, name: &str) -> Option<(Vec<String>, Told)> {
        // A key that is not known may be the one that is missing.
        let is_only = self.known() == [name];
        if self
            .unknown_keys()
            .any(|key| is_only || nearest(&key.text, [name]).is_some())
        {
            return None;
        }
        let diagnostic = Diagnostic::at(self.key(), format!("the key `{name}` is missing"));
        Some((
            self.below(name),
            Told {
                rank: 3,
                diagnostic,
            },
        ))
    }

    fn below(&self, name: &str) -> Vec<String> {
        [&self.path[..], &[name.to_owned()]].concat()
    }

    fn word(&self, options: &Value) -> Diagnostic {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_nothing() => {
                let words = options
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                Diagnostic::at(self.node.span, format!("unknown word `{text}`"))
                    .maybe_help(did_you_mean(text, words))
            }
            _ => self.expected(),
        }
    }

    /// A pattern may be a list of words: where an `enum` would refuse lists and numbers.
    fn pattern(&self, pattern: &str) -> Diagnostic {
        let words = pattern
            .strip_prefix("^(")
            .and_then(|rest| rest.strip_suffix(")$"));
        let words = words.filter(|words| {
            words
                .chars()
                .all(|letter| letter.is_alphanumeric() || "_|".contains(letter))
        });
        match (words, &self.node.kind) {
            (Some(words), Kind::Scalar { text, .. }) => {
                Diagnostic::at(self.node.span, format!("unknown word `{text}`"))
                    .maybe_help(did_you_mean(text, words.split('|')))
            }
            _ => self.expected(),
        }
    }

    fn excluded(&self) -> Diagnostic {
        let name = self.path.last().map_or("", String::as_str);
        let other = self.beside.unwrap_or("another key");
        Diagnostic::at(self.key(), format!("`{name}` stands beside `{other}`"))
            .help("write one of the two")
    }

    fn empty(&self) -> Diagnostic {
        let name = self
            .path
            .iter()
            .rev()
            .find(|step| step.parse::<usize>().is_err());
        let name = name.map_or("the list", String::as_str);
        Diagnostic::at(
            self.node.span,
            format!("`{name}` is empty: nothing would be tested"),
        )
    }

    fn second(&self) -> Diagnostic {
        let Some((key, _)) = entries(self.node).get(1) else {
            return self.expected();
        };
        match self.message {
            Some(message) => at_with_help(key.span, message),
            None => {
                let message = format!(
                    "expected {}, and `{}` is a second key",
                    self.title(),
                    key.text
                );
                Diagnostic::at(key.span, message)
            }
        }
    }
}

/// Text that YAML takes as it stands.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_-./".contains(letter))
        && (text.starts_with("--") || !text.starts_with('-'))
}

/// A value as YAML on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if text.split(' ').all(is_word) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| format!("{name}: {}", flow(value));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn at_with_help(span: Span, message: &str) -> Diagnostic {
    match message.split_once('\n') {
        Some((message, help)) => Diagnostic::at(span, message).help(help),
        None => Diagnostic::at(span, message),
    }
}

/// Keywords that lead to the schemas of other values.
const INTO: &[&str] = &[
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "definitions",
];

/// Whether a text in quotes would be no text without them.
fn looks_typed(text: &str) -> bool {
    ["true", "false"].contains(&text) || number_of(text).is_some()
}

/// What stands there, for a message.
fn found(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar { text, plain }
            if !node.is_nothing() && text.chars().count() <= 60 && !text.contains('\n') =>
        {
            if !plain && looks_typed(text) {
                return format!("the text `\"{text}\"`");
            }
            format!("`{text}`")
        }
        Kind::Map(entries) if entries.is_empty() => "an empty map".to_owned(),
        _ => node.noun().to_owned(),
    }
}

fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.kind {
        Kind::Map(entries) => entries,
        Kind::Scalar { .. } | Kind::List(_) => &[],
    }
}

fn at<'n>(root: &'n Node, path: &[String]) -> Option<&'n Node> {
    path.iter().try_fold(root, |node, step| match &node.kind {
        Kind::Map(_) => node.get(step),
        Kind::List(items) => items.get(step.parse::<usize>().ok()?),
        Kind::Scalar { .. } => None,
    })
}

/// The key that a rule of the schema is about: another may not stand beside it.
fn beside(schema_path: &[String]) -> Option<&str> {
    let at = schema_path
        .iter()
        .rposition(|step| step == "dependencies")?;
    schema_path.get(at + 1).map(String::as_str)
}

/// The steps of a JSON pointer.
fn steps(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// A tree as JSON, plain scalars typed as YAML 1.2's core schema types them, but for the word `null`,
/// which is text.
fn json_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { .. } if node.is_nothing() => Value::Null,
        Kind::Scalar { text, plain: true } => match text.as_str() {
            "true" | "True" | "TRUE" => true.into(),
            "false" | "False" | "FALSE" => false.into(),
            _ => number_of(text)
                .and_then(|number| serde_json::from_str(&number).ok())
                .unwrap_or_else(|| text.as_str().into()),
        },
        Kind::Scalar { text, plain: false } => text.as_str().into(),
        Kind::List(items) => items.iter().map(json_of).collect(),
        Kind::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.text.clone(), json_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
