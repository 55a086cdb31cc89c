//! The extraction corpus, the examples of the standard rules, odd shapes.

use std::collections::BTreeMap;

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

fn languages() -> Vec<LanguageTags> {
    let tags = |name: &str, aliases: &[&str], grammar| LanguageTags {
        name: name.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        grammar,
        looks_like: Vec::new(),
    };
    vec![
        tags("python", &["py", "python3"], Some(Grammar::Python)),
        tags(
            "javascript",
            &["js", "node", "nodejs"],
            Some(Grammar::Javascript),
        ),
    ]
}

fn extract(rule: &str, reply: &str, language: &str) -> Option<String> {
    let languages = languages();
    let wanted = languages.iter().find(|tags| tags.name == language).unwrap();
    standard()[rule]
        .compile(rule)
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
    blocks: Vec<serde_json::Value>,
    accept: Vec<Vec<usize>>,
}

/// CRLF is LF, trailing blanks are cut, blank lines dropped.
fn essence(code: &str) -> Vec<String> {
    code.replace("\r\n", "\n")
        .split('\n')
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_corpus_is_found() {
    let languages = languages();
    let extractor = standard()["standard"].compile("standard").unwrap();
    let rows: Vec<Row> = include_str!("../../../tests/data/extraction.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (mut strict, mut lenient, mut all) = (0, 0, 0);
    let mut wrong = Vec::new();
    for row in &rows {
        let Some(wanted) = languages
            .iter()
            .find(|tags| Some(&tags.name) == row.language.as_ref())
        else {
            continue;
        };
        all += 1;
        let found = extractor
            .extract(&row.reply, wanted, &languages)
            .code
            .map(|code| essence(&code))
            .unwrap_or_default();
        let exact = found == row.code.as_deref().map(essence).unwrap_or_default();
        let lines: Vec<&str> = row.reply.split('\n').collect();
        let accepted = row.accept.iter().any(|choice| {
            let code: Vec<String> = choice
                .iter()
                .map(|index| {
                    let line = |key: &str| {
                        usize::try_from(row.blocks[*index][key].as_u64().unwrap()).unwrap()
                    };
                    lines
                        .get(line("start_line") - 1..line("end_line"))
                        .unwrap_or_default()
                        .join("\n")
                })
                .collect();
            essence(&code.join("\n")) == found
        });
        strict += usize::from(exact);
        lenient += usize::from(exact || accepted);
        if !exact {
            wrong.push(format!(
                "{}{}",
                row.id,
                if accepted { " (accepted)" } else { "" }
            ));
        }
    }
    assert!(
        strict * 100 >= all * 88 && lenient * 100 >= all * 90,
        "{strict} strict, {lenient} lenient of {all}: {}",
        wrong.join(" ")
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
fn a_megabyte_of_marks_is_no_trouble() {
    for part in [
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
        let reply = part.repeat(1_000_000 / part.len());
        extract("standard", &reply, "python");
    }
}
