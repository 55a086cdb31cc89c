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

fn agree(rows: &str, at_least: usize) {
    let rules = standard();
    let rows: Vec<Row> = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() >= at_least);
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
fn the_corpus_agrees() {
    agree(include_str!("../../../tests/data/comparison.jsonl"), 105);
}

#[test]
fn the_odd_corpus_agrees() {
    agree(
        include_str!("../../../tests/data/comparison-odd.jsonl"),
        501,
    );
}

#[test]
fn the_numbers_of_reward_kit_are_reproduced() {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        args: Arguments,
        result: Outcome,
    }
    #[derive(Deserialize)]
    struct Arguments {
        actual: String,
        expected: String,
    }
    #[derive(Deserialize)]
    struct Outcome {
        score: f64,
    }
    let rows = include_str!("../../../tests/data/reward-kit/compare_outputs.jsonl");
    let comparator = comparator("reward-kit");
    for line in rows.lines() {
        let row: Row = serde_json::from_str(line).unwrap();
        let (actual, expected) = (&row.args.actual, &row.args.expected);
        let compared = comparator.compare(actual, expected).unwrap();
        let told = format!("{}: {} {}", row.id, compared.score, compared.reason);
        assert!((compared.score - row.result.score).abs() < 1e-9, "{told}");
        assert_eq!(compared.matched, row.result.score >= 1.0, "{told}");
    }
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
        ("literal", "007", "7", false),
        ("literal", "(1+2j)", "(1.0+2.0j)", true),
        ("literal", "1+2j", "(1+2j)", true),
        ("literal", "(1+0j)", "1", true),
        ("literal", "(-0-1e-3j)", "(-0-0.001j)", true),
        (
            "literal",
            "{(1, 2): 'a', (3,): 'b'}",
            "{(3,): 'b', (1, 2): 'a'}",
            true,
        ),
        ("literal", "{0.30000000000000004, 'a'}", "{'a', 0.3}", true),
        ("literal", "{0.30000000000000004, 0.1}", "{0.1, 0.3}", true),
        ("literal", "{0.30000000000000004: 1}", "{0.3: 1}", true),
        ("literal", "{(0.30000000000000004, 1)}", "{(0.3, 1)}", true),
        ("literal", "{(0.4, 1)}", "{(0.3, 1)}", false),
        (
            "literal",
            "{frozenset({1, 2}), frozenset({3})}",
            "{frozenset({3}), frozenset({2, 1})}",
            true,
        ),
        ("literal", "set([1, 2])", "{2, 1}", true),
        ("literal", "Decimal('1.5')", "Decimal(\"1.5\")", true),
        ("literal", "Decimal('1.5')", "Decimal('1.50')", false),
        ("literal", "Point(x=1, y=2)", "Point(x=1.0, y=2)", true),
        ("literal", "deque([1, 2])", "[1, 2]", false),
        ("literal", "Point { x: 1 }", "Point {x: 1}", true),
        ("literal", "Point { x: 1 }", "{ x: 1 }", false),
        (
            "literal",
            "Uint8Array(2) [ 1, 2 ]",
            "Uint8Array(2) [1, 2]",
            true,
        ),
        (
            "literal",
            "Map(2) { 'b' => [ 1 ], 'a' => Map(0) {} }",
            "Map(2) { 'a' => Map(0) {}, 'b' => [1] }",
            true,
        ),
        ("literal", "Set(0) {}", "set()", true),
        ("literal", "{'a': 1, 'a': 2}", "{'a': 1}", false),
        ("literal", "'\\ud83d\\ude00'", "'😀'", true),
        ("literal", "b'\\xe9'", "b'\\351'", true),
        (
            "literal",
            "{1: 'a', 2: 'b', 3: 'c'}",
            "{3: 'c', 2: 'b', 1.0: 'a'}",
            true,
        ),
        ("literal", "{1: 'a', 2: 'b'}", "{2: 'b', 1: 'b'}", false),
        ("literal", "{'a': 1, 'b': 2}", "{'b': 2, 'c': 1}", false),
        ("literal", "'\\d'", "'\\\\d'", true),
        ("literal", "[1, 2], [3]", "[1,2],[3]", false),
        ("literal", "[...]", "[ ... ]", true),
        ("literal", "{1: 2, 3}", "{1:2, 3}", false),
        ("literal", "{'a': nan}", "{'a': NaN}", true),
        ("numeric", "1e400", "inf", false),
        ("numeric", "1e400", "10e399", true),
        ("numeric", "1e999999999999", "1", false),
        ("numeric", "1e-999999999999", "0", true),
        ("numeric", "1e99999999999999999999", "1", false),
        ("numeric", "00.50", "5e-1", true),
        ("numeric", "-nan", "nan", true),
        ("numeric", ".", "0", false),
        ("numeric", "1\u{a0}2", "1 2", true),
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
        ("json", "9007199254740993.0", "9007199254740992", false),
        ("json", "0.10000000000000001", "0.1", true),
        ("json", "1e400", "1e401", false),
        ("json", r#"{"a":1,"a":2}"#, r#"{"a":2}"#, true),
        ("json", r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#, false),
        (
            "json",
            r#"{"a":[{"b":1,"c":2}]}"#,
            r#"{"a":[{"c":2,"b":1}]}"#,
            true,
        ),
        ("json", r#""\ud800""#, r#""\ud801""#, false),
        ("json", "{\"a\":1,}", "{\"a\":1}", false),
        ("json", "nullx", "null", false),
        ("unordered", "(b, a)", "[a, b]", true),
        ("unordered", "a b c", "c a b", true),
        ("unordered", "['b', 'a']", r#"["a", "b"]"#, true),
        ("unordered", "[it's, that's]", "[that's, it's]", true),
        ("unordered", "  a\nb", "b\n  a", true),
        ("unordered", "a\n\nb", "b\na", false),
        ("unordered", "[2, 1.0]", "[1, 2]", true),
        ("unordered", "['1', 1]", "[1, '1']", true),
        ("unordered", "[[1, 2], [3]]", "[[3], [1, 2]]", true),
        ("unordered", "['a, b', 'c']", "['c', 'a, b']", true),
        ("regex", "a)(b", "a.*b", true),
        ("contains_word", "a_15", "15", false),
        ("contains_word", "x=15;", "15", true),
        ("contains_word", "150 15", "15", true),
        ("terminal", "abc\u{8}d", "abd", true),
        ("terminal", "日本\rX", "X 本", true),
        ("terminal", "日本\u{8}X", "日 X", true),
        ("terminal", "日本\r語", "語本", true),
        ("terminal", "e\u{301}a\rx", "xa", true),
        ("terminal", "ab\re\u{301}", "e\u{301}b", true),
        ("terminal", "a\tb\rc", "c\tb", true),
        ("terminal", "abc\r\u{1b}[KX", "X", true),
        ("terminal", "abc\u{1b}[2K\rX", "X", true),
        ("terminal", "abcd\u{1b}[2D\u{1b}[K", "ab", true),
        ("terminal", "abcd\u{1b}[1K\rX", "X", true),
        ("terminal", "abcd\u{1b}[3DX", "aXcd", true),
        ("terminal", "abcd\u{1b}[1GX\u{1b}[2CY", "XbcY", true),
        ("terminal", "a\nb\u{1b}[1A\rX\n", "X\nb", true),
        ("terminal", "a\nb\u{1b}[2J\u{1b}[Hc", "c", true),
        ("terminal", "a\nb\u{1b}[1F\u{1b}[Jc", "c", true),
        ("terminal", "\u{1b}[31m10%\u{1b}[0m\r20%", "20%", true),
        ("terminal", "\u{9b}31mOK\u{7}", "OK", true),
        ("strip_ansi", "\u{9b}1;31mOK\u{9b}m", "OK", true),
        ("strip_ansi", "\u{1b}]0;title\u{9c}ok", "ok", true),
        ("strip_ansi", "\u{9d}0;title\u{7}ok", "ok", true),
        ("strip_ansi", "\u{1b}Pq#0\u{1b}\\ok", "ok", true),
        ("strip_ansi", "ok\u{1b}[3", "ok", true),
        ("strip_ansi", "ok\u{1b}", "ok", true),
        ("strip_ansi", "\u{1b}[3é", "é", true),
        ("strip_ansi", "\u{1b}]0;never ended\nok", "ok", true),
        ("strip_ansi", "\u{1b}éok", "éok", true),
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
fn a_type_counts_where_types_are_strict() {
    let params = Params {
        strict_types: Some(true),
        ..Params::default()
    };
    let table: &[(&str, &str, bool)] = &[
        ("{1, 2}", "{2, 1}", true),
        ("{1, 2}", "frozenset({1, 2})", false),
        ("set([1])", "{1}", true),
        ("1.0", "1", false),
        ("{1.0}", "{1}", false),
        ("{1.0: 2}", "{1: 2}", false),
        ("1", "1", true),
        ("[1e3]", "[1000.0]", true),
        ("(1, [2])", "(1, (2,))", false),
        ("undefined", "null", false),
        ("None", "null", true),
        ("(1+0j)", "1", false),
        (
            "340282366920938463463374607431768211456",
            "340282366920938463463374607431768211456",
            true,
        ),
        (
            "[340282366920938463463374607431768211456]",
            "[340282366920938463463374607431768211457]",
            false,
        ),
    ];
    let comparator = comparator("literal").with(&params).unwrap();
    for (actual, expected, wanted) in table {
        let compared = comparator.compare(actual, expected).unwrap();
        assert_eq!(
            compared.matched, *wanted,
            "{actual} {expected}: {}",
            compared.reason
        );
    }
}

#[test]
fn a_tolerance_is_held_exactly() {
    type Tolerated = (&'static str, &'static str, Option<f64>, Option<f64>, bool);
    // The relative tolerance stands before the absolute one.
    let table: &[Tolerated] = &[
        ("1.1", "1.0", None, Some(0.1), true),
        ("1.10000000000000000001", "1.0", None, Some(0.1), false),
        ("0.3", "0.1", None, Some(0.2), true),
        (
            "9007199254740993",
            "9007199254740992",
            None,
            Some(0.5),
            false,
        ),
        (
            "9007199254740993",
            "9007199254740992",
            None,
            Some(1.0),
            true,
        ),
        (
            "100000000000000000000000000000000000000001",
            "100000000000000000000000000000000000000003",
            None,
            Some(2.0),
            true,
        ),
        (
            "100000000000000000000000000000000000000000",
            "100000000000000000000000000000000000000003",
            None,
            Some(2.0),
            false,
        ),
        ("-5", "5", None, Some(10.0), true),
        ("-5", "5", None, Some(9.0), false),
        ("99", "100", Some(0.01), None, true),
        ("98.99999999999999999999", "100", Some(0.01), None, false),
        ("1e999999999", "1", Some(0.5), None, false),
        ("1e999999999", "1", Some(1.0), None, true),
        ("-1e999999999", "1", Some(1.0), None, false),
        ("1e999999999", "1e999999999", Some(0.0), Some(0.0), true),
        ("15.000", "15", Some(0.0), Some(0.0), true),
        ("inf", "1e999999999", Some(1.0), Some(1e300), false),
    ];
    for (actual, expected, rel, abs, wanted) in table {
        let params = Params {
            rel: *rel,
            abs: *abs,
            ..Params::default()
        };
        let comparator = comparator("numeric").with(&params).unwrap();
        let compared = comparator.compare(actual, expected).unwrap();
        assert_eq!(
            compared.matched, *wanted,
            "{actual} {expected}: {}",
            compared.reason
        );
    }
    let huge = format!("1{}", "0".repeat(400));
    assert!(!comparator("numeric").compare("inf", &huge).unwrap().matched);
    assert!(
        comparator("numeric")
            .compare("1e400", &huge)
            .unwrap()
            .matched
    );
}

#[test]
fn a_reason_names_the_first_difference() {
    let wide = "x".repeat(500);
    let table: &[(&str, &str, &str, &str)] = &[
        (
            "lines",
            "1\n2\n4\n",
            "1\n2\n3",
            "line 3, column 1: expected `3`, got `4`",
        ),
        (
            "lines",
            "1",
            "1\n2",
            "the output ends before line 2: expected `2`",
        ),
        ("lines", "1\n2", "1", "line 2 is one too many: `2`"),
        ("lines", "", "a", "the output is empty: expected `a`"),
        (
            "lines",
            "a\n\nb",
            "a\nb",
            "line 2, column 1: expected `b`, got an empty line",
        ),
        (
            "lines",
            " a b",
            "a b",
            "line 1, column 1: expected `a·b`, got `·a·b`",
        ),
        (
            "exact",
            "15\n",
            "15",
            "line 1, column 3: expected `15`, got `15␊`",
        ),
        (
            "exact",
            "a\tb c",
            "a b c",
            "line 1, column 2: expected `a·b·c`, got `a→b·c`",
        ),
        (
            "exact",
            "a\r\n",
            "a\n",
            "line 1, column 2: expected `a`, got `a␍`",
        ),
        (
            "exact",
            "e\u{301}",
            "é",
            "line 1, column 1: expected `é`, got `e\u{301}` (U+00E9, got U+0065)",
        ),
        (
            "exact",
            "a\u{1b}[0m",
            "a",
            "line 1, column 2: expected `a`, got `a␛[0m`",
        ),
        (
            "numeric",
            "1\n2.5 4",
            "1\n2.5 3",
            "line 2, column 5: value 3: expected `3`, got `4` (off by 1; integers are exact)",
        ),
        (
            "numeric",
            "1.5",
            "1.25",
            "line 1, column 1: value 1: expected `1.25`, got `1.5` (off by 0.25; abs 1e-9 and rel 1e-9 are allowed)",
        ),
        (
            "numeric",
            "x",
            "1",
            "line 1, column 1: value 1: expected `1`, got `x` (the output has no number there)",
        ),
        (
            "numeric",
            "1",
            "1 2",
            "the output ends after 1 values: expected `2` as value 2",
        ),
        (
            "numeric",
            "1 2",
            "1",
            "line 1, column 3: value 2 is one too many: `2`; expected 1 in all",
        ),
        (
            "literal",
            "[1, 2, {'name': 3}]",
            "[1, 2, {'name': 4}]",
            "at `[2].name`: expected `4`, got `3` (off by 1; integers are exact)",
        ),
        (
            "literal",
            "[1, [2]]",
            "[1, [2, 3]]",
            "at `[1]`: expected 2 items, got 1: `3` is missing",
        ),
        (
            "literal",
            "[1, 9, 3]",
            "[1, 2]",
            "at `[1]`: expected `2`, got `9` (off by 7; integers are exact)",
        ),
        (
            "literal",
            "[True]",
            "[1]",
            "at `[0]`: expected `1` (a number), got `True` (a boolean)",
        ),
        (
            "literal",
            "{1, 2}",
            "{1, 3}",
            "`3` is missing, `2` is one too many",
        ),
        (
            "literal",
            "{'a': 1}",
            "{'b': 1}",
            "the key `'b'` is missing",
        ),
        (
            "literal",
            "hello",
            "[1]",
            "line 1, column 1: expected `[1]`, got `hello` (compared as text, since the output is no literal from line 1, column 1 on)",
        ),
        (
            "json",
            r#"{"a": [1, "x"]}"#,
            r#"{"a": [1, "y"]}"#,
            r#"at `.a[1]`: expected `"y"`, got `"x"`"#,
        ),
        (
            "json",
            "[1,]",
            "[1]",
            "the output is not JSON: expected a value at line 1, column 4: `]`",
        ),
        (
            "json",
            "[1",
            "[1]",
            "the output is not JSON: expected `,` or `]`, and it ends",
        ),
        (
            "json",
            "1",
            r#"{"a":1,"a":1}"#,
            r#"expected `{"a":1,"a":1}` (a map), got `1` (a number)"#,
        ),
        (
            "json",
            r#"{"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"the key `"a"` is expected twice"#,
        ),
        (
            "unordered",
            "[1, 2, 2]",
            "[2, 1, 3]",
            "in any order, `3` is missing, `2` is too many (expected 3 items, got 3)",
        ),
        (
            "unordered",
            "b",
            "a\nb\nc",
            "in any order, `a` and one more are missing (expected 3 lines, got 1)",
        ),
        (
            "regex",
            "xx15",
            r"\d+",
            r"the output does not match `\d+`: `15` at line 1, column 3 does, the whole does not: `xx15`",
        ),
        (
            "regex",
            "xx",
            r"\d+",
            r"the output does not match `\d+`, nor does any part of it: `xx`",
        ),
        (
            "search",
            "xx",
            r"\d+",
            r"the output does not match `\d+`, nor does any part of it: `xx`",
        ),
        (
            "contains",
            "the answer",
            "Answer",
            "`Answer` stands nowhere in the output `the answer`; it does in other upper and lower case",
        ),
        (
            "contains",
            "",
            "Answer",
            "`Answer` stands nowhere in the output, which is empty",
        ),
        (
            "contains_word",
            "is 150",
            "15",
            "`15` stands in the output only inside longer words, first at line 1, column 4: `is 150`",
        ),
        (
            "contains_word",
            "is",
            "15",
            "`15` stands nowhere in the output `is`",
        ),
        (
            "lines_partial",
            "a\nx",
            "a\nb",
            "1 of 2 lines matches; line 2, column 1: expected `b`, got `x`",
        ),
        (
            "one_of",
            "yex",
            "yes",
            "expected one of `yes`; of the closest, line 1, column 3: expected `yes`, got `yex`",
        ),
        (
            "reward-kit",
            "14",
            "15",
            "similarity 0.7000 by the distance of two numbers; line 1, column 2: expected `15`, got `14`",
        ),
    ];
    for (name, actual, expected, wanted) in table {
        let compared = comparator(name).compare(actual, expected).unwrap();
        assert_eq!(compared.reason, *wanted, "{name}");
        assert!(!compared.matched);
    }
    let (actual, expected) = (format!("{wide}a{wide}"), format!("{wide}b{wide}"));
    let compared = comparator("lines").compare(&actual, &expected).unwrap();
    let shown = |letter| format!("`…{}{letter}{}…`", "x".repeat(40), "x".repeat(79));
    let (expected, actual) = (shown('b'), shown('a'));
    assert_eq!(
        compared.reason,
        format!("line 1, column 501: expected {expected}, got {actual}")
    );
}

#[test]
fn a_long_number_is_shown_where_it_differs() {
    let digits = "7".repeat(10_000);
    let (actual, expected) = (format!("{digits}1{digits}"), format!("{digits}2{digits}"));
    for name in ["numeric", "literal"] {
        let compared = comparator(name).compare(&actual, &expected).unwrap();
        let told = &compared.reason;
        assert!(
            told.contains("off by 1e10000; integers are exact"),
            "{told}"
        );
        assert!(told.len() < 400 && told.contains("71777"), "{told}");
    }
}

#[test]
fn a_cap_that_decides_is_told() {
    let letters = |seed: u32| -> String {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + u8::try_from((state >> 24) % 26).unwrap())
        };
        (0..200_000).map(next).collect()
    };
    let (left, right) = (letters(1), letters(2));
    let (actual, expected) = (format!("ab{left}c"), format!("ab{right}c"));
    let compared = comparator("reward-kit")
        .compare(&actual, &expected)
        .unwrap();
    assert!(
        compared.reason.contains("a lower bound"),
        "{}",
        compared.reason
    );
    assert!(compared.score > 0.0 && compared.score < 1e-4);

    let lines = |text: &str| -> String { text.chars().flat_map(|letter| [letter, '\n']).collect() };
    let params = Params {
        align: Some(super::Align::Lcs),
        ..Params::default()
    };
    let partial = comparator("lines_partial").with(&params).unwrap();
    let compared = partial.compare(&lines(&actual), &lines(&expected)).unwrap();
    assert!(
        compared.reason.contains("too many lines to align"),
        "{}",
        compared.reason
    );
}

#[test]
fn a_common_subsequence_is_as_long_as_by_the_table() {
    let mut state = 7_u32;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % bound
    };
    for _ in 0..300 {
        let letters = 1 + next(80);
        let mut sequence = || -> Vec<u32> {
            let length = next(200);
            (0..length).map(|_| next(letters)).collect()
        };
        let (left, right) = (sequence(), sequence());
        let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
        for i in 0..left.len() {
            for j in 0..right.len() {
                table[i + 1][j + 1] = if left[i] == right[j] {
                    table[i][j] + 1
                } else {
                    table[i][j + 1].max(table[i + 1][j])
                };
            }
        }
        assert_eq!(
            super::lcs::longest_common(&left, &right, &mut usize::MAX.clone()),
            super::lcs::Common::Exactly(table[left.len()][right.len()])
        );
    }
}

#[test]
fn a_word_is_found_among_many_that_are_touched() {
    let touched = "a".repeat(100_000);
    let compare = |actual: &str, expected: &str| {
        let compared = comparator("contains_word").compare(actual, expected);
        compared.unwrap().matched
    };
    let half = "a".repeat(50_000);
    assert!(!compare(&touched, &half));
    assert!(compare(&format!("{touched} {half}"), &half));
    assert!(compare(&format!("{}21-1-1", "21-1 ".repeat(100)), "1-1"));
}

#[test]
fn hostile_shapes_are_no_trouble() {
    let shapes = [
        "[",
        "(",
        "{",
        "[(",
        "{[",
        "\"",
        "\\",
        "\r",
        "\u{8}",
        "\u{1b}[",
        "\u{1b}]",
        "1 ",
        "a\n",
        "7",
        "\u{301}",
        "set(",
        "a(",
        "{1:",
        "-",
        "1j",
        "\u{1b}[A",
        "\u{1b}[2J\n",
        "x\u{1b}[999C",
        "\u{1b}[1K",
        "1e9 ",
    ];
    for name in standard()
        .keys()
        .filter(|name| !matches!(name.as_str(), "regex" | "search"))
    {
        for shape in shapes {
            let text = shape.repeat(30_000 / shape.len());
            let comparator = comparator(name);
            let equal = comparator.compare(&text, &text).unwrap();
            // What is no JSON is not equal to itself.
            assert!(
                equal.matched || name == "json",
                "{name} {shape}: {}",
                equal.reason
            );
            for other in [format!("{text}x"), format!("x{text}"), "15".to_owned()] {
                let compared = comparator.compare(&other, &text).unwrap();
                assert!(compared.reason.len() < 2000, "{name} {shape}");
            }
        }
    }
}

#[test]
fn the_order_of_many_does_not_count() {
    let listed = |open: &str,
                  close: &str,
                  order: &mut dyn Iterator<Item = u32>,
                  item: &dyn Fn(u32) -> String| {
        let items: Vec<String> = order.map(item).collect();
        format!("{open}{}{close}", items.join(", "))
    };
    type Item = dyn Fn(u32) -> String;
    let table: &[(&str, &str, &str, &Item, &Item)] = &[
        ("literal", "{", "}", &|n| n.to_string(), &|n| {
            format!("{n}.0")
        }),
        ("literal", "{", "}", &|n| format!("{n}.50000000001"), &|n| {
            format!("{n}.5")
        }),
        ("literal", "{", "}", &|n| format!("'{n}': {n}"), &|n| {
            format!("\"{n}\": {n}")
        }),
        ("literal", "{", "}", &|n| format!("({n}, 1): {n}"), &|n| {
            format!("({n}, 1): {n}")
        }),
        ("json", "{", "}", &|n| format!("\"{n}\": {n}"), &|n| {
            format!("\"{n}\":{n}.0")
        }),
        ("unordered", "[", "]", &|n| format!("'{n}'"), &|n| {
            format!("\"{n}\"")
        }),
    ];
    for (name, open, close, actual, expected) in table {
        let expected = listed(open, close, &mut (0..1000), expected);
        let compare = |order: &mut dyn Iterator<Item = u32>| {
            let actual = listed(open, close, order, actual);
            comparator(name).compare(&actual, &expected).unwrap()
        };
        let compared = compare(&mut (0..1000).rev());
        assert!(compared.matched, "{name}: {}", compared.reason);
        assert!(!compare(&mut (1..1000).rev()).matched);
        assert!(!compare(&mut (0..1001).rev()).matched);
        assert!(!compare(&mut (1..1001).rev()).matched);
    }
}

#[test]
fn depth_is_no_trouble() {
    let deep = |inner: &str, open: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(100_000), close.repeat(100_000))
    };
    for (name, open, close) in [
        ("json", "[", "]"),
        ("json", "{\"a\":", "}"),
        ("literal", "[", "]"),
        ("literal", "(", ")"),
        ("literal", "{'a':", "}"),
        ("literal", "{1: 2, 'a':", "}"),
        ("literal", "{", "}"),
        ("literal", "set([", "])"),
        ("unordered", "[", "]"),
        ("reward-kit", "[", "]"),
    ] {
        let comparator = comparator(name);
        let (one, other) = (deep("1", open, close), deep("2", open, close));
        let spaced = deep(" 1 ", open, close);
        assert!(
            !comparator.compare(&one, &other).unwrap().matched,
            "{name} {open}"
        );
        let compared = comparator.compare(&spaced, &one).unwrap();
        assert!(
            compared.matched || name == "reward-kit",
            "{name} {open}: {}",
            compared.reason
        );
    }
}

/// Scores that reward-kit's algorithm, as the reference text has it, gives in CPython 3.11.
#[test]
fn python_shows_and_reads_values_its_own_way() {
    let table: &[(&str, &str, f64)] = &[
        ("a\u{1c}b", "a b", 1.0),
        ("[1e16]", "[\"1e+16\"]", 1.0),
        ("[\"x\", 1e5]", "[\"x\", \"100000.0\"]", 1.0),
        ("[[1.50, true, null]]", "[\"[1.5, True, None]\"]", 1.0),
        ("[{\"a\": \"it's\"}]", "[\"{'a': \\\"it's\\\"}\"]", 1.0),
        ("[[\"a\\nb\"]]", "[\"['a\\\\nb']\"]", 1.0),
        ("1__0", "10", 2.0 / 4.0),
        ("\u{ff11}_\u{661}", "11", 1.0),
        ("+-5", "5", 1.0 / 3.0),
        ("[]", "[1]", 0.0),
        ("[NaN, 1]", "[\"nan\", 1]", 1.0),
        ("[[-Infinity, 1]]", "[\"[-inf, 1]\"]", 1.0),
    ];
    for (actual, expected, wanted) in table {
        let compared = comparator("reward-kit").compare(actual, expected).unwrap();
        assert!(
            (compared.score - wanted).abs() < 1e-9,
            "{actual} {expected}: {} {}",
            compared.score,
            compared.reason
        );
    }
}
