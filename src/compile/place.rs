//! Where a byte of a scalar's text stands in its YAML source.
//!
//! A template's or pattern's mistake is known by an offset into the text; between the text and
//! the file lie quotes, escapes and the indentation of blocks.

use std::ops::Range;

use crate::source::{Sources, Span};

/// The place of a range of a scalar's text; the whole scalar's where that cannot be told.
pub(super) fn within(sources: &Sources, scalar: Span, text: &str, at: Range<usize>) -> Span {
    let Some(wanted) = text.get(at.clone()) else {
        return scalar;
    };
    let written = sources.text(scalar);
    // As written, perhaps after a quote: `"{{ nmae }}"`.
    for skip in [0, 1] {
        if written
            .get(skip..)
            .is_some_and(|rest| rest.starts_with(text))
        {
            return scalar.part(skip + at.start..skip + at.end);
        }
    }
    // A block: the same lines, each indented.
    let line = text[..at.start].matches('\n').count();
    let column = at.start
        - text[..at.start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
    let source = &sources.get(scalar.source).text;
    let mut offset = scalar.start as usize;
    for _ in 0..line {
        let Some(newline) = source[offset..].find('\n') else {
            return scalar;
        };
        offset += newline + 1;
    }
    let indent = if line == 0 {
        0
    } else {
        source[offset..]
            .bytes()
            .take_while(|byte| *byte == b' ')
            .count()
    };
    let text_indent = text.lines().nth(line).map_or(0, |line| {
        line.bytes().take_while(|byte| *byte == b' ').count()
    });
    let start = offset + indent.saturating_sub(text_indent) + column;
    let first_line = wanted.split('\n').next().unwrap_or("");
    if source
        .get(start..)
        .is_some_and(|rest| rest.starts_with(first_line))
    {
        let to = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        return Span {
            source: scalar.source,
            start: to(start),
            end: to(start + first_line.len()),
        };
    }
    // Escapes or folding: the first place where the same words stand.
    match written.find(first_line).filter(|_| !first_line.is_empty()) {
        Some(found) => scalar.part(found..found + first_line.len()),
        None => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::within;
    use crate::source::{SourceId, Sources};
    use crate::syntax::node;

    #[test]
    fn a_word_is_found_in_every_style() {
        let table = [
            "a: {{ x }} nmae".replace("{{ x }}", "b"),
            "a: \"b nmae\"".to_owned(),
            "a: 'it''s nmae'".to_owned(),
            "a: |\n  first\n    second nmae here\n".to_owned(),
            "a: >-\n  first\n  second nmae here\n".to_owned(),
            "a: |-\n    nmae\n".to_owned(),
        ];
        for yaml in table {
            let mut sources = Sources::default();
            let source = sources.add("t.yaml", std::path::Path::new("."), yaml.as_str());
            let tree = node::parse(SourceId(source.0), &yaml).unwrap();
            let scalar = tree.get("a").unwrap();
            let node::Kind::Scalar { text, .. } = &scalar.kind else {
                panic!("a scalar")
            };
            let at = text.find("nmae").unwrap();
            let span = within(&sources, scalar.span, text, at..at + 4);
            assert_eq!(span.start as usize, yaml.find("nmae").unwrap(), "{yaml}");
            assert_eq!(sources.text(span), "nmae");
        }
    }
}
