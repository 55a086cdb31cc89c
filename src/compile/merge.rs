//! Inheritance: layers of case keys merged as trees, so that every value keeps its place.
//!
//! defaults < `use`, left to right < suite < case. `vars`, `limits`, `files` and `score` merge by
//! key, everything else replaces, `~` removes, and alternatives displace each other.

use crate::syntax::{Key, Kind, Node};

const MERGED_BY_KEY: &[&str] = &["vars", "limits", "files", "score"];

/// Keys of which a later layer's displaces an earlier layer's other.
const ALTERNATIVES: &[&[&str]] = &[
    &["prompt", "messages"],
    &["reply", "model"],
    &["at_least", "at_most"],
];

/// Lays `over` on `base`.
pub(super) fn merge(base: &Node, over: &Node) -> Node {
    merge_maps(base, over, MERGED_BY_KEY)
}

fn merge_maps(base: &Node, over: &Node, by_key: &[&str]) -> Node {
    let (Kind::Map(base_entries), Kind::Map(over_entries)) = (&base.kind, &over.kind) else {
        return over.clone();
    };
    // Only what an earlier layer says is displaced: two alternatives in one layer are a mistake,
    // and both must be there to be told.
    let displaced = |earlier: &Key| {
        over_entries
            .iter()
            .any(|(key, _)| displaces(&key.text, &earlier.text))
    };
    let mut merged: Vec<(Key, Node)> = base_entries
        .iter()
        .filter(|(key, _)| !displaced(key))
        .cloned()
        .collect();
    for (key, value) in over_entries {
        let at = merged
            .iter()
            .position(|(earlier, _)| earlier.text == key.text);
        if value.is_nothing() {
            merged.retain(|(earlier, _)| earlier.text != key.text);
            continue;
        }
        match at {
            Some(at) if by_key.contains(&key.text.as_str()) => {
                merged[at] = (key.clone(), merge_maps(&merged[at].1, value, &[]));
            }
            Some(at) => merged[at] = (key.clone(), value.clone()),
            None if by_key.contains(&key.text.as_str()) => {
                merged.push((key.clone(), crate::syntax::without_removals(value)));
            }
            None => merged.push((key.clone(), value.clone())),
        }
    }
    Node {
        kind: Kind::Map(merged),
        span: over.span,
    }
}

fn displaces(later: &str, earlier: &str) -> bool {
    later != earlier
        && ALTERNATIVES
            .iter()
            .any(|group| group.contains(&later) && group.contains(&earlier))
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::source::SourceId;
    use crate::syntax::{Kind, Node, node};

    fn tree(text: &str) -> Node {
        node::parse(SourceId(0), text).unwrap()
    }

    fn show(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar { text, .. } => text.clone(),
            Kind::List(items) => format!(
                "[{}]",
                items.iter().map(show).collect::<Vec<_>>().join(", ")
            ),
            Kind::Map(entries) => {
                format!(
                    "{{{}}}",
                    entries
                        .iter()
                        .map(|(key, value)| format!("{}: {}", key.text, show(value)))
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            }
        }
    }

    #[test]
    fn layers_merge_as_the_language_says() {
        let table = [
            ("timeout: 5", "timeout: 6", "{timeout: 6}"),
            (
                "vars: {a: 1, b: 2}",
                "vars: {b: 3, c: 4}",
                "{vars: {a: 1, b: 3, c: 4}}",
            ),
            ("vars: {a: 1, b: 2}", "vars: {a: ~}", "{vars: {b: 2}}"),
            ("vars: {a: 1}", "vars: ~\ntimeout: 1", "{timeout: 1}"),
            (
                "expect: {output: 1}",
                "expect: {runs: true}",
                "{expect: {runs: true}}",
            ),
            ("prompt: a", "messages: [b]", "{messages: [b]}"),
            (
                "score: {at_least: 0.5, weights: {a: 1}}",
                "score: {at_most: 0}",
                "{score: {weights: {a: 1}, at_most: 0}}",
            ),
            ("expect: 5", "expect: null", "{expect: null}"),
            (
                "limits: {memory: 1GB}",
                "limits: {cpu: 1}",
                "{limits: {memory: 1GB, cpu: 1}}",
            ),
        ];
        for (base, over, merged) in table {
            assert_eq!(
                show(&merge(&tree(base), &tree(over))),
                merged,
                "{base} < {over}"
            );
        }
    }
}
