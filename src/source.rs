//! Where a value was written: sources, spans into them, and values that carry their span.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A file that was read, or text that came from elsewhere under a name.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path as it is shown to people.
    pub name: String,
    /// Where relative paths written in it lead from.
    pub directory: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
    /// The bytes at which its lines begin, once they are asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// Line and column, 1-based, of a byte offset; columns count characters.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset = floor_char_boundary(&self.text, offset);
        let lines = self.lines.get_or_init(|| {
            let newlines = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(newlines).collect()
        });
        let line = lines.partition_point(|start| *start <= offset);
        let start = lines[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }
}

/// Names a [`Source`] of one [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u32);

/// All sources of a project, in the order they were read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// Adds a source and names it.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        directory: &Path,
        text: impl Into<Arc<str>>,
    ) -> SourceId {
        self.list.push(Source {
            name: name.into(),
            directory: directory.to_path_buf(),
            text: text.into(),
            lines: OnceLock::new(),
        });
        SourceId(u32::try_from(self.list.len() - 1).expect("fewer than 2^32 files"))
    }

    /// The source of that name.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.list[id.0 as usize]
    }

    /// `file:line:column` of a span's start, 1-based, columns in characters.
    pub fn place(&self, span: Span) -> String {
        let source = self.get(span.source);
        let (line, column) = source.line_and_column(span.start as usize);
        format!("{}:{line}:{column}", source.name)
    }

    /// The line where a span starts.
    pub fn line(&self, span: Span) -> Line {
        let source = self.get(span.source);
        Line {
            file: source.name.clone(),
            number: source.line_and_column(span.start as usize).0,
        }
    }

    /// The text a span covers.
    pub fn text(&self, span: Span) -> &str {
        &self.get(span.source).text[span.range()]
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// A line of a file, for tools that lead there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file, as it is shown to people.
    pub file: String,
    /// 1-based.
    pub number: usize,
}

/// A range of bytes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Span {
    /// The source.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes covered.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// A part of this span, by byte offsets from its start.
    pub fn part(self, range: Range<usize>) -> Span {
        let end = self.end;
        let at = |offset: usize| {
            (self.start + u32::try_from(offset).unwrap_or(u32::MAX - self.start)).min(end)
        };
        Span {
            source: self.source,
            start: at(range.start),
            end: at(range.end),
        }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value with a place.
    pub fn new(value: T, span: Span) -> Self {
        Spanned { value, span }
    }
}
