//! Values that a text writes, and where two of them first differ.
//!
//! A value is a flat list of nodes in the order of writing, each with the bytes it was written in,
//! so that neither reading nor comparing needs the stack, however deep a value is.

mod pairing;
mod text_node;

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::number::{self, Number, Tolerance};
use super::{Verdict, text};
use pairing::Pairing;
use text_node::same_text;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `None`, `null`.
    Nothing,
    Undefined,
    True,
    False,
    Ellipsis,
    Number,
    /// `1+2j`.
    Complex,
    /// The bytes between the quotes; with an escape in it or without.
    Text {
        escaped: bool,
    },
    Bytes {
        escaped: bool,
    },
    /// A name: of a call or of its argument.
    Word,
    List,
    Tuple,
    Set,
    FrozenSet,
    /// Its children are keys and values in turns.
    Map,
    /// Its first child is a name, the others are arguments: `Decimal('1.5')`, `Point { x: 1 }`.
    Call,
    /// Parentheses around its one child.
    Group,
}

impl Kind {
    fn has_children(self) -> bool {
        use Kind::{Call, FrozenSet, Group, List, Map, Set, Tuple};
        matches!(self, List | Tuple | Set | FrozenSet | Map | Call | Group)
    }

    fn told(self) -> &'static str {
        match self {
            Kind::Nothing | Kind::Undefined => "no value",
            Kind::True | Kind::False => "a boolean",
            Kind::Ellipsis | Kind::Word => "a name",
            Kind::Number | Kind::Complex => "a number",
            Kind::Text { .. } => "a text",
            Kind::Bytes { .. } => "bytes",
            Kind::List => "a list",
            Kind::Tuple => "a tuple",
            Kind::Set => "a set",
            Kind::FrozenSet => "a frozen set",
            Kind::Map => "a map",
            Kind::Call => "an object",
            Kind::Group => "a group",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    /// The node after this one and all that is in it.
    next: u32,
    children: u32,
}

/// A value as written.
#[derive(Debug)]
pub(super) struct Value<'t> {
    text: &'t str,
    nodes: Vec<Node>,
}

/// A text that is too long for the places of nodes.
const TEXT_MAX: usize = u32::MAX as usize;

impl<'t> Value<'t> {
    /// Nothing yet; `None` where the text is too long, by gigabytes.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        (text.len() < TEXT_MAX).then_some(Value {
            text,
            nodes: Vec::new(),
        })
    }

    /// Adds a node without children.
    pub(super) fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let at = self.open(kind, start);
        self.close(at, 0, end);
    }

    /// Adds a node whose children follow, and gives its place.
    pub(super) fn open(&mut self, kind: Kind, start: usize) -> u32 {
        let at = narrow(self.nodes.len());
        self.nodes.push(Node {
            kind,
            start: narrow(start),
            end: 0,
            next: 0,
            children: 0,
        });
        at
    }

    /// Ends a node: what was added since is in it.
    pub(super) fn close(&mut self, at: u32, children: u32, end: usize) {
        let next = narrow(self.nodes.len());
        let node = &mut self.nodes[at as usize];
        node.next = next;
        node.children = children;
        node.end = narrow(end);
    }

    pub(super) fn kind(&self, at: u32) -> Kind {
        self.nodes[at as usize].kind
    }

    pub(super) fn set_kind(&mut self, at: u32, kind: Kind) {
        self.nodes[at as usize].kind = kind;
    }

    pub(super) fn children_of(&self, at: u32) -> u32 {
        self.nodes[at as usize].children
    }

    /// The node itself, or what stands in its parentheses.
    pub(super) fn inside(&self, mut at: u32) -> u32 {
        while self.kind(at) == Kind::Group {
            at += 1;
        }
        at
    }

    /// A hash of the whole value, which equal values share.
    pub(super) fn fingerprint(&self, rules: Rules) -> u64 {
        pairing::hashes(self, rules)[0]
    }

    /// The text that a text between quotes means.
    pub(super) fn text_meant(&self, at: u32) -> String {
        let escaped = self.kind(at) != Kind::Text { escaped: false };
        String::from_utf8_lossy(&text_node::meant(self.raw(at), escaped, false)).into_owned()
    }

    fn next(&self, at: u32) -> u32 {
        self.nodes[at as usize].next
    }

    pub(super) fn raw(&self, at: u32) -> &'t str {
        let node = &self.nodes[at as usize];
        &self.text[node.start as usize..node.end as usize]
    }

    pub(super) fn children(&self, at: u32) -> impl Iterator<Item = u32> {
        let end = self.next(at);
        let mut child = at + 1;
        std::iter::from_fn(move || {
            let found = child;
            (found < end).then(|| {
                child = self.next(found);
                found
            })
        })
    }

    /// Keys with values.
    pub(super) fn entries(&self, at: u32) -> impl Iterator<Item = (u32, u32)> {
        let mut children = self.children(at);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// The node as it was written, with the quotes of a text.
    fn shown(&self, at: u32) -> String {
        let node = &self.nodes[at as usize];
        if matches!(node.kind, Kind::Text { .. } | Kind::Bytes { .. }) {
            let before = self.text[..node.start as usize].chars().next_back();
            let quote = before.filter(|letter| "'\"`".contains(*letter));
            let quote = quote.map(String::from).unwrap_or_default();
            let prefix = if matches!(node.kind, Kind::Bytes { .. }) {
                "b"
            } else {
                ""
            };
            return text::shown(&format!("{prefix}{quote}{}{quote}", self.raw(at)));
        }
        text::shown(self.raw(at))
    }

    /// The way from the whole value to a node: `[2].name`. Of a long way, its two ends.
    fn path(&self, target: u32) -> String {
        const END_MAX: usize = 3;
        let (mut first, mut last, mut left_out) = (Vec::new(), VecDeque::new(), 0);
        let mut at = 0;
        while at < target && self.kind(at).has_children() {
            let mut children = self.children(at).enumerate();
            let found = children.find(|(_, child)| target < self.next(*child));
            let Some((index, child)) = found else { break };
            if first.len() < END_MAX {
                first.push((at, index, child));
            } else {
                last.push_back((at, index, child));
                if last.len() > END_MAX {
                    last.pop_front();
                    left_out += 1;
                }
            }
            at = child;
        }
        let told = |step: &(u32, usize, u32)| self.step(step.0, step.1, step.2);
        let first: String = first.iter().map(told).collect();
        let last: String = last.iter().map(told).collect();
        if left_out == 0 {
            first + &last
        } else {
            format!("{first}…{last} ({left_out} steps left out)")
        }
    }

    /// A step from a node to its child.
    fn step(&self, at: u32, index: usize, child: u32) -> String {
        match self.kind(at) {
            Kind::List | Kind::Tuple => format!("[{index}]"),
            Kind::Map if index % 2 == 1 => {
                self.key(self.children(at).nth(index - 1).unwrap_or(child))
            }
            Kind::Call if index > 0 => format!("({})", index - 1),
            _ => String::new(),
        }
    }

    fn key(&self, key: u32) -> String {
        let raw = self.raw(key);
        let is_plain = matches!(self.kind(key), Kind::Text { .. })
            && raw
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_')
            && raw.starts_with(|letter: char| !letter.is_ascii_digit());
        if is_plain && raw.len() <= 40 {
            return format!(".{raw}");
        }
        let shown = self.shown(key);
        format!("[{}]", shown.trim_matches('`'))
    }
}

/// Places fit: a text is checked before it is read, and a node takes a byte of it at least.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// When numbers are equal, and what else counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// `None`: numbers must be the same.
    pub(super) tolerance: Option<Tolerance>,
    /// A tuple is no list, 1 no 1.0, a frozen set no set, `undefined` not `null`.
    pub(super) strict_types: bool,
}

/// Whether two values are equal, and where they first differ.
pub(super) fn compare(actual: &Value, expected: &Value, rules: Rules) -> Verdict {
    match Comparison::new(actual, expected, rules).run(0, 0) {
        None => Verdict::Holds,
        Some(why) => Verdict::Fails(why),
    }
}

struct Comparison<'v, 't> {
    left: &'v Value<'t>,
    right: &'v Value<'t>,
    rules: Rules,
    pairing: Pairing<'v, 't>,
}

impl<'v, 't> Comparison<'v, 't> {
    fn new(left: &'v Value<'t>, right: &'v Value<'t>, rules: Rules) -> Self {
        Comparison {
            left,
            right,
            rules,
            pairing: Pairing::new(left, right, rules),
        }
    }

    /// Why two nodes differ: what is compared is a stack of stretches of nodes, each with the place
    /// of the first that it is compared with.
    fn run(&mut self, left: u32, right: u32) -> Option<String> {
        let mut open = vec![(left, self.left.next(left), right)];
        // Lists of different lengths differ; what differs inside them is told first.
        let mut fallback = None;
        while let Some((mut i, end, mut j)) = open.pop() {
            while i < end {
                (i, j) = (self.left.inside(i), self.right.inside(j));
                let (left, right) = (self.left.kind(i), self.right.kind(j));
                let same = match (left, right) {
                    (Kind::List | Kind::Tuple, Kind::List | Kind::Tuple)
                    | (Kind::Call, Kind::Call)
                        if left == right || !self.rules.strict_types =>
                    {
                        if self.left.children_of(i) == self.right.children_of(j) {
                            (i, j) = (i + 1, j + 1);
                            continue;
                        }
                        fallback = Some(self.lengths(i, j));
                        open.clear();
                        let pairs = self.left.children(i).zip(self.right.children(j));
                        let pairs: Vec<_> = pairs
                            .map(|(left, right)| (left, self.left.next(left), right))
                            .collect();
                        open.extend(pairs.into_iter().rev());
                        break;
                    }
                    (Kind::Map, Kind::Map) => {
                        if self.pairing.is_in_order(i, j) {
                            (i, j) = (i + 1, j + 1);
                            continue;
                        }
                        match self.pairing.entries(i, j) {
                            Ok(pairs) => {
                                open.push((self.left.next(i), end, self.right.next(j)));
                                let pairs = pairs.into_iter().rev();
                                open.extend(
                                    pairs.map(|(left, right)| (left, self.left.next(left), right)),
                                );
                                break;
                            }
                            Err(why) => Err(why),
                        }
                    }
                    (Kind::Set | Kind::FrozenSet, Kind::Set | Kind::FrozenSet)
                        if left == right || !self.rules.strict_types =>
                    {
                        self.pairing.items(i, j)
                    }
                    _ => self.scalars(i, j),
                };
                if let Err(why) = same {
                    return Some(located(&self.right.path(j), &why));
                }
                (i, j) = (self.left.next(i), self.right.next(j));
            }
        }
        fallback
    }

    fn scalars(&self, i: u32, j: u32) -> Result<(), String> {
        if self.rules.same_scalar(self.left, i, self.right, j) {
            return Ok(());
        }
        let (left, right) = (self.left.kind(i), self.right.kind(j));
        let (raw_left, raw_right) = (self.left.raw(i), self.right.raw(j));
        if (left, right) == (Kind::Number, Kind::Number) {
            let apart = match (self.rules.tolerance, read(raw_left), read(raw_right)) {
                (_, Some(left), Some(right))
                    if self.rules.strict_types && left.is_integer() != right.is_integer() =>
                {
                    Some("the types differ".to_owned())
                }
                (Some(tolerance), Some(left), Some(right)) => left.apart(&right, tolerance),
                _ => None,
            };
            let apart = apart.map(|apart| format!(" ({apart})")).unwrap_or_default();
            return Err(format!(
                "expected {}, got {}{apart}",
                number::shown(raw_right, raw_left),
                number::shown(raw_left, raw_right)
            ));
        }
        if let (Kind::Text { .. }, Kind::Text { .. }) = (left, right)
            && (raw_left.len() > 60 || raw_right.len() > 60)
        {
            return Err(format!(
                "the texts differ: {}",
                text::difference(raw_left, raw_right)
            ));
        }
        let (expected, got) = (self.right.shown(j), self.left.shown(i));
        if left.told() == right.told() {
            return Err(format!("expected {expected}, got {got}"));
        }
        Err(format!(
            "expected {expected} ({}), got {got} ({})",
            right.told(),
            left.told()
        ))
    }

    fn lengths(&self, i: u32, j: u32) -> String {
        let (left, right) = (self.left.children_of(i), self.right.children_of(j));
        let plural = if right == 1 { "" } else { "s" };
        let mut why = format!("expected {right} item{plural}, got {left}");
        let (more, at, verb) = if left < right {
            (self.right, j, "is missing")
        } else {
            (self.left, i, "is one too many")
        };
        if let Some(item) = more.children(at).nth(left.min(right) as usize) {
            let _ = write!(why, ": {} {verb}", more.shown(item));
        }
        located(&self.right.path(j), &why)
    }
}

fn located(path: &str, why: &str) -> String {
    if path.is_empty() {
        why.to_owned()
    } else {
        format!("at `{path}`: {why}")
    }
}

/// A number of a literal: JavaScript's big integers end with `n`.
fn read(raw: &str) -> Option<Number<'_>> {
    Number::read(
        raw.strip_suffix('n')
            .filter(|_| !raw.ends_with("nan"))
            .unwrap_or(raw),
    )
}

/// The real and the imaginary part of `1+2j`.
fn parts(raw: &str) -> Option<(Number<'_>, Number<'_>)> {
    let raw = raw.strip_suffix(['j', 'J'])?;
    // The last sign that belongs to no exponent divides; without it there is no real part.
    let bytes = raw.as_bytes();
    let divides =
        |at: usize| matches!(bytes[at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E');
    match (1..bytes.len()).rev().find(|at| divides(*at)) {
        Some(at) => Some((Number::read(&raw[..at])?, Number::read(&raw[at..])?)),
        None => Some((Number::read("0")?, Number::read(raw)?)),
    }
}

/// Whether a token is a complex number.
pub(super) fn is_complex(raw: &str) -> bool {
    parts(raw).is_some()
}

/// Whether a token is a number that a program prints: no leading zeros.
pub(super) fn is_number(raw: &str) -> bool {
    let digits = raw.trim_start_matches(['+', '-']).as_bytes();
    let leads_with_zero = digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit();
    !leads_with_zero
        && match raw.strip_suffix('n') {
            Some(digits) if digits.ends_with(|letter: char| letter.is_ascii_digit()) => {
                Number::read(digits).is_some_and(|number| number.is_integer())
            }
            _ => Number::read(raw).is_some(),
        }
}

impl Rules {
    fn same_number(&self, left: &Number, right: &Number) -> bool {
        match self.tolerance {
            Some(tolerance) => left.equals(right, tolerance),
            None => left.is_same(right),
        }
    }

    /// Whether two nodes without children are equal.
    fn same_scalar(&self, left: &Value, i: u32, right: &Value, j: u32) -> bool {
        let (raw_left, raw_right) = (left.raw(i), right.raw(j));
        match (left.kind(i), right.kind(j)) {
            (Kind::Number, Kind::Number) => {
                raw_left == raw_right
                    || matches!((read(raw_left), read(raw_right)), (Some(left), Some(right))
                        if self.same_number(&left, &right)
                            && (!self.strict_types || left.is_integer() == right.is_integer()))
            }
            (Kind::Complex | Kind::Number, Kind::Complex | Kind::Number) => {
                if self.strict_types && left.kind(i) != right.kind(j) {
                    return false;
                }
                let of = |raw| parts(raw).or_else(|| Some((read(raw)?, Number::read("0")?)));
                matches!((of(raw_left), of(raw_right)), (Some(left), Some(right))
                    if self.same_number(&left.0, &right.0) && self.same_number(&left.1, &right.1))
            }
            (Kind::Text { escaped: left }, Kind::Text { escaped: right }) => {
                same_text(raw_left, left, raw_right, right, false)
            }
            (Kind::Bytes { escaped: left }, Kind::Bytes { escaped: right }) => {
                same_text(raw_left, left, raw_right, right, true)
            }
            (Kind::Word, Kind::Word) => raw_left == raw_right,
            (Kind::Nothing | Kind::Undefined, Kind::Nothing | Kind::Undefined) => {
                left.kind(i) == right.kind(j) || !self.strict_types
            }
            (left, right) => left == right && !left.has_children(),
        }
    }
}
