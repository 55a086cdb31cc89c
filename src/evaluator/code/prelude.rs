//! The code of a prompt before the function that it asks for: imports and helpers, which tests may use.

use std::sync::LazyLock;

use regex::Regex;

use super::{LanguageTags, parses};

/// Lines before the function that are looked at.
const LINES_MAX: usize = 500;

/// How a line of code begins that a text of code may begin with.
static BEGINS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(?:import|from|def|class|async|@|#|const|let|var|function|//|/\*|["']{3}|[A-Za-z_]\w*\s*=[^=])"#)
        .expect("the pattern is right")
});

/// The code before the definition of `entry_point` in a prompt, such as HumanEval's imports and helpers;
/// `None` where there is none. Prose before it is left out, and so is everything before the fence of the
/// block that it stands in.
pub fn prelude(prompt: &str, entry_point: &str, language: &LanguageTags) -> Option<String> {
    let grammar = language.grammar?;
    let name = regex::escape(entry_point.split('.').next()?.trim_end_matches("()"));
    let definition = format!(
        r"^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:def|class|function\s*\*?|const|let|var)\s+{name}\b"
    );
    let definition = Regex::new(&definition).expect("an escaped name is a pattern");
    let lines: Vec<&str> = prompt.lines().collect();
    let end = lines.iter().position(|line| definition.is_match(line))?;
    let from = lines[..end]
        .iter()
        .rposition(|line| line.trim_start().starts_with("```"))
        .map_or(0, |fence| fence + 1)
        .max(end.saturating_sub(LINES_MAX));
    (from..end)
        .filter(|start| BEGINS.is_match(lines[*start]))
        .map(|start| lines[start..end].join("\n"))
        .find(|text| parses::errors(text, grammar) == 0)
        .map(|text| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Grammar, LanguageTags};
    use super::prelude;

    #[test]
    fn it_is_the_code_before_the_function() {
        let python = LanguageTags {
            grammar: Some(Grammar::Python),
            ..LanguageTags::by_name("python")
        };
        for (prompt, found) in [
            ("def f(x):\n    pass", None),
            ("Write `f`.", None),
            (
                "Complete this function.\n\nfrom typing import List\n\n\ndef f(x: List[int]):\n",
                Some("from typing import List"),
            ),
            (
                "import math\n\ndef helper(x):\n    return x\n\ndef f(x):\n    '''helper'''\n",
                Some("import math\n\ndef helper(x):\n    return x"),
            ),
            (
                "Use math.\n```text\nimport nothing of this\n```\n```python\nimport math\ndef f(x):\n```",
                Some("import math"),
            ),
            ("Import the module\nand then\nclass f:\n", None),
            ("LIMIT = 3\nasync def f(): ...\n", Some("LIMIT = 3")),
        ] {
            assert_eq!(prelude(prompt, "f", &python).as_deref(), found, "{prompt}");
        }
        assert_eq!(
            prelude("import math\nclass S:\n", "S().f", &python).as_deref(),
            Some("import math")
        );
        let javascript = LanguageTags {
            grammar: Some(Grammar::Javascript),
            ..LanguageTags::by_name("javascript")
        };
        assert_eq!(
            prelude(
                "/* Adds. */\nconst one = 1;\nconst f = (x) => {\n",
                "f",
                &javascript
            )
            .as_deref(),
            Some("/* Adds. */\nconst one = 1;")
        );
    }
}
