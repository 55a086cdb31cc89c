//! Regular expressions that are read at once and built when they are first asked.
//!
//! Rule packs hold hundreds, of which one case asks a few; to build them all costs a start more than
//! everything else that it does.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Of the size that the `regex` crate allows (10 MiB), what is surely within it.
const SIZE_SURE: usize = 8 << 20;
/// Bytes of a state, and of one range of a class, at most: four encoded bytes and their states.
const STATE_BYTES: usize = 64;
const RANGE_BYTES: usize = 120;
/// Bytes of a class beside its ranges: one range may take several encodings.
const CLASS_BYTES: usize = 1536;

/// A regular expression of a rule. It is one, whenever it is built.
#[derive(Debug, Clone)]
pub struct LazyRegex {
    text: Arc<str>,
    built: Arc<OnceLock<Regex>>,
}

/// How patterns of rules are read: [`LazyRegex::new`], or [`LazyRegex::known`] where they are known to
/// be right.
pub type ReadPattern = fn(&str) -> Result<LazyRegex, regex::Error>;

impl LazyRegex {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What keeps it from being built: its syntax, or the size of what it stands for.
    pub fn new(pattern: &str) -> Result<Self, regex::Error> {
        let built = OnceLock::new();
        let hir = regex_syntax::parse(pattern);
        let sure = hir.as_ref().is_ok_and(|hir| size(hir) <= SIZE_SURE);
        if !sure {
            let regex = Regex::new(pattern)?;
            built
                .set(regex)
                .expect("nobody else has the cell that was just made");
        }
        Ok(LazyRegex {
            text: pattern.into(),
            built: Arc::new(built),
        })
    }

    /// A pattern that is known to be right, as those that are compiled in are: to read them all takes
    /// most of a start.
    ///
    /// # Errors
    /// None.
    pub fn known(pattern: &str) -> Result<Self, regex::Error> {
        Ok(LazyRegex {
            text: pattern.into(),
            built: Arc::default(),
        })
    }

    /// How many groups it has, beside the whole.
    pub fn groups(&self) -> usize {
        let read = regex_syntax::parse(&self.text);
        read.map_or(0, |hir| hir.properties().explicit_captures_len())
    }

    /// Whether it has a group of this name.
    pub fn has_group(&self, name: &str) -> bool {
        ["?P<", "?<"]
            .iter()
            .any(|open| self.text.contains(&format!("{open}{name}>")))
    }
}

/// Bytes that an expression takes when it is built, at most.
fn size(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => STATE_BYTES,
        HirKind::Literal(literal) => literal.0.len().saturating_mul(STATE_BYTES),
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().len().saturating_mul(RANGE_BYTES) + CLASS_BYTES
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().len().saturating_mul(RANGE_BYTES) + CLASS_BYTES
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(repetition.min) as usize;
            (size(&repetition.sub) + STATE_BYTES).saturating_mul(times.max(1) + 1)
        }
        HirKind::Capture(capture) => size(&capture.sub) + 2 * STATE_BYTES,
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .map(|part| size(part) + STATE_BYTES)
            .fold(0, usize::saturating_add),
    }
}

impl Deref for LazyRegex {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        self.built.get_or_init(|| {
            Regex::new(&self.text)
                .expect("what was read and is surely small, or is known to be right, can be built")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{LazyRegex, SIZE_SURE, STATE_BYTES, size};

    #[test]
    fn what_cannot_be_built_is_refused_at_once() {
        for pattern in ["(", "a{2}{1000}{1000}", r"\w{2000}{20}", "(?P<a>x)(?P<a>y)"] {
            assert!(LazyRegex::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_largest_that_waits_can_be_built() {
        for unit in [
            r"\w",
            r"[^\p{L}\d]",
            r"(?i)[^\p{Lu}]{9}",
            r"(?:\b[^\x00-\x1f]){99}",
        ] {
            let once = size(&regex_syntax::parse(unit).unwrap());
            let pattern = format!("(?:{unit})").repeat(SIZE_SURE / (once + 2 * STATE_BYTES));
            let whole = size(&regex_syntax::parse(&pattern).unwrap());
            assert!(
                (SIZE_SURE / 2..=SIZE_SURE).contains(&whole),
                "{unit}: {whole}"
            );
            assert!(!LazyRegex::new(&pattern).unwrap().is_match("\n"), "{unit}");
        }
    }

    #[test]
    fn it_is_the_regular_expression() {
        let regex = LazyRegex::new(r"(?P<name>\w+)=(?<value>\d+)").unwrap();
        assert_eq!(&regex.captures("a=1").unwrap()["value"], "1");
        assert!(regex.has_group("name") && regex.has_group("value") && !regex.has_group("x"));
        assert_eq!(regex.groups(), 2);
    }
}
