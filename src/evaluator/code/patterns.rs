//! Blocks found by a rule's own patterns, as other tools find them.

use super::super::LazyRegex;

use super::fences::Fence;
use super::lines::Lines;
use super::rule::Pick;

/// A compiled pattern for blocks.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) regex: LazyRegex,
    pub(super) pick: Option<Pick>,
    pub(super) whole_match: bool,
}

/// The blocks of the first pattern that finds one, and how it picks among them.
pub(super) fn blocks(text: &str, patterns: &[Pattern]) -> (Vec<Fence>, Option<Pick>) {
    let lines = Lines::of(text);
    for pattern in patterns {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(groups) = pattern.regex.captures_at(text, at) {
            let whole = groups.get(0).expect("group 0 is the match");
            let code = groups.name("code").unwrap_or(whole);
            let start_line = lines.number(code.start());
            let count = code.as_str().split('\n').count();
            let end = if pattern.whole_match {
                whole.end()
            } else {
                code.end()
            };
            found.push(Fence {
                tag: groups
                    .name("tag")
                    .map_or("", |tag| tag.as_str().trim())
                    .to_owned(),
                code: code.as_str().to_owned(),
                start_line,
                end_line: start_line + count - 1,
                at: whole.start(),
                end: whole.end(),
                is_closed: true,
            });
            // An empty match must not be found for ever.
            at = if end > at { end } else { end + 1 };
            while at < text.len() && !text.is_char_boundary(at) {
                at += 1;
            }
            if at > text.len() {
                break;
            }
        }
        if !found.is_empty() {
            return (found, pattern.pick);
        }
    }
    (Vec::new(), None)
}
