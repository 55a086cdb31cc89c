//! Where the blocks of a reply stand as CommonMark reads it.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::fences::Fence;
use super::lines::Lines;

/// What CommonMark sees in a reply.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Fenced blocks, in order.
    pub(super) fenced: Vec<Fenced>,
    /// Indented blocks, in order.
    pub(super) indented: Vec<Fence>,
    /// Inline code: the bytes between its backticks.
    pub(super) spans: Vec<Range<usize>>,
}

/// Where a fenced block stands.
#[derive(Debug, Clone)]
pub(super) struct Fenced {
    /// The 1-based line of its opening fence.
    pub(super) open: usize,
    /// How many lines of code follow.
    pub(super) count: usize,
    /// Whether a closing fence was found.
    pub(super) is_closed: bool,
}

/// Reads `shape`, which has the layout of `reply` byte for byte; code is taken from `reply`.
pub(super) fn read(reply: &str, shape: &str, lines: &Lines) -> Seen {
    let mut seen = Seen::default();
    let mut open: Option<(bool, Range<usize>, String)> = None;
    for (event, range) in Parser::new_ext(shape, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let is_fenced = matches!(kind, CodeBlockKind::Fenced(_));
                open = Some((is_fenced, range, String::new()));
            }
            Event::Text(text) => {
                if let Some((_, _, code)) = &mut open {
                    // A tab that a list's indentation splits is made of blanks that are not written.
                    match reply
                        .get(range)
                        .filter(|written| written.len() == text.len())
                    {
                        Some(written) => code.push_str(written),
                        None => code.push_str(&text),
                    }
                }
            }
            Event::Code(text) => {
                let written = &shape[range.clone()];
                let ticks = written.len() - written.trim_start_matches('`').len();
                let inner = range.start + ticks..range.end.saturating_sub(ticks);
                if !text.is_empty() && inner.start < inner.end {
                    seen.spans.push(inner);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                let Some((is_fenced, range, code)) = open.take() else {
                    continue;
                };
                let code = code.replace("\r\n", "\n").replace('\r', "\n");
                let count = code.lines().count();
                let first = lines.number(range.start);
                if is_fenced {
                    let last = lines.number(range.end.saturating_sub(1).max(range.start));
                    seen.fenced.push(Fenced {
                        open: first,
                        count,
                        is_closed: last > first + count,
                    });
                } else {
                    seen.indented.push(Fence {
                        tag: String::new(),
                        code,
                        start_line: first,
                        end_line: (first + count).saturating_sub(1),
                        at: lines.start(first),
                        end: lines.start(first + count),
                        is_closed: true,
                    });
                }
            }
            _ => {}
        }
    }
    seen
}
