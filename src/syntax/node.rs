//! A YAML file as a tree in which every value knows its place and scalars are the text written.
//!
//! serde-saphyr reads the YAML; it retypes plain scalars (`1.10` becomes 1.1, `no` false), so
//! the text is taken back from the source. Duplicate keys, alias bombs and tabs are its errors.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};

/// Bytes of YAML accepted in one file: 100,000 cases and more. Data belongs in a dataset.
pub const FILE_BYTES_MAX: usize = 128 * MIB;
/// Bytes of one text in it.
pub const SCALAR_BYTES_MAX: usize = 8 * MIB;
/// Lists and maps inside each other.
pub const DEPTH_MAX: usize = 64;
/// Texts, lists and maps of a file.
pub const NODES_MAX: usize = 4_000_000;
/// What aliases may repeat.
const REPEATED_MAX: usize = 1_000_000;
const MIB: usize = 1024 * 1024;

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands. Collections have the place where they begin.
    pub span: Span,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Text as written, without quotes, escapes resolved.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stands without quotes and is no block; only such scalars can be `~`,
        /// numbers or booleans.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written.
    Map(Vec<(Key, Node)>),
}

/// A map's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key as written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// Whether it is `~` or nothing at all: "remove what is inherited". The word `null` is text.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if text.is_empty() || text == "~")
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|(name, _)| name.text == key)
                .map(|(_, value)| value),
            Kind::Scalar { .. } | Kind::List(_) => None,
        }
    }

    /// `text`, `list` or `map`, for messages.
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_nothing() => "nothing",
            Kind::Scalar { .. } => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// Reads a file's YAML.
///
/// # Errors
/// One diagnostic with its place when the text is no YAML, is too large, or is empty.
pub fn parse(source: SourceId, text: &str) -> Result<Node, Diagnostic> {
    let start = Span {
        source,
        start: 0,
        end: 0,
    };
    if text.len() > FILE_BYTES_MAX {
        return Err(Diagnostic::at(
            start,
            format!(
                "the file has {} MiB, more than the {} MiB of YAML that are read",
                text.len() >> 20,
                FILE_BYTES_MAX >> 20
            ),
        )
        .help("put data into a JSONL file and name it under `dataset`"));
    }
    TEXT_BYTES.set(0);
    let raw: RawNode = serde_yaml::from_str_with_options(text, options())
        .map_err(|error| yaml_error(source, text, &error))?;
    let node = raw.place(source, text);
    Ok(node)
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::Error,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::AsString,
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: REPEATED_MAX },
        budget: serde_yaml::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            // The nodes are counted, and these are at most a few for each of them.
            max_events: usize::MAX,
            max_aliases: usize::MAX,
            max_anchors: usize::MAX,
            max_merge_keys: usize::MAX,
            // Many cases may be like one; what all aliases repeat has its limits.
            enforce_alias_anchor_ratio: false,
            // The file's own bytes are, and what aliases repeat is counted by `within_limits`.
            max_total_scalar_bytes: usize::MAX,
        },
        // The place is shown by the diagnostic, and copies of a large file's lines are none.
        with_snippet: false,
    }
}

/// What is said when a limit is passed; nothing for other errors.
fn passed_limit(error: &serde_yaml::Error, message: &str) -> Option<(String, &'static str)> {
    use serde_yaml::Error;
    use serde_yaml::budget::BudgetBreach;
    let too_deep = format!("lists and maps stand in each other more than {DEPTH_MAX} levels deep");
    let too_long = format!(
        "the text has more than the {} MiB that one text may have",
        SCALAR_BYTES_MAX / MIB
    );
    let too_many = format!("the file has more than the {NODES_MAX} values that are read");
    let repeated = format!(
        "aliases repeat more than the {REPEATED_MAX} values, or {} MiB of text, that they may",
        FILE_BYTES_MAX / MIB
    );
    let data = "put data into a JSONL file and name it under `dataset`";
    match error {
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => Some((too_deep, "write it flatter")),
            BudgetBreach::Nodes { .. } => Some((too_many, data)),
            _ => Some((repeated, "write the values, or put data into a dataset")),
        },
        Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            Some((repeated, "write the values, or put data into a dataset"))
        }
        _ if message.contains(TOO_MUCH_REPEATED) || message.contains("budget breached") => {
            Some((repeated, "write the values, or put data into a dataset"))
        }
        _ if message.contains(TOO_LONG) => {
            Some((too_long, "put it into a file and write `{file: path}`"))
        }
        _ if message.contains("recursion limit") => Some((too_deep, "write it flatter")),
        _ => None,
    }
}

fn yaml_error(source: SourceId, text: &str, error: &serde_yaml::Error) -> Diagnostic {
    let message = error.without_snippet().to_string();
    // "error: line 3 column 7: unclosed quote" → "unclosed quote": the place is shown by the caret.
    let message = message
        .rsplit_once("column ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or(message.as_str(), |(_, rest)| rest);
    let span = error.location().map_or(
        Span {
            source,
            start: 0,
            end: 0,
        },
        |location| {
            let start = byte_offset(text, location.line(), location.column());
            Span {
                source,
                start: offset(start),
                end: offset(start),
            }
        },
    );
    if let Some(key) = message
        .strip_prefix("duplicate mapping key: ")
        .map(|rest| rest.split(',').next().unwrap_or(rest))
    {
        return Diagnostic::at(span, format!("the key `{key}` stands here twice"))
            .help("remove one of the two");
    }
    if message.starts_with("tabs") || message.contains("tab") && message.contains("indent") {
        return Diagnostic::at(span, format!("not YAML: {}", without_place(message)))
            .help("indent with blanks; YAML allows no tabs there");
    }
    let message = without_place(message);
    if message.starts_with("mapping values are not allowed") {
        return Diagnostic::at(span, format!("not YAML: {message}"))
            .help("before it, a `:` lacks its blank, or a text that holds `: ` lacks its quotes");
    }
    let at = (span.start as usize).min(text.len());
    if message.contains("expected string scalar")
        && text[..at].ends_with('{')
        && text[at..].starts_with('{')
    {
        let begin = Span {
            start: span.start - 1,
            ..span
        };
        return Diagnostic::at(
            begin,
            "not YAML: a text that begins with `{{` lacks its quotes",
        )
        .help("write it as `\"{{ … }}\"`");
    }
    if message.contains("cannot deserialize null into string") {
        return Diagnostic::at(span, "a key has no name").help("write it before the `:`");
    }
    if message.contains("recursive references") {
        return Diagnostic::at(span, "an alias stands inside of what it repeats");
    }
    if message.contains("unknown escape character") {
        return Diagnostic::at(span, format!("not YAML: {message}"))
            .help("in double quotes `\\` begins an escape: use single quotes, in which it stands for itself");
    }
    if message.starts_with("unexpected character")
        && let Some(first) = text[at..].chars().next()
    {
        let first = match first {
            '`' => "a backtick".to_owned(),
            _ => format!("`{first}`"),
        };
        return Diagnostic::at(
            span,
            format!("not YAML: no text without quotes begins with {first}"),
        )
        .help("put the text into quotes");
    }
    if message.contains("multiple YAML documents") {
        return Diagnostic::at(span, "a second YAML document begins here")
            .help("one file is one document: remove the `---`, or split the file");
    }
    if let Some((message, help)) = passed_limit(error.without_snippet(), message) {
        return Diagnostic::at(span, message).help(help);
    }
    Diagnostic::at(span, format!("not YAML: {message}"))
}

/// The caret shows the place.
fn without_place(message: &str) -> &str {
    message
        .split_once(" at line ")
        .map_or(message, |(message, _)| message)
        .trim_end_matches([',', ' '])
}

fn byte_offset(text: &str, line: u64, column: u64) -> usize {
    let line_start = match line.saturating_sub(1) {
        0 => 0,
        skipped => {
            let skipped = usize::try_from(skipped - 1).unwrap_or(usize::MAX);
            text.match_indices('\n')
                .nth(skipped)
                .map_or(text.len(), |(at, _)| at + 1)
        }
    };
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = &text[line_start..];
    let line_text = rest.split('\n').next().unwrap_or("");
    line_start
        + line_text
            .char_indices()
            .nth(column)
            .map_or(line_text.len(), |(at, _)| at)
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A value as serde-saphyr gives it: scalars perhaps retyped, places as byte ranges.
struct RawNode {
    kind: RawKind,
    start: u64,
    length: u64,
}

enum RawKind {
    /// Text that is what was meant: quoted, a block, or a plain word.
    Text(String),
    /// A plain scalar that was taken for something else; its text is in the source.
    Retyped,
    List(Vec<RawNode>),
    Map(Vec<(RawKey, RawNode)>),
}

/// A key, without all else that serde-saphyr knows of its place.
struct RawKey {
    text: String,
    start: u64,
    length: u64,
}

impl RawNode {
    fn place(self, source: SourceId, text: &str) -> Node {
        let start = usize::try_from(self.start).unwrap_or(0).min(text.len());
        let end = (start + usize::try_from(self.length).unwrap_or(0)).min(text.len());
        let span = Span {
            source,
            start: offset(start),
            end: offset(end),
        };
        let kind = match self.kind {
            RawKind::Text(value) => {
                let plain = is_plain(text, start, end, &value);
                Kind::Scalar { text: value, plain }
            }
            RawKind::Retyped => Kind::Scalar {
                text: text[start..end].trim().to_owned(),
                plain: true,
            },
            RawKind::List(items) => Kind::List(
                items
                    .into_iter()
                    .map(|item| item.place(source, text))
                    .collect(),
            ),
            RawKind::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let start = usize::try_from(key.start).unwrap_or(0).min(text.len());
                        let length = usize::try_from(key.length).unwrap_or(0);
                        let end = (start + length).min(text.len());
                        let key = Key {
                            text: key.text,
                            span: Span {
                                source,
                                start: offset(start),
                                end: offset(end),
                            },
                        };
                        (key, value.place(source, text))
                    })
                    .collect(),
            ),
        };
        let span = match &kind {
            // The parser's span of a scalar may run on to the next token.
            Kind::Scalar { .. } => {
                let trimmed = text[start..end].trim_end().len();
                Span {
                    end: offset(start + trimmed),
                    ..span
                }
            }
            Kind::List(_) | Kind::Map(_) => span,
        };
        Node { kind, span }
    }
}

/// A plain word stands in the source as it is, on one line, without a quote before it.
fn is_plain(text: &str, start: usize, end: usize, value: &str) -> bool {
    text[start..end].trim_end() == value
        && !value.contains('\n')
        && !after_block_header(text, start)
}

/// Whether the line before this one ends with a block scalar's header (`|`, `>-`, `|2+`).
fn after_block_header(text: &str, start: usize) -> bool {
    let before = text[..start].trim_end_matches(' ');
    let Some(before) = before.strip_suffix('\n') else {
        return false;
    };
    let line = before.rsplit('\n').next().unwrap_or("");
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    let header = line.rsplit([' ', '\t']).next().unwrap_or("");
    let mut letters = header.chars();
    matches!(letters.next(), Some('|' | '>'))
        && letters.all(|letter| matches!(letter, '+' | '-' | '0'..='9'))
}

fn bytes_of(location: &serde_yaml::Location) -> (u64, u64) {
    let span = location.span();
    (
        span.byte_offset().unwrap_or(0),
        span.byte_len().unwrap_or(0),
    )
}

impl<'de> Deserialize<'de> for RawKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned: serde_yaml::Spanned<String> = Deserialize::deserialize(deserializer)?;
        let (start, length) = bytes_of(&spanned.defined);
        Ok(RawKey {
            text: spanned.value,
            start,
            length,
        })
    }
}

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned: serde_yaml::Spanned<RawKind> = Deserialize::deserialize(deserializer)?;
        let (start, length) = bytes_of(&spanned.defined);
        Ok(RawNode {
            kind: spanned.value,
            start,
            length,
        })
    }
}

thread_local! {
    /// Bytes of the texts that were read so far. serde hands nothing down to values, so a limit of
    /// the whole has to be counted beside them.
    static TEXT_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Errors that pass through serde as text.
const TOO_LONG: &str = "one text is too long";
const TOO_MUCH_REPEATED: &str = "too much text is repeated";

/// Whether a text may be kept: an alias repeats a large one many times.
fn within_limits<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.len() > SCALAR_BYTES_MAX {
        return Err(E::custom(TOO_LONG));
    }
    TEXT_BYTES.set(TEXT_BYTES.get() + text.len());
    if TEXT_BYTES.get() > FILE_BYTES_MAX {
        return Err(E::custom(TOO_MUCH_REPEATED));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawKind;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawKind, E> {
        within_limits(text)?;
        Ok(RawKind::Text(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<RawKind, E> {
        within_limits(&text)?;
        Ok(RawKind::Text(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_i64<E>(self, _: i64) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_u64<E>(self, _: u64) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_i128<E>(self, _: i128) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_u128<E>(self, _: u128) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_f64<E>(self, _: f64) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_unit<E>(self) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_none<E>(self) -> Result<RawKind, E> {
        Ok(RawKind::Retyped)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawKind, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawKind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(RawKind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawKind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawKind::Map(entries))
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, data: A) -> Result<RawKind, A::Error> {
        let (_, _): (IgnoredAny, _) = data.variant()?;
        Ok(RawKind::Retyped)
    }
}
