//! What is in maps and sets, whatever its order: which key belongs to which, and which item has no
//! partner.
//!
//! Keys and items find each other by a hash of their values, which equal values share; so two
//! huge sets take the time that reading them takes. Only numbers that are near but not the same
//! have different hashes: what is left over is paired by tolerance.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use super::text_node::meant;
use super::{Comparison, Kind, Rules, Value, parts, read};

/// Comparisons of leftovers that are no numbers; each is a comparison of whole values.
const TRIES_MAX: usize = 10_000;
/// Nodes that these comparisons may look at.
const NODES_MAX: usize = 1 << 22;
/// Sets of sets of sets whose leftovers are paired by tolerance.
const DEPTH_MAX: usize = 8;

pub(super) struct Pairing<'v, 't> {
    left: &'v Value<'t>,
    right: &'v Value<'t>,
    rules: Rules,
    left_hashes: Option<Vec<u64>>,
    right_hashes: Option<Vec<u64>>,
    nodes: usize,
    depth: usize,
}

impl<'v, 't> Pairing<'v, 't> {
    pub(super) fn new(left: &'v Value<'t>, right: &'v Value<'t>, rules: Rules) -> Self {
        Pairing {
            left,
            right,
            rules,
            left_hashes: None,
            right_hashes: None,
            nodes: NODES_MAX,
            depth: 0,
        }
    }

    fn hash(&mut self) -> (&[u64], &[u64]) {
        let rules = self.rules;
        let (left, right) = (self.left, self.right);
        (
            self.left_hashes.get_or_insert_with(|| hashes(left, rules)),
            self.right_hashes
                .get_or_insert_with(|| hashes(right, rules)),
        )
    }

    /// Whether two maps have the same keys in the same order, each once: then their entries are
    /// compared one after the other.
    pub(super) fn is_in_order(&self, i: u32, j: u32) -> bool {
        if self.left.children_of(i) != self.right.children_of(j) {
            return false;
        }
        let mut entries = self.left.entries(i).zip(self.right.entries(j));
        let same = entries.all(|((left, _), (right, _))| {
            let (left, right) = (self.left.inside(left), self.right.inside(right));
            self.rules.same_scalar(self.left, left, self.right, right)
        });
        same && !has_repeated_key(self.right, j)
    }

    /// The values of two maps that belong together, in the order of the second. Of a key that is
    /// written twice the last counts, as every parser has it; where it is expected, nothing can
    /// be meant by it and nothing matches.
    pub(super) fn entries(&mut self, i: u32, j: u32) -> Result<Vec<(u32, u32)>, String> {
        let (left, right) = (self.left, self.right);
        let actual: Vec<(u32, u32)> = left.entries(i).collect();
        let expected: Vec<(u32, u32)> = right.entries(j).collect();
        let partners = self.partners(&actual, &expected);
        let mut is_paired = vec![false; actual.len()];
        let mut pairs = Vec::with_capacity(expected.len());
        let mut missing = Vec::new();
        for ((name, value), partner) in expected.iter().zip(partners.of_expected) {
            match partner {
                Some(at) if is_paired[at] => {
                    return Err(format!("the key {} is expected twice", right.shown(*name)));
                }
                Some(at) => {
                    is_paired[at] = true;
                    pairs.push((actual[at].1, *value));
                }
                None => missing.push(*name),
            }
        }
        let counts = is_paired.iter().zip(&partners.is_last);
        let surplus: Vec<u32> = actual
            .iter()
            .zip(counts)
            .filter_map(|((name, _), (is_paired, is_last))| {
                (*is_last && !is_paired).then_some(*name)
            })
            .collect();
        if !missing.is_empty()
            && missing.len() == surplus.len()
            && let Some(near) = self.by_size(&surplus, &missing)
        {
            // A value follows its key.
            let near = near.iter();
            pairs.extend(near.map(|(actual, wanted)| (left.next(*actual), right.next(*wanted))));
            return Ok(pairs);
        }
        match (missing.first(), surplus.first()) {
            (Some(name), _) => Err(format!("the key {} is missing", right.shown(*name))),
            (None, Some(name)) => Err(format!("the key {} is one too many", left.shown(*name))),
            (None, None) => Ok(pairs),
        }
    }

    /// Which keys are equal: of a few by comparing each with each, else by hash.
    fn partners(&mut self, actual: &[(u32, u32)], expected: &[(u32, u32)]) -> Partners {
        const FEW: usize = 8;
        let (left, right) = (self.left, self.right);
        let is_scalar =
            |value: &Value, entry: &(u32, u32)| !value.kind(value.inside(entry.0)).has_children();
        if actual.len() <= FEW
            && expected.len() <= FEW
            && actual.iter().all(|entry| is_scalar(left, entry))
            && expected.iter().all(|entry| is_scalar(right, entry))
        {
            let exact = Rules {
                tolerance: None,
                ..self.rules
            };
            let same = |value: &Value, name: u32, other: u32| {
                let (name, other) = (value.inside(name), left.inside(other));
                exact.same_scalar(value, name, left, other)
            };
            let find = |(name, _): &(u32, u32)| {
                actual
                    .iter()
                    .rposition(|(other, _)| same(right, *name, *other))
            };
            let is_last = |(at, (name, _)): (usize, &(u32, u32))| {
                !actual[at + 1..]
                    .iter()
                    .any(|(other, _)| same(left, *name, *other))
            };
            return Partners {
                of_expected: expected.iter().map(find).collect(),
                is_last: actual.iter().enumerate().map(is_last).collect(),
            };
        }
        let (left_hashes, right_hashes) = self.hash();
        let key = |value: &Value, hashes: &[u64], key| hashes[value.inside(key) as usize];
        let mut places: HashMap<u64, usize, AsItIs> = HashMap::default();
        let mut is_last = vec![true; actual.len()];
        for (at, (name, _)) in actual.iter().enumerate() {
            if let Some(before) = places.insert(key(left, left_hashes, *name), at) {
                is_last[before] = false;
            }
        }
        let find = |(name, _): &(u32, u32)| places.get(&key(right, right_hashes, *name)).copied();
        Partners {
            of_expected: expected.iter().map(find).collect(),
            is_last,
        }
    }

    /// Whether two sets have the same items.
    pub(super) fn items(&mut self, i: u32, j: u32) -> Result<(), String> {
        let (left, right) = (self.left, self.right);
        let (left_hashes, right_hashes) = self.hash();
        let hash = |value: &Value, hashes: &[u64], item| hashes[value.inside(item) as usize];
        let mut counts: HashMap<u64, i64, AsItIs> = HashMap::default();
        for item in right.children(j) {
            *counts.entry(hash(right, right_hashes, item)).or_default() += 1;
        }
        let mut surplus = Vec::new();
        for item in left.children(i) {
            let count = counts.entry(hash(left, left_hashes, item)).or_default();
            if *count > 0 {
                *count -= 1;
            } else {
                surplus.push(item);
            }
        }
        let mut missing = Vec::new();
        for item in right.children(j) {
            let count = counts.entry(hash(right, right_hashes, item)).or_default();
            if *count > 0 {
                *count -= 1;
                missing.push(item);
            }
        }
        let mut why_not = "";
        if surplus.len() == missing.len() {
            if surplus.is_empty() || self.by_size(&surplus, &missing).is_some() {
                return Ok(());
            }
            match self.by_trying(&surplus, &missing) {
                Some(true) => return Ok(()),
                Some(false) => {}
                None => {
                    why_not = "; the sets are too large to try which items are near each other";
                }
            }
        }
        let missing = missing.first().map(|item| right.shown(*item));
        let surplus = surplus.first().map(|item| left.shown(*item));
        Err(match (missing, surplus) {
            (Some(missing), Some(surplus)) => {
                format!("{missing} is missing, {surplus} is one too many{why_not}")
            }
            (Some(missing), None) => format!("{missing} is missing"),
            (None, surplus) => format!("{} is one too many", surplus.unwrap_or_default()),
        })
    }

    /// Pairs numbers by size, where all of them are near their partners.
    fn by_size(&self, left: &[u32], right: &[u32]) -> Option<Vec<(u32, u32)>> {
        self.rules.tolerance?;
        let sorted = |value: &Value, items: &[u32]| {
            let mut numbers: Vec<(f64, u32)> = items
                .iter()
                .map(|item| {
                    let inside = value.inside(*item);
                    let is_number = value.kind(inside) == Kind::Number;
                    let number = read(value.raw(inside)).filter(|_| is_number)?;
                    Some((number.nearest(), *item))
                })
                .collect::<Option<_>>()?;
            numbers.sort_by(|left, right| left.0.total_cmp(&right.0));
            Some(numbers)
        };
        let pairs = sorted(self.left, left)?
            .into_iter()
            .zip(sorted(self.right, right)?);
        pairs
            .map(|((_, left), (_, right))| {
                let (inside_left, inside_right) =
                    (self.left.inside(left), self.right.inside(right));
                self.rules
                    .same_scalar(self.left, inside_left, self.right, inside_right)
                    .then_some((left, right))
            })
            .collect()
    }

    /// Pairs values by trying; `None` where that would take too long.
    fn by_trying(&mut self, left: &[u32], right: &[u32]) -> Option<bool> {
        if self.rules.tolerance.is_none() {
            return Some(false);
        }
        if left.len().saturating_mul(right.len()) > TRIES_MAX || self.depth == DEPTH_MAX {
            return None;
        }
        let mut open = right.to_vec();
        for item in left {
            let mut found = None;
            for (at, other) in open.iter().enumerate() {
                let size = self.left.next(*item) - item;
                self.nodes = self.nodes.checked_sub(size as usize)?;
                if self.is_near(*item, *other) {
                    found = Some(at);
                    break;
                }
            }
            match found {
                Some(at) => open.remove(at),
                None => return Some(false),
            };
        }
        Some(true)
    }

    fn is_near(&mut self, left: u32, right: u32) -> bool {
        let pairing = Pairing {
            left: self.left,
            right: self.right,
            rules: self.rules,
            left_hashes: self.left_hashes.take(),
            right_hashes: self.right_hashes.take(),
            nodes: self.nodes,
            depth: self.depth + 1,
        };
        let mut comparison = Comparison {
            left: self.left,
            right: self.right,
            rules: self.rules,
            pairing,
        };
        let is_near = comparison.run(left, right).is_none();
        self.left_hashes = comparison.pairing.left_hashes;
        self.right_hashes = comparison.pairing.right_hashes;
        self.nodes = comparison.pairing.nodes;
        is_near
    }
}

/// Of each expected entry, the actual one with the same key; and whether an actual one is the last
/// with its key.
struct Partners {
    of_expected: Vec<Option<usize>>,
    is_last: Vec<bool>,
}

/// For keys that are hashes already.
type AsItIs = BuildHasherDefault<Hashed>;

#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0, u64::from(*byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Whether a map has a key twice.
fn has_repeated_key(value: &Value, at: u32) -> bool {
    const FEW: u32 = 8;
    let keys = || value.entries(at).map(|(key, _)| value.inside(key));
    if value.children_of(at) <= 2 * FEW {
        let same = |key, other| {
            let rules = Rules {
                tolerance: None,
                strict_types: false,
            };
            rules.same_scalar(value, key, value, other)
        };
        return keys()
            .enumerate()
            .any(|(index, key)| keys().take(index).any(|other| same(key, other)));
    }
    let rules = Rules {
        tolerance: None,
        strict_types: false,
    };
    let mut all: Vec<u64> = keys().map(|key| scalar_hash(value, key, rules)).collect();
    all.sort_unstable();
    all.windows(2).any(|pair| pair[0] == pair[1])
}

/// A hash of every node; what has children has a hash of theirs.
pub(super) fn hashes(value: &Value, rules: Rules) -> Vec<u64> {
    let mut hashes = vec![0; value.nodes.len()];
    for at in (0..super::narrow(value.nodes.len())).rev() {
        let kind = value.kind(at);
        hashes[at as usize] = if kind == Kind::Group {
            hashes[at as usize + 1]
        } else if kind.has_children() {
            let children = value.children(at).map(|child| hashes[child as usize]);
            let all = match kind {
                Kind::Set | Kind::FrozenSet => children.fold(0, u64::wrapping_add),
                Kind::Map => value
                    .entries(at)
                    .map(|(key, item)| mix(hashes[key as usize], hashes[item as usize]))
                    .fold(0, u64::wrapping_add),
                _ => children.fold(0, mix),
            };
            mix(u64::from(family(kind, rules)), all)
        } else {
            scalar_hash(value, at, rules)
        };
    }
    hashes
}

/// A hash of two, which depends on their order.
fn mix(first: u64, second: u64) -> u64 {
    let product = u128::from(first ^ 0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(u128::from(second.rotate_left(17) ^ 0xd1b5_4a32_d192_ed03));
    let [low, high] = [product & u128::from(u64::MAX), product >> 64];
    u64::try_from(low ^ high).unwrap_or(0)
}

/// Kinds that may be equal have one number.
fn family(kind: Kind, rules: Rules) -> u8 {
    match kind {
        Kind::Nothing => 0,
        Kind::Undefined => u8::from(rules.strict_types),
        Kind::True => 2,
        Kind::False => 3,
        Kind::Ellipsis => 4,
        Kind::Number => 5,
        Kind::Complex => 6,
        Kind::Text { .. } => 7,
        Kind::Bytes { .. } => 8,
        Kind::Word => 9,
        Kind::List => 10,
        Kind::Tuple => 10 + u8::from(rules.strict_types),
        Kind::Set => 12,
        Kind::FrozenSet => 12 + u8::from(rules.strict_types),
        Kind::Map => 14,
        Kind::Call => 15,
        Kind::Group => 16,
    }
}

fn scalar_hash(value: &Value, at: u32, rules: Rules) -> u64 {
    let mut hasher = DefaultHasher::new();
    let (kind, raw) = (value.kind(at), value.raw(at));
    let complex = parts(raw).filter(|_| kind == Kind::Complex);
    match (kind, complex) {
        (Kind::Complex, Some((real, imaginary))) if imaginary.is_zero() && !rules.strict_types => {
            family(Kind::Number, rules).hash(&mut hasher);
            real.hash_value(&mut hasher);
        }
        (Kind::Complex, Some((real, imaginary))) => {
            family(kind, rules).hash(&mut hasher);
            real.hash_value(&mut hasher);
            imaginary.hash_value(&mut hasher);
        }
        (Kind::Number, _) => {
            family(kind, rules).hash(&mut hasher);
            match read(raw) {
                Some(number) => {
                    (rules.strict_types && number.is_integer()).hash(&mut hasher);
                    number.hash_value(&mut hasher);
                }
                None => raw.hash(&mut hasher),
            }
        }
        (Kind::Text { escaped }, _) => {
            family(kind, rules).hash(&mut hasher);
            meant(raw, escaped, false).hash(&mut hasher);
        }
        (Kind::Bytes { escaped }, _) => {
            family(kind, rules).hash(&mut hasher);
            meant(raw, escaped, true).hash(&mut hasher);
        }
        (Kind::Word, _) => raw.hash(&mut hasher),
        _ => family(kind, rules).hash(&mut hasher),
    }
    hasher.finish()
}
