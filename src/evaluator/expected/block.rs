//! The lines after a label that hold its value: a fenced block, an indented one, or plain lines.
//! Leaves to the rule which of them may follow, and what a line that ends them looks like.

use regex::Regex;

use super::Candidate;
use super::rule::Block;

struct Line<'t> {
    start: usize,
    text: &'t str,
}

/// Where each line starts that closes a fence, in order; such a line opens none.
pub(super) fn closing_fences(text: &str) -> Vec<usize> {
    let mut open = None;
    let mut closing = Vec::new();
    for line in lines_from(text, 0) {
        match open {
            None => open = fence(line.text),
            Some(mark) if closes(line.text, mark) => {
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
    stop: Option<&Regex>,
) -> Option<Candidate> {
    let line_start = text[..label].rfind('\n').map_or(0, |at| at + 1);
    let margin = indentation(&text[line_start..]);
    let mut lines = lines_from(text, text[label..].find('\n')? + label + 1).peekable();
    let mut blanks = 0;
    while lines.next_if(|line| line.text.trim().is_empty()).is_some() {
        blanks += 1;
        if blanks > 2 {
            return None;
        }
    }
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

fn lines_from(text: &str, start: usize) -> impl Iterator<Item = Line<'_>> {
    text[start..].split_inclusive('\n').scan(start, |at, line| {
        let start = *at;
        *at += line.len();
        Some(Line {
            start,
            text: line.trim_end_matches(['\n', '\r']),
        })
    })
}

fn fenced<'t>(mut lines: impl Iterator<Item = Line<'t>>, closing: &[usize]) -> Option<Candidate> {
    let open = lines
        .next()
        .filter(|line| closing.binary_search(&line.start).is_err())?;
    let fence = fence(open.text)?;
    let margin = indentation(open.text);
    let content: Vec<Line<'_>> = lines.take_while(|line| !closes(line.text, fence)).collect();
    Some(join(&content, margin, open.start + open.text.len()))
}

fn plain<'t>(
    lines: impl Iterator<Item = Line<'t>>,
    margin: usize,
    stop: Option<&Regex>,
) -> Option<Candidate> {
    let ends = |line: &str| {
        line.trim().is_empty()
            || fence(line).is_some()
            || stop.is_some_and(|stop| stop.is_match(line))
    };
    let content: Vec<Line<'_>> = lines.take_while(|line| !ends(line.text)).collect();
    let least = content.iter().map(|line| indentation(line.text)).min()?;
    // Less than four columns may be a drawing's own blanks; more is an indented block.
    let margin = if least >= margin + 4 { least } else { margin };
    let start = content[0].start;
    Some(join(&content, margin, start))
}

fn join(lines: &[Line<'_>], margin: usize, start: usize) -> Candidate {
    let dedented: Vec<&str> = lines.iter().map(|line| dedent(line.text, margin)).collect();
    let first = lines.first().map_or(start, |line| line.start);
    let end = lines
        .last()
        .map_or(start, |line| line.start + line.text.len());
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
    fn a_block_ends_where_its_kind_ends() {
        let stop = Regex::new("^Input").expect("valid");
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
