//! The extraction corpus, the examples of the standard rules, odd shapes.

use std::collections::BTreeMap;

use crate::evaluator::LazyRegex;
use serde::Deserialize;

use super::{CodeRule, Grammar, LanguageTags};

#[derive(Deserialize)]
struct Pack {
    code: BTreeMap<String, CodeRule>,
}

fn standard() -> BTreeMap<String, CodeRule> {
    serde_yaml::from_str::<Pack>(include_str!("../../../rules/code.yaml"))
        .unwrap()
        .code
}

#[derive(Deserialize)]
struct LanguagePack {
    languages: BTreeMap<String, LanguageKeys>,
}

/// Of a language's keys, those that say how its code is known.
#[derive(Deserialize)]
struct LanguageKeys {
    #[serde(default)]
    aliases: Vec<String>,
    grammar: Option<Grammar>,
    #[serde(default)]
    looks_like: Vec<String>,
    #[serde(default)]
    declares: Vec<String>,
}

/// The languages of the standard pack.
fn languages() -> Vec<LanguageTags> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/languages");
    let mut languages = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let pack: LanguagePack = serde_yaml::from_str(&text).unwrap();
        let regexes = |patterns: &[String]| {
            let compiled = patterns
                .iter()
                .map(|pattern| LazyRegex::new(pattern).unwrap());
            compiled.collect()
        };
        for (name, keys) in pack.languages {
            languages.push(LanguageTags {
                name,
                aliases: keys.aliases,
                grammar: keys.grammar,
                looks_like: regexes(&keys.looks_like),
                declares: regexes(&keys.declares),
            });
        }
    }
    languages
}

fn extract(rule: &str, reply: &str, language: &str) -> Option<String> {
    let languages = languages();
    let wanted = languages.iter().find(|tags| tags.name == language).unwrap();
    standard()[rule]
        .compile(rule, LazyRegex::new)
        .unwrap()
        .extract(reply, wanted, &languages)
        .code
}

#[derive(Deserialize)]
struct Row {
    id: String,
    language: Option<String>,
    reply: String,
    code: Option<String>,
    #[serde(default)]
    blocks: Vec<serde_json::Value>,
    #[serde(default)]
    accept: Vec<Vec<usize>>,
    #[serde(default)]
    accept_code: Vec<String>,
}

impl Row {
    /// Other choices that are as defensible.
    fn accepted(&self) -> impl Iterator<Item = Vec<String>> {
        let lines: Vec<&str> = self.reply.split('\n').collect();
        let by_block = self.accept.iter().map(move |choice| {
            let code: Vec<String> = choice
                .iter()
                .map(|index| {
                    let line = |key: &str| {
                        usize::try_from(self.blocks[*index][key].as_u64().unwrap()).unwrap()
                    };
                    lines
                        .get(line("start_line") - 1..line("end_line"))
                        .unwrap_or_default()
                        .join("\n")
                })
                .collect();
            essence(&code.join("\n"))
        });
        by_block.chain(self.accept_code.iter().map(|code| essence(code)))
    }
}

/// CRLF is LF, trailing blanks are cut, blank lines dropped.
fn essence(code: &str) -> Vec<String> {
    code.replace("\r\n", "\n")
        .split('\n')
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Rows found exactly, and those found as one of the accepted choices, of all.
fn score(rows: &str) -> (usize, usize, usize, String) {
    let languages = languages();
    let extractor = standard()["standard"]
        .compile("standard", LazyRegex::new)
        .unwrap();
    let (mut strict, mut lenient, mut all) = (0, 0, 0);
    let mut wrong = Vec::new();
    for line in rows.lines() {
        let row: Row = serde_json::from_str(line).unwrap();
        let name = row.language.as_deref().unwrap_or("python");
        let wanted = languages
            .iter()
            .find(|tags| tags.name == name)
            .unwrap_or_else(|| panic!("no language {name}"));
        all += 1;
        let found = extractor
            .extract(&row.reply, wanted, &languages)
            .code
            .map(|code| essence(&code))
            .unwrap_or_default();
        let exact = found == row.code.as_deref().map(essence).unwrap_or_default();
        let accepted = exact || row.accepted().any(|choice| choice == found);
        strict += usize::from(exact);
        lenient += usize::from(accepted);
        if !exact {
            let note = if accepted { " (accepted)" } else { "" };
            wrong.push(format!("{}{note}", row.id));
        }
    }
    (strict, lenient, all, wrong.join(" "))
}

#[test]
fn real_replies_are_read_as_an_engineer_reads_them() {
    let rows = include_str!("../../../tests/data/extraction.jsonl");
    let (strict, lenient, all, wrong) = score(rows);
    assert!(
        strict * 100 >= all * 98 && lenient * 100 >= all * 99,
        "{strict} strict, {lenient} lenient of {all}: {wrong}"
    );
}

#[test]
fn odd_replies_are_read_as_an_engineer_reads_them() {
    let rows = include_str!("../../../tests/data/extraction-odd.jsonl");
    let (strict, lenient, all, wrong) = score(rows);
    assert!(
        strict * 100 >= all * 97 && lenient * 100 >= all * 98,
        "{strict} strict, {lenient} lenient of {all}: {wrong}"
    );
}

#[test]
fn the_examples_of_the_rules_hold() {
    for (name, rule) in standard() {
        assert!(rule.examples.len() >= 2, "{name} has too few examples");
        for example in &rule.examples {
            let found = extract(&name, &example.reply, &example.language);
            assert_eq!(
                found.as_deref().map(str::trim_end),
                example.code.as_deref().map(str::trim_end),
                "{name}: {}",
                example.reply
            );
        }
    }
}

#[test]
fn odd_shapes() {
    let table: &[(&str, &str, Option<&str>)] = &[
        (
            "python",
            "```Python\r\nprint(1)\r\n```\r\n",
            Some("print(1)"),
        ),
        ("python", "~~~python\nprint(1)\n~~~", Some("print(1)")),
        ("python", "```{.python}\nprint(1)\n```", Some("print(1)")),
        (
            "python",
            "```python title=\"a.py\"\nprint(1)\n```",
            Some("print(1)"),
        ),
        ("python", "```python3.11\nprint(1)\n```", Some("print(1)")),
        (
            "python",
            "1. Run:\n   ```python\n   if 1:\n       print(1)\n   ```",
            Some("if 1:\n    print(1)"),
        ),
        ("python", "> ```python\n> print(1)\n> ```", Some("print(1)")),
        ("python", "```python\nprint(1)", Some("print(1)")),
        (
            "python",
            "```python\n    return 1\n```",
            Some("    return 1"),
        ),
        (
            "python",
            "<think>\n```python\nprint(0)\n```\n</think>\n```python\nprint(1)\n```",
            Some("print(1)"),
        ),
        (
            "python",
            "<think>\n```python\nprint(0)\n```\n</think>\nDone.",
            None,
        ),
        (
            "python",
            "thinking ```python\nprint(0)\n```\n</think>\n```python\nprint(1)\n```",
            Some("print(1)"),
        ),
        (
            "python",
            "```bash\npip install x\n```\n```python\nprint(1)\n```\n```\n1\n```",
            Some("print(1)"),
        ),
        ("python", "```\nprint(1)\n```", Some("print(1)")),
        ("python", "```\nThis is prose, not code.\n```", None),
        (
            "python",
            "```js\nprint(1)\nx = [i for i in range(3)]\n```",
            Some("print(1)\nx = [i for i in range(3)]"),
        ),
        ("python", "```javascript\nconst x = () => 1;\n```", None),
        ("python", "print(1)", Some("print(1)")),
        ("python", "I cannot help with that.", None),
        (
            "python",
            "Sure!\n\ndef f():\n    return 1\n\nThis returns one.",
            Some("def f():\n    return 1"),
        ),
        ("python", "", None),
        (
            "python",
            "````python\nprint('''\n```\n''')\n````",
            Some("print('''\n```\n''')"),
        ),
        (
            "javascript",
            "```js\nconst f = () => 1;\n```\nUse it:\n```js\nconsole.log(f());\n```",
            Some("const f = () => 1;\nconsole.log(f());"),
        ),
        (
            "javascript",
            "```js\nlet a = f(1);\n```\nThe corrected version:\n```js\nlet a = f(2);\n```",
            Some("let a = f(2);"),
        ),
        (
            "javascript",
            "```js\nfunction f() { return 1; }\n```\nOr:\n```js\nfunction f() { return 1 + 0; }\n```",
            Some("function f() { return 1; }"),
        ),
    ];
    for (language, reply, wanted) in table {
        let found = extract("standard", reply, language);
        assert_eq!(found.as_deref().map(str::trim_end), *wanted, "{reply:?}");
    }
}

#[test]
fn long_replies_of_marks_are_no_trouble() {
    for part in [
        "x = (\n",
        "`;` ",
        "<a>",
        "x<think>",
        "```py\n<think>\n",
        "````x\n",
        "```py\n'\n```\n",
        "<answer>",
        "[python]\n",
        "'''python\n",
        "</think>",
        "- ",
        "> > > ```\n",
        "def f():\n",
        "Foo bar baz.\nx = 1\n",
        "{\"code\":",
        "((((a,",
        "{{{{a;",
        "return\n",
        "&lt;",
        "`",
        "```\n",
        "```python\n",
        "<think>\n",
        "> ",
        "~~~",
        "[",
        "(\n",
        "a ```\n",
    ] {
        let reply = part.repeat(100_000 / part.len());
        extract("standard", &reply, "python");
    }
}

/// A block that must not run, and one that must.
const BAD: &str = "```python\nprint('bad')\n```\n";
const GOOD: &str = "```python\nprint('good')\n```\n";

#[test]
fn what_is_no_answer_is_not_run() {
    for (before, between) in [
        ("<think>\n", "</think>\n"),
        ("Sure. <think>\n", "</think>\n"),
        ("<think>\na <think> b </think>\n", "</think>\n"),
        ("[THINK]\n", "[/THINK]\n"),
        ("◁think▷\n", "◁/think▷\n"),
        (
            "<|channel|>analysis<|message|>\n",
            "<|end|><|start|>assistant\n",
        ),
        ("<!--\n", "-->\n"),
        ("Do not run this:\n", "Use:\n"),
        ("You wrote\n", "Use:\n"),
        ("", "<answer>\n"),
    ] {
        let reply = format!("{before}{BAD}{between}{GOOD}");
        let reply = if between == "<answer>\n" {
            format!("{reply}</answer>\n")
        } else {
            reply
        };
        let found = extract("standard", &reply, "python");
        assert_eq!(found.as_deref(), Some("print('good')\n"), "{reply}");
    }
    for reply in [
        format!("I don't know.<end_of_turn>\n<start_of_turn>user\n{BAD}"),
        format!("No.\n\nHuman: please\n\nAssistant:\n{BAD}"),
        format!("No.<|im_end|>\n<|im_start|>user\n{BAD}"),
        format!("<!--\n{BAD}-->\nThe answer is 4."),
        "{\"content\": \"I cannot help with that.\"}".to_owned(),
        "I am sorry. ".repeat(30_000),
    ] {
        let found = extract("standard", &reply, "python");
        assert_eq!(found, None, "{}", &reply[..reply.len().min(300)]);
    }
}

#[test]
fn what_looks_like_a_mark_in_code_is_code() {
    for code in [
        "print('a</think>b')\n",
        "print('<s>x</s>')\nprint(2)\n",
        "tok = '<|endoftext|>'\nprint(len(tok))\n",
        "def p(x):\n    return f'[INST] {x} [/INST]'\nprint(p(1))\n",
        "print('''\n```\n''')\n",
    ] {
        let reply = format!("Here:\n```python\n{code}```\nDone.\n");
        let found = extract("standard", &reply, "python");
        assert_eq!(found.as_deref(), Some(code), "{reply}");
    }
    for behind in [
        "I closed my </think> tag.",
        "<answer>\n```text\n5\n```\n</answer>",
    ] {
        let reply = format!("{GOOD}{behind}");
        let found = extract("standard", &reply, "python");
        assert_eq!(found.as_deref(), Some("print('good')\n"), "{reply}");
    }
}
