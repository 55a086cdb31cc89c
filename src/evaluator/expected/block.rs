//! The lines after a label that hold its value: a fenced block, an indented one, or plain lines.
//! Leaves to the rule which of them may follow, and what a line that ends them looks like.

use std::ops::Range;

use super::super::LazyRegex;

use super::rule::Block;
use super::{Candidate, boundary_before};

struct Line<'t> {
    /// Where the line starts.
    start: usize,
    /// Where its text starts, after the marks of a quotation or a comment.
    from: usize,
    text: &'t str,
}

impl Line<'_> {
    /// Without the mark that all lines of a quotation or a comment have; without `mark`, none is.
    fn unmarked(self, mark: Option<&str>) -> Option<Self> {
        let Some(mark) = mark else { return Some(self) };
        let rest = self.text.trim_start().strip_prefix(mark)?;
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        Some(Line {
            from: self.from + self.text.len() - rest.len(),
            text: rest,
            ..self
        })
    }
}

/// How far the bars of a table's header are looked for to each side of a label, in bytes.
const HEADER_BYTES_MAX: usize = 2000;

/// Marks at the start of a line in a quotation or a comment, the longer first.
const MARKS: [&str; 8] = [">", "///", "//", "##", "#", "--", ";;", ";"];

/// Where each line starts that closes a fence, in order; such a line opens none.
pub(super) fn closing_fences(text: &str) -> Vec<usize> {
    let mut open = None;
    let mut closing = Vec::new();
    for line in lines_from(text, 0) {
        let content = line.text.trim_start_matches(['>', ' ', '\t']);
        match open {
            None => open = fence(content),
            Some(mark) if closes(content, mark) => {
                closing.push(line.start);
                open = None;
            }
            Some(_) => {}
        }
    }
    closing
}

/// The block of this kind after the line that holds byte `label`.
pub(super) fn after(
    text: &str,
    label: usize,
    kind: Block,
    closing: &[usize],
    stop: Option<&LazyRegex>,
) -> Option<Candidate> {
    let line_start = text[..label].rfind('\n').map_or(0, |at| at + 1);
    let below = text[label..].find('\n')? + label + 1;
    let mark = mark(&text[line_start..], &text[below..]);
    let margin = match mark {
        // The label of a comment may stand further right than its lines.
        Some(_) => 0,
        None => indentation(&text[line_start..]),
    };
    let mut lines = lines_from(text, below).peekable();
    let mut blanks = 0;
    let is_blank = |line: &Line<'_>| {
        let content = line.text.trim_start();
        let content = mark.map_or(content, |mark| {
            content.strip_prefix(mark).unwrap_or(content)
        });
        content.trim().is_empty()
    };
    while lines.next_if(is_blank).is_some() {
        blanks += 1;
        if blanks > 2 {
            return None;
        }
    }
    // What is quoted below a label that is not is marked as a quotation too.
    let is_quoted = |line: &Line<'_>| line.text.starts_with("> ");
    let mark = mark.or(lines
        .peek()
        .filter(|line| blanks > 0 && is_quoted(line))
        .map(|_| ">"));
    let lines = lines.map_while(|line| line.unmarked(mark));
    match kind {
        Block::Fence => fenced(lines, closing),
        Block::Indented if blanks > 0 => plain(
            lines.take_while(|line| indentation(line.text) > margin),
            margin,
            stop,
        ),
        Block::Lines if blanks == 0 => plain(lines, margin, stop),
        Block::Paragraph if blanks == 1 => plain(lines, margin, stop),
        _ => None,
    }
}

/// The mark that a label's line and the one below it start with.
fn mark(label: &str, below: &str) -> Option<&'static str> {
    let (label, below) = (label.trim_start(), below.trim_start_matches([' ', '\t']));
    let starts = |line: &str, mark: &str| {
        let rest = line.strip_prefix(mark);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
    };
    let mut marks = MARKS.into_iter();
    marks.find(|mark| starts(label, mark) && starts(below, mark))
}

/// The cells below the one that holds byte `label`, in the same column of a table with bars.
pub(super) fn cells(text: &str, label: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let (column, rows) = table(text, label).unwrap_or((0, ""));
    let start = text.len() - rows.len();
    let rows = lines_from(text, start).skip(1);
    let rows = rows.map(|line| (bars(line.text), line));
    let rows = rows.take_while(|(bars, _)| !bars.is_empty());
    rows.filter(|(_, line)| !is_ruler(line.text))
        .map_while(move |(bars, line)| {
            let column = column + outer(line.text);
            let from = match column {
                0 => 0,
                _ => bars.get(column - 1)? + 1,
            };
            let to = bars.get(column).copied().unwrap_or(line.text.len());
            Some(super::clean::trim(text, line.start + from..line.start + to))
        })
}

/// The column of the table's header that byte `label` stands in, without a bar at the margin, and the text
/// from the ruler below on.
fn table(text: &str, label: usize) -> Option<(usize, &str)> {
    let from = boundary_before(text, label.saturating_sub(HEADER_BYTES_MAX));
    let to = boundary_before(text, (label + HEADER_BYTES_MAX).min(text.len()));
    let before = text[from..label].rsplit('\n').next()?;
    let below = label + text[label..to].find('\n')? + 1;
    let ruler = text[below..].lines().next()?;
    // A bar at the margin may be there in one row and not in the next.
    let column = bars(before).len().checked_sub(outer(before))?;
    is_ruler(ruler).then_some((column, &text[below..]))
}

fn is_ruler(line: &str) -> bool {
    let is_of_it = |c: char| matches!(c, '-' | '=' | ':' | '|' | '+' | ' ' | '\t');
    line.contains("--") && line.contains(['|', '+']) && line.chars().all(is_of_it)
}

fn outer(line: &str) -> usize {
    usize::from(line.trim_start().starts_with('|'))
}

/// The text of a cell: a bar in it is escaped, and a line break is HTML's.
pub(super) fn cell_text(cell: &str) -> String {
    let text = cell.replace("\\|", "|");
    let text = text.replace("<br>", "\n").replace("<br/>", "\n");
    text.replace("<br />", "\n")
}

/// Where bars stand in a line that are not escaped.
fn bars(line: &str) -> Vec<usize> {
    let bars = line.match_indices('|').map(|(at, _)| at);
    bars.filter(|at| !line[..*at].ends_with('\\')).collect()
}

fn lines_from(text: &str, start: usize) -> impl Iterator<Item = Line<'_>> {
    text[start..].split_inclusive('\n').scan(start, |at, line| {
        let start = *at;
        *at += line.len();
        Some(Line {
            start,
            from: start,
            text: line.trim_end_matches(['\n', '\r']),
        })
    })
}

fn fenced<'t>(mut lines: impl Iterator<Item = Line<'t>>, closing: &[usize]) -> Option<Candidate> {
    let open = lines
        .next()
        .filter(|line| closing.binary_search(&line.start).is_err())?;
    if matches!(open.text.trim(), "<pre>" | "<pre><code>") {
        let content: Vec<Line<'_>> = lines
            .take_while(|line| !line.text.trim_start().starts_with("</"))
            .collect();
        return Some(join(&content, 0, open.from + open.text.len()));
    }
    if is_latex(open.text, "\\begin{") {
        let content: Vec<Line<'_>> = lines
            .take_while(|line| !is_latex(line.text, "\\end{"))
            .collect();
        return Some(join(&content, 0, open.from + open.text.len()));
    }
    let fence = fence(open.text)?;
    let margin = indentation(open.text);
    let content: Vec<Line<'_>> = lines.take_while(|line| !closes(line.text, fence)).collect();
    Some(join(&content, margin, open.from + open.text.len()))
}

/// Whether a line begins or ends one of LaTeX's environments for text as it is.
fn is_latex(line: &str, mark: &str) -> bool {
    let name = line.trim_start().strip_prefix(mark).map(str::to_lowercase);
    name.is_some_and(|name| {
        let mut known = ["verbatim", "lstlisting", "minted", "alltt"].iter();
        known.any(|known| name.starts_with(known))
    })
}

fn plain<'t>(
    lines: impl Iterator<Item = Line<'t>>,
    margin: usize,
    stop: Option<&LazyRegex>,
) -> Option<Candidate> {
    let ends = |line: &str| {
        line.trim().is_empty()
            || fence(line).is_some()
            || is_latex(line, "\\begin{")
            || is_latex(line, "\\end{")
            || stop.is_some_and(|stop| stop.is_match(line))
    };
    let content: Vec<Line<'_>> = lines.take_while(|line| !ends(line.text)).collect();
    let least = content.iter().map(|line| indentation(line.text)).min()?;
    // Less than four columns may be a drawing's own blanks; more is an indented block.
    let margin = if least >= margin + 4 { least } else { margin };
    let start = content[0].from;
    Some(join(&content, margin, start))
}

fn join(lines: &[Line<'_>], margin: usize, start: usize) -> Candidate {
    let dedented: Vec<&str> = lines.iter().map(|line| dedent(line.text, margin)).collect();
    let first = lines.first().map_or(start, |line| line.from);
    let end = lines
        .last()
        .map_or(start, |line| line.from + line.text.len());
    Candidate {
        value: dedented
            .join("\n")
            .trim_end()
            .trim_start_matches('\n')
            .to_owned(),
        span: first..end,
    }
}

/// The fence that a line opens: its mark and how often it stands there.
fn fence(line: &str) -> Option<(char, usize)> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let count = line.chars().take_while(|c| *c == mark).count();
    (count >= 3 && !line[count..].contains(mark)).then_some((mark, count))
}

fn closes(line: &str, (mark, count): (char, usize)) -> bool {
    let line = line.trim();
    line.len() >= count && line.chars().all(|c| c == mark)
}

/// Columns of white space at the start; a tab is four.
fn indentation(line: &str) -> usize {
    line.chars()
        .take_while(|c| matches!(c, ' ' | '\t'))
        .map(width)
        .sum()
}

fn width(c: char) -> usize {
    if c == '\t' { 4 } else { 1 }
}

fn dedent(line: &str, columns: usize) -> &str {
    let mut left = columns;
    let mut rest = line;
    while let Some(c) = rest
        .chars()
        .next()
        .filter(|c| matches!(c, ' ' | '\t') && width(*c) <= left)
    {
        left -= width(c);
        rest = &rest[1..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_their_header() {
        for (text, label, want) in [
            (
                "| in | out |\n|---|---|\n| 1 | a \\| b |\n| 2 | c |\n\nend",
                "out",
                vec!["a \\| b", "c"],
            ),
            ("out | in\n--- | ---\na | 1\nb | 2", "out", vec!["a", "b"]),
            (
                "| out | in |\n|---|---|\na | 1 |\n| b | 2 |",
                "out",
                vec!["a", "b"],
            ),
            ("| in | out |\n| 1 | a |", "out", vec![]),
        ] {
            let at = text.find(label).expect("it is there") + label.len();
            let found: Vec<&str> = cells(text, at).map(|cell| &text[cell]).collect();
            assert_eq!(found, want, "{text:?}");
        }
        assert_eq!(cell_text("a \\| b<br>c"), "a | b\nc");
    }

    #[test]
    fn a_block_ends_where_its_kind_ends() {
        let stop = LazyRegex::new("^Input").expect("valid");
        for (kind, text, want) in [
            (
                Block::Fence,
                "Output:\n\n```text\n  *\n***\n```\nmore",
                Some("  *\n***"),
            ),
            (
                Block::Fence,
                "  Output:\n  ~~~\n  a\n\n  b\n  ~~~",
                Some("a\n\nb"),
            ),
            (
                Block::Fence,
                "Output:\r\n```\r\na\r\nb\r\n```",
                Some("a\nb"),
            ),
            (Block::Fence, "Output:\n```\nunclosed", Some("unclosed")),
            (Block::Fence, "Output:\n42", None),
            (
                Block::Fence,
                "Output:\n<pre>\n a\nb\n</pre>\nmore",
                Some(" a\nb"),
            ),
            (Block::Fence, "> Output:\n> ```\n> a\n> ```\nb", Some("a")),
            (
                Block::Fence,
                "Output:\n\\begin{verbatim}\n a\nb\n\\end{verbatim}\nmore",
                Some(" a\nb"),
            ),
            (Block::Lines, "Output:\n\\begin{lstlisting}\na", None),
            (Block::Lines, "Output:\na\n\\end{verbatim}\nb", Some("a")),
            (
                Block::Lines,
                "  // Output:\n  // a\n  //  b\nc",
                Some("a\n b"),
            ),
            (Block::Paragraph, "Output:\n\n> a\n> b\n\nc", Some("a\nb")),
            (
                Block::Indented,
                "It prints\n\n    7 is\n    prime\n\nand",
                Some("7 is\nprime"),
            ),
            (Block::Indented, "It prints\n\nnothing", None),
            (Block::Lines, "Output:\n1\n2\n\n3", Some("1\n2")),
            (Block::Lines, "Output:\n1\nInput:\n3", Some("1")),
            (Block::Lines, "Output:\n *\n***", Some(" *\n***")),
            (Block::Lines, "Output:\n\n1", None),
            (Block::Paragraph, "# Output\n\n1\n2", Some("1\n2")),
            (Block::Lines, "Output:", None),
        ] {
            let found =
                after(text, 0, kind, &closing_fences(text), Some(&stop)).map(|found| found.value);
            assert_eq!(found.as_deref(), want, "{kind:?} {text:?}");
        }
    }
}
