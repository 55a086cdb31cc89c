//! The standard rules against the corpus, their own examples, variants of each family, and hostile texts.

use std::collections::BTreeMap;

use super::*;

#[derive(serde::Deserialize)]
struct Pack {
    expected_output: BTreeMap<String, Vec<ExpectedRule>>,
}

fn standard() -> (Vec<ExpectedRule>, ExpectedExtractor) {
    let pack: Pack =
        serde_yaml::from_str(include_str!("../../../rules/expected.yaml")).expect("the pack reads");
    let rules = pack.expected_output["standard"].clone();
    let extractor = ExpectedExtractor::compile("standard", &rules).expect("the rules compile");
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
    accept: Vec<String>,
    #[serde(default)]
    lenient_null: bool,
}

/// The share of the corpus that the standard rules must find, in rows of 128.
const CORPUS_FLOOR: usize = 126;

#[test]
fn the_corpus_is_read_as_people_read_it() {
    let (_, extractor) = standard();
    let rows = include_str!("../../../tests/data/expected-output.jsonl").lines();
    let (mut right, mut false_positives, mut wrong) = (0, 0, String::new());
    for line in rows {
        let row: Row = serde_json::from_str(line).expect("a row");
        let found = extractor.find(&row.prompt);
        let value = found.as_ref().map(|stated| &stated.value);
        let good = match value {
            None => row.expected.is_none() || row.lenient_null,
            Some(value) => {
                row.expected.as_ref() == Some(value)
                    || row.expected.is_some() && row.accept.contains(value)
            }
        };
        right += usize::from(good);
        false_positives += usize::from(row.expected.is_none() && !good);
        if !good {
            wrong += &format!(
                "{}: {value:?} by {:?}, not {:?}\n",
                row.id,
                found.as_ref().map(|f| &f.rule),
                row.expected
            );
        }
    }
    println!("expected output: {right} rows right, {false_positives} false positives\n{wrong}");
    assert_eq!(false_positives, 0, "{wrong}");
    assert!(right >= CORPUS_FLOOR, "{right} rows right\n{wrong}");
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

#[test]
fn each_family_is_read_in_its_variants() {
    let (_, extractor) = standard();
    let mut wrong = String::new();
    for (text, want) in VARIANTS {
        let found = extractor.find(text);
        if found.as_ref().map(|stated| stated.value.as_str()) != *want {
            wrong += &format!(
                "{text:?}: {:?}, not {want:?}\n",
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
    let extractor = ExpectedExtractor::compile("mine", &[rule]).expect("it compiles");
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
    let errors = ExpectedExtractor::compile("mine", &[rule("a(?P<value>x"), rule("Output: (.*)")])
        .expect_err("both");
    assert_eq!(errors[0].path, ["0", "pattern"]);
    assert_eq!(errors[0].at, Some(1..2));
    assert_eq!(
        errors[1].message,
        "the pattern of `Output: (.*)` has no group `value`"
    );
}

/// Texts that would take minutes if any rule read the rest of the text again from each match: what is read
/// again is paid for from a budget as long as the text, so this ends at once.
#[test]
fn hostile_texts_come_to_an_end() {
    let (_, extractor) = standard();
    let bytes = if cfg!(debug_assertions) {
        200_000
    } else {
        1_000_000
    };
    #[rustfmt::skip]
    let units = [
        "Output: ", "Output:\n", "Expected output:\n```\n", ">>> ", ">>> \n", "> f()\n", "(", "f(", " ", "\n", "\"", "'", "`",
        "f(1) -> [", "f(1) == \"", "| output ", "For 1 it prints ", "it prints 1 ", "the result is (", "输出:", "but should be a; ",
    ];
    for unit in units {
        let text = unit.repeat(bytes / unit.len());
        let stated = extractor.find(&text).map_or(0, |stated| stated.all.len());
        assert!(stated <= text.lines().count().max(3), "{unit:?}");
    }
}
