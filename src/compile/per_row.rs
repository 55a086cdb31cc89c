//! Settings that may be an expression, and so another for each row or cell: `tags`, `timeout`, `skip`
//! and `only`.

use std::time::Duration;

use minijinja::value::{Value, ValueKind};

use super::cases::Compiler;
use super::render::{Rendering, Text};
use crate::diagnostic::Diagnostic;
use crate::source::Spanned;
use crate::syntax::suite::{Condition, Keys, Tags, TimeOrExpression};
use crate::syntax::value::Time;
use crate::template::text_of;

/// The reason of a condition that is just true.
const TRUE: &str = "its expression is true";

/// The expressions of a case.
#[derive(Debug)]
pub(super) struct PerRow {
    tags: Option<Text>,
    timeout: Option<Text>,
    skip: Option<Text>,
    only: Option<Only>,
}

/// Whether other cases are left aside for this one.
#[derive(Debug)]
enum Only {
    Always(String),
    PerRow(Text),
}

impl PerRow {
    pub(super) fn compile(keys: &Keys, compiler: &mut Compiler<'_>) -> PerRow {
        let tags = match &keys.tags {
            Some(Tags::Expression(expression)) => compiler.expression(expression),
            Some(Tags::Words(_)) | None => None,
        };
        let timeout = match &keys.timeout {
            Some(TimeOrExpression::Expression(expression)) => compiler.expression(expression),
            Some(TimeOrExpression::Time(_)) | None => None,
        };
        let skip = match condition(keys.skip.as_ref()) {
            Some(Condition::Expression(expression)) => compiler.expression(expression),
            Some(Condition::Reason(_)) | None => None,
        };
        let only = match condition(keys.only.as_ref()) {
            Some(Condition::Expression(expression)) => {
                compiler.expression(expression).map(Only::PerRow)
            }
            Some(Condition::Reason(reason)) => Some(Only::Always(reason.clone())),
            None => None,
        };
        PerRow {
            tags,
            timeout,
            skip,
            only,
        }
    }

    /// Whether each row has tags of its own.
    pub(super) fn has_tags(&self) -> bool {
        self.tags.is_some()
    }

    /// Whether the case, or some of its rows, may be all that runs of its suite.
    pub(super) fn has_only(&self) -> bool {
        self.only.is_some()
    }

    /// Why nothing else of its suite runs, as written.
    pub(super) fn reason_of_only(&self) -> Option<&str> {
        match self.only.as_ref()? {
            Only::Always(reason) => Some(reason),
            Only::PerRow(
                Text::Fixed(text) | Text::Template { text, .. } | Text::Expression { text, .. },
            ) => Some(&text.value),
        }
    }

    /// The words of a row to select by.
    pub(super) fn tags(
        &self,
        rendering: &Rendering<'_>,
    ) -> Result<Option<Vec<String>>, Diagnostic> {
        let Some(expression) = &self.tags else {
            return Ok(None);
        };
        let value = rendering.value(expression)?;
        let words: Option<Vec<String>> = match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => value
                .try_iter()
                .ok()
                .and_then(|words| words.map(|word| word.as_str().map(str::to_owned)).collect()),
            _ => value.as_str().map(|word| vec![word.to_owned()]),
        };
        words.map(Some).ok_or_else(|| {
            let what = format!("{}, not a text or a list of texts", noun(&value));
            wrong("tags", expression, &what, rendering)
        })
    }

    /// The wall time of a row.
    pub(super) fn timeout(
        &self,
        rendering: &Rendering<'_>,
    ) -> Result<Option<Duration>, Diagnostic> {
        let Some(expression) = &self.timeout else {
            return Ok(None);
        };
        let value = rendering.value(expression)?;
        let text = text_of(&value)
            .map_err(|noun| format!("expected a time such as `5`, `500ms` or `2m`, found {noun}"));
        text.and_then(|text| text.parse::<Time>())
            .map(|time| Some(time.0))
            .map_err(|message| rendering.problem(expression.span(), message))
    }

    /// Why a row is not run.
    pub(super) fn skip(&self, rendering: &Rendering<'_>) -> Result<Option<String>, Diagnostic> {
        match &self.skip {
            Some(expression) => reason("skip", expression, rendering),
            None => Ok(None),
        }
    }

    /// Whether a row is one of those for which others are left aside.
    pub(super) fn is_looked_at(&self, rendering: &Rendering<'_>) -> Result<bool, Diagnostic> {
        match &self.only {
            Some(Only::Always(_)) => Ok(true),
            Some(Only::PerRow(expression)) => {
                reason("only", expression, rendering).map(|reason| reason.is_some())
            }
            None => Ok(false),
        }
    }
}

fn condition(written: Option<&Spanned<Condition>>) -> Option<&Condition> {
    written.map(|condition| &condition.value)
}

/// What a condition yields: a reason, or `true`; nothing where it is `false`, null or empty.
fn reason(
    key: &str,
    expression: &Text,
    rendering: &Rendering<'_>,
) -> Result<Option<String>, Diagnostic> {
    let value = rendering.value(expression)?;
    match value.kind() {
        ValueKind::None => Ok(None),
        ValueKind::Bool => Ok(value.is_true().then(|| TRUE.to_owned())),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim();
            Ok((!text.is_empty()).then(|| text.to_owned()))
        }
        _ => {
            let what = format!("{}, not a reason, `true`, `false` or null", noun(&value));
            Err(wrong(key, expression, &what, rendering))
        }
    }
}

fn wrong(key: &str, expression: &Text, what: &str, rendering: &Rendering<'_>) -> Diagnostic {
    rendering.problem(expression.span(), format!("`{key}` is {what}"))
}

/// What a value is, in words.
fn noun(value: &Value) -> String {
    match value.kind() {
        ValueKind::Number => format!("the number {value}"),
        ValueKind::Bool => format!("`{value}`"),
        _ => text_of(value).map_or_else(str::to_owned, |text| format!("`{text}`")),
    }
}
