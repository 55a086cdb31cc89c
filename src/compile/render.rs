//! What a template makes of a row: text, or a typed value, and where a mistake is.

use minijinja::value::{Value, ValueKind};

use super::dataset::Row;
use super::place;
use super::rules::RuleSet;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::source::{Sources, Span, Spanned};
use crate::template::{TemplateError, TemplateId, Templates, text_of};

/// Text that is known, or is rendered for each row.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Fixed(Spanned<String>),
    Template {
        id: TemplateId,
        text: Spanned<String>,
    },
    Expression {
        id: TemplateId,
        text: Spanned<String>,
    },
}

impl Text {
    pub(super) fn span(&self) -> Span {
        match self {
            Text::Fixed(text) | Text::Template { text, .. } | Text::Expression { text, .. } => {
                text.span
            }
        }
    }
}

/// Something by name, or by a name that each row has.
#[derive(Debug, Clone)]
pub(super) enum Pick<T> {
    Fixed(T),
    PerRow(Text),
}

/// What a row's rendering needs.
pub(super) struct Rendering<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) templates: &'a Templates,
    pub(super) scope: Value,
    pub(super) row: Option<&'a Row>,
    pub(super) sources: &'a Sources,
}

impl Rendering<'_> {
    /// The same with more in scope.
    pub(super) fn with(&self, name: &str, value: Value) -> Rendering<'_> {
        let scope =
            minijinja::context! { ..Value::from_pairs([(name, value)]), ..self.scope.clone() };
        Rendering {
            rules: self.rules,
            templates: self.templates,
            scope,
            row: self.row,
            sources: self.sources,
        }
    }

    /// Renders text.
    pub(super) fn text(&self, text: &Text) -> Result<String, Diagnostic> {
        match text {
            Text::Fixed(text) => Ok(text.value.clone()),
            Text::Template { id, text } => self
                .templates
                .text(id, &self.scope)
                .map_err(|error| self.failed(id, text, &error)),
            Text::Expression { id, text } => {
                let value = self
                    .templates
                    .value(id, &self.scope)
                    .map_err(|error| self.failed(id, text, &error))?;
                text_of(&value).map_err(|noun| {
                    self.problem(
                        text.span,
                        format!("`{}` is {noun} where text is meant", text.value),
                    )
                })
            }
        }
    }

    /// Texts: of a list its items, of anything else the text that it is.
    pub(super) fn texts(&self, text: &Text) -> Result<Vec<String>, Diagnostic> {
        let value = self.value(text)?;
        if value.kind() != ValueKind::Seq {
            return Ok(vec![self.text(text)?]);
        }
        let items = value.try_iter().into_iter().flatten();
        items
            .map(|item| {
                text_of(&item).map_err(|noun| {
                    let message = format!("{noun} stands where text is meant");
                    self.problem(text.span(), message)
                })
            })
            .collect()
    }

    /// Evaluates to a typed value; text that is no expression is itself.
    pub(super) fn value(&self, text: &Text) -> Result<Value, Diagnostic> {
        match text {
            Text::Expression { id, text } => self
                .templates
                .value(id, &self.scope)
                .map_err(|error| self.failed(id, text, &error)),
            Text::Fixed(_) | Text::Template { .. } => self.text(text).map(Value::from),
        }
    }

    /// A problem of the row, if there is one, else of the suite.
    pub(super) fn problem(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        match self.row {
            None => Diagnostic::at(span, message),
            Some(row) => {
                let diagnostic = Diagnostic::in_row(row.place(), message);
                if span == Span::default() {
                    diagnostic
                } else {
                    diagnostic.help(format!("it is asked for at {}", self.sources.place(span)))
                }
            }
        }
    }

    /// The place of a part of a text that was written at `span`.
    pub(super) fn place(&self, span: Span, text: &str, at: std::ops::Range<usize>) -> Span {
        place::within(self.sources, span, text, at)
    }

    fn failed(&self, id: &TemplateId, text: &Spanned<String>, error: &TemplateError) -> Diagnostic {
        let span = error.at.clone().map_or(text.span, |at| {
            place::within(self.sources, text.span, &text.value, at)
        });
        if error.undefined
            && let Some(row) = self.row
        {
            let missing = self.templates.names(id).into_iter().find_map(|name| {
                let column = name.strip_prefix("row.")?.split('.').next()?.to_owned();
                (!row.columns.contains_key(&column)).then_some(column)
            });
            if let Some(column) = missing {
                return self.missing_column(&column, span, row);
            }
        }
        self.problem(span, error.message.clone())
    }

    /// That the row lacks a column which something at `span` needs.
    pub(super) fn missing_column(&self, column: &str, span: Span, row: &Row) -> Diagnostic {
        let nearest = did_you_mean(column, row.columns.keys().map(String::as_str));
        let place = self.sources.place(span);
        let help = nearest.map_or_else(
            || format!("it is asked for at {place}"),
            |nearest| format!("{nearest} (it is asked for at {place})"),
        );
        Diagnostic::in_row(row.place(), format!("the row has no column `{column}`")).help(help)
    }
}
