//! Sections of a reply that are no part of the answer, such as `<think>…</think>`.

use std::ops::Range;

/// The byte ranges of the sections with these tags, in order. A section that is not closed ends
/// with the reply; a closing tag without an opening one closes what began with the reply.
pub(super) fn removed(reply: &str, tags: &[String]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for tag in tags {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let mut from = 0;
        if let Some(first_close) = reply.find(&close)
            && !reply[..first_close].contains(&open)
        {
            from = first_close + close.len();
            ranges.push(0..from);
        }
        while let Some(start) = reply[from..].find(&open).map(|at| from + at) {
            // A tag inside a line of code or prose is text: a section begins a line.
            let line_start = reply[..start].rfind('\n').map_or(0, |at| at + 1);
            if !reply[line_start..start].trim().is_empty() {
                from = start + open.len();
                continue;
            }
            let end = reply[start..]
                .find(&close)
                .map_or(reply.len(), |at| start + at + close.len());
            ranges.push(start..end);
            from = end;
        }
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}
