//! What is wrong with a rule, and where inside it; the compiler turns it into a diagnostic.

use std::ops::Range;

/// A mistake in a rule's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Keys and indexes that lead from the rule to the value, such as `["steps", "0"]`.
    pub path: Vec<String>,
    /// The bytes of the value's text that are meant, for a caret inside a pattern.
    pub at: Option<Range<usize>>,
    /// What is wrong, in lower case without a full stop, the thing in backticks.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl RuleError {
    /// Why a pattern is no regular expression, with the place inside it.
    pub fn of_pattern(pattern: &str, error: &regex::Error, path: &[&str]) -> Self {
        let (what, span) = match regex_syntax::Parser::new().parse(pattern) {
            Err(regex_syntax::Error::Parse(error)) => {
                (error.kind().to_string(), Some(*error.span()))
            }
            Err(regex_syntax::Error::Translate(error)) => {
                (error.kind().to_string(), Some(*error.span()))
            }
            _ => (error.to_string(), None),
        };
        RuleError {
            path: path.iter().map(|&step| step.to_owned()).collect(),
            at: span.map(|span| span.start.offset..span.end.offset),
            message: format!("not a regular expression: {what}"),
            help: None,
        }
    }
}
