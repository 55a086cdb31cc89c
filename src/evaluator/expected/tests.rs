//! The standard rules against the corpus, their own examples, variants of each family, and hostile texts.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::*;

thread_local! {
    /// Bytes that rules read so far, again or not.
    pub(super) static READ: Cell<usize> = const { Cell::new(0) };
}

#[derive(serde::Deserialize)]
struct Pack {
    expected_output: BTreeMap<String, Vec<ExpectedRule>>,
}

fn standard() -> (Vec<ExpectedRule>, ExpectedExtractor) {
    let pack: Pack =
        serde_yaml::from_str(include_str!("../../../rules/expected.yaml")).expect("the pack reads");
    let rules = pack.expected_output["standard"].clone();
    let extractor =
        ExpectedExtractor::compile("standard", &rules, LazyRegex::new).expect("the rules compile");
    (rules, extractor)
}

#[test]
fn every_rule_finds_what_its_examples_say() {
    let (rules, extractor) = standard();
    let mut wrong = Vec::new();
    for rule in &rules {
        for example in &rule.examples {
            let found = extractor
                .find_with_rule(&rule.name, &example.text)
                .map(|stated| stated.value);
            if found != example.value {
                wrong.push(format!(
                    "{}: {:?}: {found:?}, not {:?}",
                    rule.name, example.text, example.value
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    prompt: String,
    expected: Option<String>,
    #[serde(default)]
    all_outputs: Option<Vec<String>>,
    accept: Vec<String>,
    #[serde(default)]
    lenient_null: bool,
}

impl Row {
    fn accepts(&self, value: Option<&String>) -> bool {
        match value {
            None => self.expected.is_none() || self.lenient_null,
            Some(value) => {
                self.expected.as_ref() == Some(value)
                    || self.expected.is_some() && self.accept.contains(value)
            }
        }
    }

    /// Whether every output was found, in order; quotation marks around one do not count here.
    fn accepts_all(&self, found: &[String]) -> bool {
        let bare = |text: &str| text.trim().trim_matches(['"', '\'', '`']).to_owned();
        let wanted = self.all_outputs.iter().flatten();
        let wanted: Vec<String> = wanted.map(|text| bare(text)).collect();
        let found_bare: Vec<String> = found.iter().map(|text| bare(text)).collect();
        wanted.get(1..) == found_bare.get(1..) && self.accepts(found.first())
    }
}

/// A corpus and how much of it the standard rules must find: rows, and rows of which every output.
struct Corpus {
    rows: &'static str,
    floor: usize,
    floor_of_all: usize,
}

/// Prompts from public sources and of our own.
const OPEN: Corpus = Corpus {
    rows: include_str!("../../../tests/data/expected-output.jsonl"),
    floor: 126,
    floor_of_all: 88,
};
/// Odd shapes, written by others than those who wrote the rules.
const ODD: Corpus = Corpus {
    rows: include_str!("../../../tests/data/expected-output-odd.jsonl"),
    floor: 550,
    floor_of_all: 390,
};

#[test]
fn the_corpora_are_read_as_people_read_them() {
    let (_, extractor) = standard();
    for corpus in [OPEN, ODD] {
        let (mut right, mut right_of_all, mut false_positives) = (0, 0, 0);
        let mut wrong = String::new();
        for line in corpus.rows.lines() {
            let row: Row = serde_json::from_str(line).expect("a row");
            let found = extractor.find(&row.prompt);
            let is_right = row.accepts(found.as_ref().map(|stated| &stated.value));
            let all = found.as_ref().map_or(&[][..], |stated| &stated.all);
            right += usize::from(is_right);
            right_of_all += usize::from(row.all_outputs.is_some() && row.accepts_all(all));
            false_positives += usize::from(row.expected.is_none() && !is_right);
            if !is_right {
                wrong += &format!("{}: {found:?}, not {:?}\n", row.id, row.expected);
            }
        }
        println!(
            "{right} rows right, {right_of_all} in all outputs, {false_positives} false positives\n{wrong}"
        );
        assert_eq!(false_positives, 0, "{wrong}");
        assert!(right >= corpus.floor, "{right} rows right\n{wrong}");
        assert!(
            right_of_all >= corpus.floor_of_all,
            "{right_of_all} in all outputs"
        );
    }
}

/// Forms that people use, apart from those of the corpus.
#[rustfmt::skip]
const VARIANTS: &[(&str, Option<&str>)] = &[
    // labels
    ("Sum it. Expected Output: `15` (given the list above)", Some("15")),
    ("Expected result: 3.50", Some("3.50")),
    ("The expected output is:\n\n```\na\n\nb\n```\n", Some("a\n\nb")),
    ("Expected output for 5: 120", Some("120")),
    ("Expected output (for n = 5): 120", Some("120")),
    ("The desired output is `[1, 2]`.", Some("[1, 2]")),
    ("Expected stdout:\nHello\nWorld\n\nUse C.", Some("Hello\nWorld")),
    ("Expected output -> 42", Some("42")),
    ("## Expected output\n\n    1\n    2\n\nDone.", Some("1\n2")),
    ("Expected output: \"a\\nb\"", Some("a\nb")),
    ("Expected output: Alice (30)", Some("Alice (30)")),
    ("Expected output: 7 # since 3 + 4", Some("7")),
    ("Expected output: 7. Do not use eval.", Some("7")),
    ("Expected output: wait...", Some("wait...")),
    ("I get 4 instead of 5. Expected output: 5", Some("5")),
    // other languages
    ("Saída esperada: 8", Some("8")),
    ("Sortie attendue :\n```\nbonjour\n```", Some("bonjour")),
    ("Ожидаемый вывод: 12", Some("12")),
    ("期待される出力：\n1\n2\n", Some("1\n2")),
    ("预期输出：42。", Some("42")),
    ("Output atteso: ciao", Some("ciao")),
    // samples
    ("Sample Output 1:\n3\n\nSample Output 2:\n4\n", Some("3")),
    ("### Sample Output\n\n```\nYES\n```", Some("YES")),
    ("Input\n\n3\n\nOutput\n\n9\n", Some("9")),
    ("Example: input 5, output: 25", Some("25")),
    ("Input: s = \"abc\"\nOutput: \"cba\"", Some("cba")),
    ("**Output**\nThe sum of the numbers.\n\n**Sample Output**\n6", Some("6")),
    // calls
    ("add(2, 3) -> 5, add(1, 1) -> 2", Some("5")),
    ("`rev(\"ab\")` => `\"ba\"`", Some("\"ba\"")),
    ("f(1);  // => [1, 2]", Some("[1, 2]")),
    ("For example, f(3) = 9 and f(4) = 16.", Some("9")),
    ("fact(5) gives 120.", Some("120")),
    ("Calling sq(4) should return 16", Some("16")),
    ("parse(\"1\") returns Some(1).", Some("Some(1)")),
    ("is_even(4) evaluates to True", Some("True")),
    ("f([1, [2]]) ➞ {\"a\": (1, 2)}", Some("{\"a\": (1, 2)}")),
    (">>> f(1)\n[[1, 2],\n [3, 4]]\n>>> f(2)\n2", Some("[[1, 2],\n [3, 4]]")),
    // prose
    ("For input [1, 2, 3] the output should be 6.", Some("6")),
    ("Given the list [3, 1], your program should print 1 3.", Some("1 3")),
    ("It should display 'Done!' at the end.", Some("Done!")),
    ("When run, it prints:\n```\nok\n```", Some("ok")),
    ("The answer should be 233168.", Some("233168")),
    ("The script must output nothing.", Some("")),
    ("The program should print exactly 3 and exit.", Some("3")),
    ("The program prints 42 to stdout.", Some("42")),
    ("Print hello three times, so the output is:\nhello\nhello\nhello", Some("hello\nhello\nhello")),
    ("Running the script should give:\n```\nA\nB\n```", Some("A\nB")),
    ("It should return 5 for [1, 2, 2].", Some("5")),
    ("The function should return \"abc\" for the input \"cba\".", Some("\"abc\"")),
    ("I want to see exactly this:\n\n```text\n+--+\n|  |\n+--+\n```", Some("+--+\n|  |\n+--+")),
    ("Your code must print exactly: Hello, World!", Some("Hello, World!")),
    ("Result: 12", Some("12")),
    ("The output should be `[1, 2, 3]`.", Some("[1, 2, 3]")),
    ("The output should be \"hello\".", Some("hello")),
    ("Output should be: 3 4 5", Some("3 4 5")),
    ("It currently prints 3; it should print 4.", Some("4")),
    ("My function returns 3 but should return 4.", Some("4")),
    ("Should print: yes", Some("yes")),
    ("Should return 10", Some("10")),
    ("The expected output for the call f(2) is 4.", Some("4")),
    ("Got: 3\nExpected: 4", Some("4")),
    ("Expected: [1, 2]\nActual: [2, 1]", Some("[1, 2]")),
    ("La salida debe ser 5.", Some("5")),
    ("Die Ausgabe soll 42 sein.", Some("42")),
    ("El programa debe imprimir 7.", Some("7")),
    ("Le programme doit afficher 12.", Some("12")),
    // tables and arrows without a call
    ("| n | expected |\n|--|--|\n| 2 | `4` |", Some("4")),
    ("Examples:\n\"abc\" -> \"cba\"\n", Some("\"cba\"")),
    // none
    ("The output should be a list of tuples.", None),
    ("Return 0 if the list is empty, otherwise the sum.", None),
    ("The function should return -1 if nothing is found.", None),
    ("Output format: JSON", None),
    ("Expected output: a single integer", None),
    ("Print the numbers from 1 to 10.", None),
    ("My code prints 10. Why?", None),
    ("assert f(1) == 2\nassert f(2) == 3", None),
    ("fn add(a: i32, b: i32) -> i32 { a + b }", None),
    ("def f(x: int) -> None:\n    pass", None),
    ("It should print 10 lines.", None),
    ("It should print \"Yes\" if n is even, otherwise \"No\".", None),
    ("const f = (n) => n + 1;", None),
    ("Save the output to result.txt.", None),
    ("for i in range(3):\n    print(i)  # 3 times", None),
    ("The function returns True if n is prime.", None),
    ("Write a function that returns 1 for odd numbers and 0 for even ones.", None),
    ("The result should be rounded to 2 decimals.", None),
    ("The output must match the input order.", None),
    ("The output is 3 times as large as the input.", None),
    ("Output:\n\nA list of integers.", None),
    ("## Output\n\nPrint one integer: the answer.", None),
    ("Return the output as a string.", None),
    ("It should return the string reversed.", None),
    ("The expected output is unknown; explain.", None),
    ("The program should print the numbers 1 to 100.", None),
    ("If the input is 0, the program should print nothing, otherwise the sum.", None),
    ("Use `map(x => x * 2)` and explain `->` in Rust.", None),
    ("Write a class with methods get() and set(). get() returns the value.", None),
    ("What is the expected output of this code?\n```python\nprint(1)\n```", None),
    ("Why is the output 5 and not 6?", None),
    ("Refactor:\n```js\nfunction f() { return 3; }\nconsole.log(f());\n```\nThe output should be unchanged.", None),
    ("Improve this:\n```python\nx = f(3)\nif f(x) == 3:\n    print(\"a\")\n```", None),
];

/// More of them, one a line with what it states.
const MORE_VARIANTS: &str = include_str!("../../../tests/data/expected-output-variants.jsonl");

#[derive(serde::Deserialize)]
struct Variant {
    prompt: String,
    expected: Option<String>,
}

#[test]
fn each_family_is_read_in_its_variants() {
    let (_, extractor) = standard();
    let variants = VARIANTS.iter().map(|(prompt, expected)| Variant {
        prompt: (*prompt).to_owned(),
        expected: expected.map(str::to_owned),
    });
    let more = MORE_VARIANTS.lines();
    let more = more.map(|line| serde_json::from_str::<Variant>(line).expect("a variant"));
    let mut wrong = String::new();
    for Variant { prompt, expected } in variants.chain(more) {
        let found = extractor.find(&prompt);
        if found.as_ref().map(|stated| &stated.value) != expected.as_ref() {
            wrong += &format!(
                "{prompt:?}: {:?}, not {expected:?}\n",
                found.map(|stated| (stated.rule, stated.value))
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_span_is_in_characters_and_every_output_is_told() {
    let (_, extractor) = standard();
    let text = "é: f(1) → 6, f(2) → 7";
    let stated = extractor.find(text).expect("it states two");
    assert_eq!((stated.value.as_str(), stated.span.clone()), ("6", 10..11));
    assert_eq!(stated.all, ["6", "7"]);
    assert_eq!(stated.rule, "call-arrow");
}

#[test]
fn a_rule_needs_no_more_than_a_pattern() {
    let rule: ExpectedRule = serde_yaml::from_str(
        r#"{name: stated, pattern: '(?im)^.*\bexpected output:[ \t]*(?P<value>\S.*?)[ \t]*(?:\((?:for|given|when)\b[^)]*\))?[ \t]*$'}"#,
    )
    .expect("a rule");
    let extractor =
        ExpectedExtractor::compile("mine", &[rule], LazyRegex::new).expect("it compiles");
    let value = |text| extractor.find(text).map(|stated| stated.value);
    assert_eq!(
        value("Expected output: 15 (for [1,2,3,4,5])").as_deref(),
        Some("15")
    );
    assert_eq!(value("The output should be sorted."), None);
}

#[test]
fn a_broken_pattern_is_told_with_its_place() {
    let rule = |pattern: &str| {
        serde_json::from_value::<ExpectedRule>(
            serde_json::json!({"name": pattern, "pattern": pattern}),
        )
        .expect("a rule")
    };
    let errors = ExpectedExtractor::compile(
        "mine",
        &[rule("a(?P<value>x"), rule("Output: (.*)")],
        LazyRegex::new,
    )
    .expect_err("both");
    assert_eq!(errors[0].path, ["0", "pattern"]);
    assert_eq!(errors[0].at, Some(1..2));
    assert_eq!(
        errors[1].message,
        "the pattern of `Output: (.*)` has no group `value`"
    );
}

#[test]
fn rules_of_a_later_pack_come_first_or_take_a_place() {
    let rule = |name: &str, pattern: &str| {
        serde_json::from_value::<ExpectedRule>(
            serde_json::json!({"name": name, "pattern": pattern}),
        )
        .expect("a rule")
    };
    let compile = |rules: &[ExpectedRule]| {
        ExpectedExtractor::compile("standard", rules, LazyRegex::new).expect("they compile")
    };
    let earlier = compile(&[rule("a", "a(?P<value>.)"), rule("b", "b(?P<value>.)")]);
    let later = compile(&[rule("b", "B(?P<value>.)"), rule("c", "c(?P<value>.)")]);
    let merged = later.over(&earlier);
    assert_eq!(merged.rule_names().collect::<Vec<_>>(), ["c", "a", "b"]);
    let value = |text: &str| merged.find(text).map(|stated| stated.value);
    assert_eq!(value("a1 c2").as_deref(), Some("2"));
    assert_eq!(value("b1 B3").as_deref(), Some("3"));
}

#[test]
fn what_lost_is_told_with_its_reason() {
    let (_, extractor) = standard();
    let text = "My code prints 10.\nExpected output: a list.\nf(1) -> 3 ;\nIt should print 12.\nThe answer is 13.";
    let explained = extractor.explain(text, None);
    assert_eq!(explained.stated, extractor.find(text));
    let stated = explained.stated.expect("it states one");
    assert_eq!(
        (stated.value.as_str(), stated.rule.as_str()),
        ("3", "call-arrow")
    );
    let lost: Vec<(&str, Option<&str>, &str)> = explained
        .lost
        .iter()
        .map(|lost| {
            (
                lost.rule.as_str(),
                lost.value.as_deref(),
                lost.reason.as_str(),
            )
        })
        .collect();
    for expected in [
        (
            "expected-label",
            Some("a list"),
            "a description, not a value",
        ),
        (
            "prints-literal",
            Some("10"),
            "its line says `My code prints`",
        ),
        (
            "prints-literal",
            Some("12"),
            "a later rule; `call-arrow` decided first",
        ),
        (
            "result-is",
            Some("13"),
            "a later rule; `call-arrow` decided first",
        ),
    ] {
        assert!(
            lost.contains(&expected),
            "{expected:?} is missing in {lost:#?}"
        );
    }
    let letters: Vec<char> = text.chars().collect();
    for lost in &explained.lost {
        let place: String = letters[lost.span.clone()].iter().collect();
        assert!(
            lost.value.as_ref().is_none_or(|value| *value == place),
            "{lost:?}"
        );
    }
    let alone = extractor.explain(text, Some("result-is"));
    assert_eq!(alone.stated, extractor.find_with_rule("result-is", text));
    assert_eq!(alone.lost, []);
}

#[test]
fn lines_above_that_say_so_pass_a_match_over() {
    let rule: ExpectedRule = serde_json::from_value(serde_json::json!({
        "name": "arrow", "pattern": r"(?m)^ *\d -> (?P<value>\S+)$", "unless_above": r"(?m)^case .* of$",
    }))
    .expect("a rule");
    let extractor =
        ExpectedExtractor::compile("mine", &[rule], LazyRegex::new).expect("it compiles");
    let far = format!("case n of\n{}1 -> 2", "x\n".repeat(ABOVE_CONTEXT));
    for (text, want) in [
        ("1 -> 2", Some("2")),
        ("case n of\n 1 -> a\n 2 -> b", None),
        ("case n of\n 1 -> a\n\n2 -> b", Some("b")),
        ("\n1 -> 2", Some("2")),
        (far.as_str(), Some("2")),
    ] {
        let found = extractor.find(text).map(|stated| stated.value);
        assert_eq!(found.as_deref(), want, "{text:?}");
    }
    let explained = extractor.explain("case n of\n1 -> a", None);
    assert_eq!(explained.lost[0].reason, "above it stands `case n of`");
}

#[test]
fn every_rule_has_examples_of_both_kinds() {
    let (rules, _) = standard();
    for rule in rules {
        let negatives = rule
            .examples
            .iter()
            .filter(|example| example.value.is_none());
        assert!(
            rule.examples.len() >= 2 && negatives.count() >= 1,
            "{}: an example that finds something and one that does not",
            rule.name
        );
    }
}

/// Pieces that, repeated, would take minutes if a rule read the rest of the text again from each match.
#[rustfmt::skip]
const HOSTILE: [&str; 46] = [
    "Output: ", "Output:\n", "Expected output:\n```\n", ">>> ", ">>> \n", "> f()\n", "(", "f(", " ", "\n", "\"", "'", "`", "[", "|",
    "f(1) -> [", "f(1) == \"", "| output ", "For 1 it prints ", "it prints 1 ", "the result is (", "输出:", "but should be a; ",
    "Output: [\n", "(Output: ", "| output |\n|--|\n", "|--", "> Output:\n", "// Output:\n", "<output>", "```\n", "got 1, want ",
    "prints 1 instead of ", "not 1, but ", "`1` evaluates to ", "f(1) gives 1. It should be ", "Output\n---\n", "expected: ", "Out[1]:", "\\n",
    "1 -> 2\n", "in: 1 out: ", "```output\n", "Output:\n\\begin{verbatim}\n", "in this example, the sum is ", "Input\tOutput\n",
];

/// What is read again is paid for from a budget as long as the text: this ends at once, and what every rule
/// reads grows no faster than the text.
#[test]
fn hostile_texts_come_to_an_end() {
    let (_, extractor) = standard();
    for unit in HOSTILE {
        // Pieces that other texts are full of are repeated for a mebibyte, also where that takes a while.
        let is_common = ["(", "|", "f(", ">>> ", "Output:\n", "`", "["].contains(&unit);
        let bytes = if is_common || !cfg!(debug_assertions) {
            1 << 20
        } else {
            1 << 16
        };
        let text = unit.repeat(bytes / unit.len());
        for rule in &extractor.rules {
            READ.set(0);
            let found = rule.candidates(&text, &mut |_| ()).len();
            assert!(found <= text.len(), "{unit:?}");
            assert!(
                READ.get() <= 4 * text.len(),
                "{unit:?}: `{}` reads {} bytes of {}",
                rule.name,
                READ.get(),
                text.len()
            );
        }
        let text = unit.repeat((1 << 16) / unit.len());
        let explained = extractor.explain(&text, None);
        assert!(explained.lost.len() <= LOST_MAX, "{unit:?}");
        assert_eq!(explained.stated, extractor.find(&text), "{unit:?}");
    }
}
