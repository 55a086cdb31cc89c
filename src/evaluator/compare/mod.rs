//! Comparators: is what a program printed what was expected?
//!
//! A comparator is data: `steps` normalise both sides in order, then the first of `then` that
//! decides gives the verdict. [`Comparator::prepare`] compiles what is expected once;
//! [`Prepared::compare`] judges any number of outputs.

mod json;
mod lcs;
mod lines;
mod literal;
mod normalise;
mod number;
mod search;
mod similarity;
mod terminal;
mod text;
mod unordered;
mod value;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::rule_error::RuleError;
pub use normalise::Step;
use number::Tolerance;

/// A comparator as a rule pack writes it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "a map such as `{steps: [trim], then: [exact]}`")]
pub struct ComparatorRule {
    /// What it forgives, for people.
    #[schemars(example = &"White space at both ends does not count.")]
    pub description: Option<String>,
    /// Normalisers, applied to both sides in this order.
    #[schemars(example = serde_json::json!(["newlines", "trim"]))]
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Deciders; the first that can decide does.
    #[schemars(example = serde_json::json!(["exact"]))]
    pub then: Vec<Decider>,
    /// Pairs of texts and whether they match.
    #[schemars(example = serde_json::json!([{"actual": " 42", "expected": "42", "match": true}]))]
    #[serde(default)]
    pub examples: Vec<ComparatorExample>,
}

/// A decision step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// Equal, byte for byte.
    Exact,
    /// Equal token by token, where numbers may differ by a tolerance; integers are exact.
    Numeric,
    /// Equal values, both sides read as Python, JavaScript or JSON literals; decides only where
    /// both sides are literals.
    Literal,
    /// Equal JSON values.
    Json,
    /// Equal as multisets: items of a list, else lines, else tokens.
    Unordered,
    /// The expected text is a regular expression that the whole output matches.
    Regex,
    /// The expected text is a regular expression that matches somewhere.
    Search,
    /// The expected text stands somewhere.
    Contains,
    /// The same, and no letter, digit or underscore touches it.
    ContainsWord,
    /// The fraction of lines that match.
    LinesPartial,
    /// One of several expected texts is equal.
    OneOf,
    /// The similarity that reward-kit 0.4.1 computes.
    RewardKit,
}

/// An example of a comparator.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparatorExample {
    /// What a program printed.
    #[schemars(example = &" 42\n")]
    pub actual: String,
    /// What was expected; for `one_of`, the only alternative.
    #[schemars(example = &"42")]
    pub expected: String,
    /// Parameters.
    #[schemars(example = serde_json::json!({"abs": 0.01}))]
    #[serde(default)]
    pub params: Params,
    /// Whether they match.
    #[schemars(example = true)]
    #[serde(rename = "match")]
    pub matches: bool,
    /// The score, where it is neither 0 nor 1.
    #[schemars(example = 0.5)]
    pub score: Option<f64>,
}

/// What an author may adjust.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Relative tolerance of numbers. Without either, both are 1e-9.
    #[schemars(example = 1e-6)]
    pub rel: Option<f64>,
    /// Absolute tolerance of numbers.
    #[schemars(example = 0.01)]
    pub abs: Option<f64>,
    /// Whether types of literals count: a tuple is no list, 1 is no 1.0.
    #[schemars(example = true)]
    pub strict_types: Option<bool>,
    /// How lines are paired.
    #[schemars(example = &"lcs")]
    pub align: Option<Align>,
    /// What is compared in any order.
    #[schemars(example = &"lines")]
    pub of: Option<Of>,
}

impl Params {
    /// The names of all parameters.
    pub const NAMES: &[&str] = &["rel", "abs", "strict_types", "align", "of"];
}

/// How lines are paired for partial credit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// First with first, second with second.
    #[default]
    Position,
    /// By the longest common subsequence.
    Lcs,
}

/// What is compared in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The items of a list in brackets, separated by commas.
    Items,
    /// Lines.
    Lines,
    /// Words.
    Tokens,
}

/// A compiled comparator.
#[derive(Debug, Clone)]
pub struct Comparator {
    name: String,
    steps: Vec<Step>,
    then: Vec<Decider>,
    params: Params,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// A text.
    Text(String),
    /// Alternatives.
    List(Vec<String>),
}

/// A comparator with what it compares with.
#[derive(Debug, Clone)]
pub struct Prepared {
    comparator: Comparator,
    alternatives: Vec<String>,
    /// The pattern, and how it was written.
    pattern: Option<(Regex, String)>,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Whether the output is as expected.
    pub matched: bool,
    /// 0..=1; between only where the comparator gives partial credit.
    pub score: f64,
    /// What decided.
    pub rule: String,
    /// A sentence a person can act on.
    pub reason: String,
}

/// What a decider says: a score, or that it cannot decide.
enum Verdict {
    Holds,
    Fails(String),
    Partly(f64, String),
    /// Another decides; what a person should know when that one says no.
    Undecided(Option<String>),
}

impl Verdict {
    fn of(holds: bool, why: impl FnOnce() -> String) -> Verdict {
        if holds {
            Verdict::Holds
        } else {
            Verdict::Fails(why())
        }
    }
}

impl ComparatorRule {
    /// Compiles the rule.
    ///
    /// # Errors
    /// When nothing decides.
    pub fn compile(&self, name: &str) -> Result<Comparator, Vec<RuleError>> {
        if self.then.is_empty() {
            return Err(vec![RuleError {
                path: vec!["then".to_owned()],
                at: None,
                message: "`then` is empty: nothing would decide".to_owned(),
                help: Some("write `then: [exact]`".to_owned()),
            }]);
        }
        Ok(Comparator {
            name: name.to_owned(),
            steps: self.steps.clone(),
            then: self.then.clone(),
            params: Params::default(),
        })
    }
}

impl ComparatorExample {
    /// Whether the example holds.
    ///
    /// # Errors
    /// What the comparator says instead.
    pub fn check(&self, comparator: &Comparator) -> Result<(), String> {
        let told = |errors: Vec<RuleError>| {
            errors
                .into_iter()
                .map(|error| error.message)
                .collect::<Vec<_>>()
                .join("; ")
        };
        let comparator = comparator.with(&self.params).map_err(told)?;
        let compared = comparator
            .prepare(&Expected::Text(self.expected.clone()))
            .map_err(told)?
            .compare(&self.actual);
        let wanted = self.score.unwrap_or(if self.matches { 1.0 } else { 0.0 });
        if compared.matched == self.matches && (compared.score - wanted).abs() < 1e-3 {
            return Ok(());
        }
        Err(format!(
            "`{}` against `{}` scores {:.4}: {}",
            self.actual, self.expected, compared.score, compared.reason
        ))
    }
}

impl Comparator {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether what is expected may be a list of alternatives.
    pub fn takes_list(&self) -> bool {
        self.then.contains(&Decider::OneOf)
    }

    /// Whether what is expected may be a list or a map: it is compared as a value.
    pub fn takes_values(&self) -> bool {
        let of_values = [Decider::Json, Decider::Literal, Decider::Unordered];
        self.then.iter().any(|decider| of_values.contains(decider))
    }

    /// Why no output could ever match what is expected.
    pub fn matches_nothing(&self, expected: &str) -> Option<String> {
        if self.then != [Decider::Json] {
            return None;
        }
        json::why_not(expected).map(|why| format!("what is expected is not JSON: {why}"))
    }

    /// The same with parameters.
    ///
    /// # Errors
    /// A parameter that none of its deciders takes, or that makes no sense.
    pub fn with(&self, params: &Params) -> Result<Comparator, Vec<RuleError>> {
        let has = |deciders: &[Decider]| self.then.iter().any(|decider| deciders.contains(decider));
        let taken: Vec<&str> = [
            ("rel", has(&[Decider::Numeric, Decider::Literal])),
            ("abs", has(&[Decider::Numeric, Decider::Literal])),
            ("strict_types", has(&[Decider::Literal])),
            ("align", has(&[Decider::LinesPartial])),
            ("of", has(&[Decider::Unordered])),
        ]
        .into_iter()
        .filter_map(|(name, is_taken)| is_taken.then_some(name))
        .collect();
        let given = [
            ("rel", params.rel.is_some()),
            ("abs", params.abs.is_some()),
            ("strict_types", params.strict_types.is_some()),
            ("align", params.align.is_some()),
            ("of", params.of.is_some()),
        ];
        let mut errors = Vec::new();
        for (name, _) in given
            .into_iter()
            .filter(|(name, is_given)| *is_given && !taken.contains(name))
        {
            let help = match taken.as_slice() {
                [] => format!("`{}` takes no parameters", self.name),
                taken => format!(
                    "`{}` takes {}",
                    self.name,
                    taken
                        .iter()
                        .map(|name| format!("`{name}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            };
            let message = format!("the comparator `{}` has no parameter `{name}`", self.name);
            errors.push(RuleError {
                path: vec![name.to_owned()],
                at: None,
                message,
                help: Some(help),
            });
        }
        for (name, value) in [("rel", params.rel), ("abs", params.abs)] {
            if value.is_some_and(|value| !(value >= 0.0 && value.is_finite())) {
                let message = format!("`{name}` is not a number of 0 or more");
                errors.push(RuleError {
                    path: vec![name.to_owned()],
                    at: None,
                    message,
                    help: None,
                });
            }
        }
        if errors.is_empty() {
            Ok(Comparator {
                params: params.clone(),
                ..self.clone()
            })
        } else {
            Err(errors)
        }
    }

    /// Makes a comparison with what is expected.
    ///
    /// # Errors
    /// When the expected text must be a regular expression and is none; the place is inside it.
    pub fn prepare(&self, expected: &Expected) -> Result<Prepared, Vec<RuleError>> {
        match expected {
            Expected::Text(text) => self.prepare_texts(&[text]),
            Expected::List(texts) => self.prepare_texts(texts),
        }
    }

    fn prepare_texts<T: AsRef<str>>(&self, texts: &[T]) -> Result<Prepared, Vec<RuleError>> {
        let is_pattern = |decider: &Decider| matches!(decider, Decider::Regex | Decider::Search);
        let pattern = if self.then.iter().any(is_pattern) {
            let text = texts.first().map_or("", AsRef::as_ref);
            let whole = self.then.contains(&Decider::Regex);
            let pattern = search::pattern(text, whole).map_err(|error| vec![error])?;
            Some((pattern, text.to_owned()))
        } else {
            None
        };
        let alternatives = texts
            .iter()
            .map(|text| normalise::apply(&self.steps, text.as_ref()).into_owned())
            .collect();
        Ok(Prepared {
            comparator: self.clone(),
            alternatives,
            pattern,
        })
    }

    /// Compares two texts.
    ///
    /// # Errors
    /// As [`Comparator::prepare`].
    pub fn compare(&self, actual: &str, expected: &str) -> Result<Comparison, Vec<RuleError>> {
        Ok(self.prepare_texts(&[expected])?.compare(actual))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::new(self.params.rel, self.params.abs)
    }
}

impl Prepared {
    /// Whether it compares by a pattern that matches the empty text.
    pub fn matches_empty(&self) -> bool {
        self.pattern
            .as_ref()
            .is_some_and(|(pattern, _)| pattern.is_match(""))
            || self.comparator.then == [Decider::Contains]
                && self.alternatives.iter().any(String::is_empty)
    }

    /// The comparator's name.
    pub fn name(&self) -> &str {
        &self.comparator.name
    }

    /// Judges an output.
    pub fn compare(&self, actual: &str) -> Comparison {
        let actual = normalise::apply(&self.comparator.steps, actual);
        let mut notes = String::new();
        for decider in &self.comparator.then {
            let (score, mut reason) = match self.decide(*decider, &actual) {
                Verdict::Undecided(note) => {
                    notes.extend(note.map(|note| format!(" ({note})")));
                    continue;
                }
                Verdict::Holds => (
                    1.0,
                    format!("the output is as expected (`{}`)", self.comparator.name),
                ),
                Verdict::Fails(reason) => (0.0, reason),
                Verdict::Partly(score, reason) => (score, reason),
            };
            if score < 1.0 {
                reason.push_str(&notes);
            }
            return Comparison {
                matched: score >= 1.0,
                score,
                rule: word(*decider).to_owned(),
                reason,
            };
        }
        let reason = format!(
            "no step of the comparator `{}` can decide",
            self.comparator.name
        );
        Comparison {
            matched: false,
            score: 0.0,
            rule: self.comparator.name.clone(),
            reason,
        }
    }

    fn decide(&self, decider: Decider, actual: &str) -> Verdict {
        let params = &self.comparator.params;
        let expected = self.alternatives.first().map_or("", String::as_str);
        match decider {
            Decider::Exact => {
                Verdict::of(actual == expected, || text::difference(actual, expected))
            }
            Decider::Numeric => number::compare(actual, expected, self.comparator.tolerance()),
            Decider::Literal => literal::compare(
                actual,
                expected,
                self.comparator.tolerance(),
                params.strict_types.unwrap_or(false),
            ),
            Decider::Json => json::compare(actual, expected),
            Decider::Unordered => unordered::compare(actual, expected, params.of),
            Decider::Regex | Decider::Search => {
                let (pattern, written) = self
                    .pattern
                    .as_ref()
                    .expect("a comparator with a pattern is prepared with it");
                search::matches(pattern, written, actual, decider == Decider::Regex)
            }
            Decider::Contains => search::contains(actual, expected),
            Decider::ContainsWord => search::contains_word(actual, expected),
            Decider::LinesPartial => {
                lines::compare(actual, expected, params.align.unwrap_or_default())
            }
            Decider::OneOf => self.one_of(actual),
            Decider::RewardKit => similarity::compare(actual, expected),
        }
    }

    /// Whether an alternative is equal; of the others, the one that is alike for longest is told.
    fn one_of(&self, actual: &str) -> Verdict {
        const SHOWN_MAX: usize = 8;
        if self.alternatives.iter().any(|text| text == actual) {
            return Verdict::Holds;
        }
        let shown = self.alternatives.iter().take(SHOWN_MAX);
        let mut all: Vec<String> = shown.map(|text| text::shown(text)).collect();
        if let Some(more) = self.alternatives.len().checked_sub(SHOWN_MAX + 1) {
            all.push(format!("{} more", more + 1));
        }
        let closest = self
            .alternatives
            .iter()
            .max_by_key(|text| text::common_start(actual, text));
        let closest = closest.map(|text| text::difference(actual, text));
        Verdict::Fails(format!(
            "expected one of {}; of the closest, {}",
            all.join(", "),
            closest.unwrap_or_default()
        ))
    }
}

fn word(decider: Decider) -> &'static str {
    match decider {
        Decider::Exact => "exact",
        Decider::Numeric => "numeric",
        Decider::Literal => "literal",
        Decider::Json => "json",
        Decider::Unordered => "unordered",
        Decider::Regex => "regex",
        Decider::Search => "search",
        Decider::Contains => "contains",
        Decider::ContainsWord => "contains_word",
        Decider::LinesPartial => "lines_partial",
        Decider::OneOf => "one_of",
        Decider::RewardKit => "reward_kit",
    }
}

#[cfg(test)]
mod tests;
