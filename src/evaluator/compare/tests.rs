//! Tables: the comparison corpus, the examples of the standard rules, odd shapes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Comparator, ComparatorRule, Expected, Params};

#[derive(Deserialize)]
struct Pack {
    comparators: BTreeMap<String, ComparatorRule>,
}

fn standard() -> BTreeMap<String, ComparatorRule> {
    let text = include_str!("../../../rules/compare.yaml");
    serde_yaml::from_str::<Pack>(text).unwrap().comparators
}

fn comparator(name: &str) -> Comparator {
    standard()[name].compile(name).unwrap()
}

#[derive(Deserialize)]
struct Row {
    id: String,
    actual: String,
    expected: String,
    comparator: String,
    params: Params,
    verdict: bool,
    score: f64,
}

#[test]
fn the_corpus_agrees() {
    let rules = standard();
    let rows: Vec<Row> = include_str!("../../../tests/data/comparison.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() > 100);
    let mut wrong = Vec::new();
    for row in rows {
        let comparator = rules[&row.comparator]
            .compile(&row.comparator)
            .unwrap()
            .with(&row.params)
            .unwrap();
        let compared = comparator.compare(&row.actual, &row.expected).unwrap();
        if compared.matched != row.verdict || (compared.score - row.score).abs() > 1e-3 {
            wrong.push(format!(
                "{} ({}): {} {}",
                row.id, row.comparator, compared.score, compared.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_examples_of_the_rules_hold() {
    for (name, rule) in standard() {
        let comparator = rule.compile(&name).unwrap();
        assert!(rule.examples.len() >= 2, "{name} has too few examples");
        for example in &rule.examples {
            example
                .check(&comparator)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn odd_shapes() {
    let table: &[(&str, &str, &str, bool)] = &[
        ("literal", "(1,)", "[1]", true),
        ("literal", "[ 1, 2, [ 'a' ] ]", "[1, 2, ['a']]", true),
        ("literal", "{ a: 1, b: 'x' }", "{'a': 1, 'b': 'x'}", true),
        ("literal", "Map(1) { 'a' => 1 }", "{'a': 1}", true),
        ("literal", "Set(2) { 2, 1 }", "{1, 2}", true),
        ("literal", "undefined", "None", true),
        ("literal", "frozenset({1, 2})", "{2, 1}", true),
        ("literal", "[1, 2", "[1, 2", true),
        ("literal", "[1, 2", "[1, 2]", false),
        ("literal", "'it\\'s'", "\"it's\"", true),
        ("literal", "'\\u00e9'", "'é'", true),
        ("literal", "10n", "10", true),
        ("literal", "[1, 1, 2]", "[1, 2]", false),
        ("literal", "{1: 'a', 2: 'b'}", "{2: 'b', 1: 'a'}", true),
        ("literal", "hello", "hello", true),
        ("literal", "{'a': nan}", "{'a': NaN}", true),
        ("numeric", "1e400", "inf", true),
        ("numeric", "-0", "0", true),
        ("numeric", "0015", "15", true),
        ("numeric", "1 2", "1 2 3", false),
        (
            "numeric",
            "100000000000000000000.0",
            "100000000000000000000",
            true,
        ),
        ("numeric", "infinite", "inf", false),
        ("json", "1e2", "100", true),
        (
            "json",
            "12345678901234567890123",
            "12345678901234567890124",
            false,
        ),
        ("json", "[1,2]", "[2,1]", false),
        ("unordered", "(b, a)", "[a, b]", true),
        ("unordered", "a b c", "c a b", true),
        ("unordered", "[[1, 2], [3]]", "[[3], [1, 2]]", true),
        ("unordered", "['a, b', 'c']", "['c', 'a, b']", true),
        ("regex", "a)(b", "a.*b", true),
        ("contains_word", "a_15", "15", false),
        ("contains_word", "x=15;", "15", true),
        ("contains_word", "150 15", "15", true),
        ("terminal", "abc\u{8}d", "abd", true),
        ("strip_ansi", "\u{1b}]0;title\u{7}ok", "ok", true),
        ("lines", "a\r\nb\r\n", "a\nb", true),
        ("lines", "\na", "a", false),
        ("trimmed", "\u{feff}a", "a", true),
        ("case_insensitive", "ΣΑΣ", "σας", true),
    ];
    for (name, actual, expected, wanted) in table {
        let compared = comparator(name).compare(actual, expected).unwrap();
        assert_eq!(
            compared.matched, *wanted,
            "{name}: {actual:?} against {expected:?}: {}",
            compared.reason
        );
    }
}

#[test]
fn one_of_takes_a_list() {
    let one_of = comparator("one_of")
        .prepare(&Expected::List(vec!["yes".to_owned(), "y".to_owned()]))
        .unwrap();
    assert!(one_of.compare("y\n").matched);
    assert!(!one_of.compare("no").matched);
}

#[test]
fn a_bad_pattern_has_its_place() {
    let errors = comparator("regex")
        .prepare(&Expected::Text("ab(c".to_owned()))
        .unwrap_err();
    assert_eq!(errors[0].at, Some(2..3));
    assert!(
        comparator("regex")
            .prepare(&Expected::Text("a)(b".to_owned()))
            .is_err()
    );
}

#[test]
fn a_parameter_that_is_not_taken_is_refused() {
    let params = Params {
        abs: Some(0.1),
        ..Params::default()
    };
    let errors = comparator("lines").with(&params).unwrap_err();
    assert_eq!(
        errors[0].message,
        "the comparator `lines` has no parameter `abs`"
    );
    assert!(
        comparator("numeric")
            .with(&Params {
                rel: Some(-1.0),
                ..Params::default()
            })
            .is_err()
    );
}

#[test]
fn a_reason_names_the_line() {
    let compared = comparator("lines").compare("1\n2\n4\n", "1\n2\n3").unwrap();
    assert_eq!(compared.reason, "line 3: expected `3`, got `4`");
}

#[test]
fn a_megabyte_of_brackets_is_no_trouble() {
    let deep = "[".repeat(1_000_000);
    for name in standard()
        .keys()
        .filter(|name| !matches!(name.as_str(), "regex" | "search"))
    {
        assert!(comparator(name).compare(&deep, &deep).is_ok(), "{name}");
        assert!(
            !comparator(name).compare(&deep, "15").unwrap().matched,
            "{name}"
        );
    }
}
