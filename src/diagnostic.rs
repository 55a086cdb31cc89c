//! Configuration errors: what is wrong, where, what was expected, what to do. Rendered once, here.

use std::collections::HashSet;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::escape::visible;
use crate::source::{Sources, Span};

/// A place in a dataset's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowPlace {
    /// The file, as it is shown to people.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// The line, or its part around the column.
    pub text: String,
    /// Characters of the line before that part.
    pub skipped: usize,
}

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must be mended before anything runs.
    Error,
    /// It is probably not what is meant; `check` tells it.
    Warning,
}

/// Something an author has to mend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// Whether it is an error.
    pub severity: Severity,
    /// Lower case, no full stop, the thing in backticks.
    pub message: String,
    /// Where; `None` when it belongs to no place in a source.
    pub span: Option<Span>,
    /// Where, in a dataset: rows are streamed and are no sources.
    pub row: Option<Box<RowPlace>>,
    /// What stands at the caret: what was expected there.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic at a place.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            span: Some(span),
            row: None,
            label: String::new(),
            help: None,
        }
    }

    /// A warning at a place.
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::at(span, message)
        }
    }

    /// A diagnostic at a place in a dataset.
    pub fn in_row(place: RowPlace, message: impl Into<String>) -> Self {
        Diagnostic {
            row: Some(Box::new(place)),
            ..Diagnostic::nowhere(message)
        }
    }

    /// The message with its place, on one line.
    pub fn one_line(&self, sources: &Sources) -> String {
        let placed = self.placed(sources);
        match (placed.file, placed.line, placed.column) {
            (Some(file), Some(line), Some(column)) => {
                format!("{file}:{line}:{column}: {}", self.message)
            }
            _ => self.message.clone(),
        }
    }

    /// A diagnostic about something that has no place in a source.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            span: None,
            row: None,
            label: String::new(),
            help: None,
        }
    }

    /// Says at the caret what was expected.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, if there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// Every diagnostic found, in the order of files and places.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// The list.
    pub list: Vec<Diagnostic>,
    /// What was said already, so that it is said once.
    said: HashSet<Diagnostic>,
}

impl Diagnostics {
    /// Adds one, unless the same was said already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.said.insert(diagnostic.clone()) {
            self.list.push(diagnostic);
        }
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Diagnostics) {
        for diagnostic in other.list {
            self.push(diagnostic);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sorts by file and place.
    pub fn sort(&mut self) {
        self.list
            .sort_by_key(|diagnostic| diagnostic.span.map(|span| (span.source, span.start)));
    }

    /// All of them as text, in the form compilers use.
    pub fn render(&self, sources: &Sources, colour: bool) -> String {
        let mut known = HashSet::new();
        let rendered: Vec<String> = self
            .list
            .iter()
            .map(|diagnostic| {
                // A long list of names is told once.
                let help = diagnostic.help.as_deref();
                let is_told = help.is_some_and(|help| help.len() > 200 && !known.insert(help));
                if is_told {
                    let short = Diagnostic {
                        help: None,
                        ..diagnostic.clone()
                    };
                    return render(&short, sources, colour);
                }
                render(diagnostic, sources, colour)
            })
            .collect();
        rendered.join("\n\n")
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(diagnostic);
        diagnostics
    }
}

/// A diagnostic for machines.
#[derive(Debug, Serialize)]
pub struct PlacedDiagnostic<'a> {
    /// `error` or `warning`.
    pub severity: Severity,
    /// File, as it is shown to people.
    pub file: Option<&'a str>,
    /// 1-based.
    pub line: Option<usize>,
    /// 1-based, in characters.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: &'a str,
    /// What was expected at the place.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub expected: &'a str,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a str>,
}

impl Diagnostic {
    /// The same with its place as numbers.
    pub fn placed<'a>(&'a self, sources: &'a Sources) -> PlacedDiagnostic<'a> {
        let place = self.span.map(|span| {
            let source = sources.get(span.source);
            (
                source.name.as_str(),
                source.line_and_column(span.start as usize),
            )
        });
        let place = place.or(self
            .row
            .as_ref()
            .map(|row| (row.file.as_str(), (row.line, row.column))));
        PlacedDiagnostic {
            severity: self.severity,
            file: place.map(|(file, _)| file),
            line: place.map(|(_, (line, _))| line),
            column: place.map(|(_, (_, column))| column),
            message: &self.message,
            expected: &self.label,
            help: self.help.as_deref(),
        }
    }
}

/// Characters of a source line beyond which it is not shown around the caret.
const LINE_SHOWN_MAX: usize = 400;

fn render(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let message = visible(&diagnostic.message);
    let label = visible(&diagnostic.label);
    let help = diagnostic.help.as_deref().map(visible);
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(message.as_str()));
    let place = match (&diagnostic.row, diagnostic.span) {
        (Some(row), _) => Some((row.file.as_str(), row_excerpt(row))),
        (None, Some(span)) => Some((
            sources.get(span.source).name.as_str(),
            excerpt(sources, span),
        )),
        (None, None) => None,
    };
    if let Some((file, shown)) = &place {
        let mut annotation = AnnotationKind::Primary.span(shown.range.clone());
        if !label.is_empty() {
            annotation = annotation.label(label.as_str());
        }
        group = group.element(
            Snippet::source(without_c1(&shown.text))
                .path(*file)
                .line_start(shown.line)
                .annotation(annotation),
        );
    }
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group]).to_string()
}

/// The renderer shows other controls, but not these; what takes their place is as long.
fn without_c1(text: &str) -> String {
    text.replace(|letter| matches!(letter, '\u{80}'..='\u{9f}'), "\u{bf}")
}

fn row_excerpt(row: &RowPlace) -> Excerpt {
    // What is not shown leaves its room, so that the column is that of the file.
    let text = format!("{}{}", " ".repeat(row.skipped), row.text);
    let start = text
        .char_indices()
        .nth(row.column - 1)
        .map_or(text.len(), |(at, _)| at);
    let end = text[start..]
        .chars()
        .next()
        .map_or(start, |letter| start + letter.len_utf8());
    Excerpt {
        text,
        line: row.line,
        range: start..end,
    }
}

struct Excerpt {
    text: String,
    line: usize,
    range: std::ops::Range<usize>,
}

/// The line of a span's start and the span within it: a caret shows one line, and a source may
/// be megabytes long.
fn excerpt(sources: &Sources, span: Span) -> Excerpt {
    let source = sources.get(span.source);
    let text: &str = &source.text;
    let start = (span.start as usize).min(text.len());
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..]
        .find('\n')
        .map_or(text.len(), |newline| start + newline);
    let (line, _) = source.line_and_column(start);
    let end = (span.end as usize).clamp(start, line_end.max(start));
    let mut shown_end = line_end.min(line_start + (start - line_start) + LINE_SHOWN_MAX);
    while !text.is_char_boundary(shown_end) {
        shown_end -= 1;
    }
    let shown_end = shown_end.max(start);
    let mut range = start - line_start..end.min(shown_end) - line_start;
    if range.is_empty() {
        // A caret needs something to stand under.
        let width = text[start..shown_end]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        range.end = range.start + width;
    }
    Excerpt {
        text: text[line_start..shown_end]
            .trim_end_matches('\r')
            .to_owned(),
        line,
        range,
    }
}

/// The known name nearest to what was written, if one is near enough to be meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_lowercase();
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&folded, &name.to_lowercase()),
                *name,
            )
        })
        .filter(|(distance, name)| *distance <= (name.len().max(written.len()) / 3).max(1))
        .min()
        .map(|(_, name)| name);
    // Words are cut short too, where but one begins so.
    near.or_else(|| {
        let mut begun = known
            .iter()
            .filter(|name| name.to_lowercase().starts_with(&folded));
        let only = begun.next().filter(|_| folded.len() >= 3)?;
        begun.next().is_none().then_some(*only)
    })
}

/// A help line that names the nearest known name, or else all of them when they are few.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(written, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    if known.is_empty() || known.len() > 40 {
        return None;
    }
    Some(format!(
        "known here: {}",
        known
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Diagnostics, nearest};
    use crate::source::{Sources, Span};

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("expct", ["expect", "reply"]), Some("expect"));
        assert_eq!(nearest("pyhton", ["python", "javascript"]), Some("python"));
        assert_eq!(nearest("zebra", ["python", "javascript"]), None);
    }

    #[test]
    fn a_diagnostic_shows_the_line_and_a_caret() {
        let mut sources = Sources::default();
        let source = sources.add("a.yaml", std::path::Path::new("."), "cases:\n  - nmae: x\n");
        let span = Span {
            source,
            start: 11,
            end: 15,
        };
        let text = Diagnostics::from(
            Diagnostic::at(span, "unknown key `nmae`").help("did you mean `name`?"),
        )
        .render(&sources, false);
        assert!(text.contains("a.yaml:2:5"), "{text}");
        assert!(text.contains("^^^^"), "{text}");
        assert!(text.contains("did you mean `name`?"), "{text}");
    }
}
