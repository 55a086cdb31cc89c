//! Is a text code of a language? By a compiled-in grammar, else by the language's patterns.

use std::cell::OnceCell;
use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::{Node, Parser, Tree};

use super::names::{self, Names};
use super::{Grammar, LanguageTags, any_match};

/// Bytes of a text that are parsed; longer ones are what their tag says.
const PARSED_MAX: usize = 256 * 1024;

/// First lines of Python that are errors in JavaScript. `from __future__` sets something and does nothing.
static BEGINS_PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:(?:async )?def \w+\(|class \w+(?:\(|:)|from [a-z][\w.]* import )")
        .expect("the pattern is right")
});
/// Lines before it that say nothing yet: `import x` may go on as `from 'y'` in JavaScript.
static PASSED_PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s*(?:#.*|import [\w.]+(?:, [\w.]+)*\s*)?$").expect("the pattern is right")
});
/// First lines of JavaScript that are errors in Python.
static BEGINS_JAVASCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:(?:async )?function\*? \w+\(|(?:const|let|var) \w+ = |class \w+ \{)")
        .expect("the pattern is right")
});

static PASSED_JAVASCRIPT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*(?://.*)?$").expect("the pattern is right"));

/// A text as code of a language, parsed when that is asked for, and once.
#[derive(Debug)]
pub(super) struct Piece<'l> {
    pub(super) code: String,
    language: &'l LanguageTags,
    facts: OnceCell<Facts>,
    names: OnceCell<Names>,
}

#[derive(Debug)]
struct Facts {
    errors: usize,
    does_something: bool,
    parses: bool,
    acts: bool,
    is_fragment: bool,
    /// What the names are found in, where a grammar finds them.
    tree: Option<(Tree, Grammar)>,
}

impl<'l> Piece<'l> {
    pub(super) fn new(code: String, language: &'l LanguageTags) -> Self {
        Piece {
            code,
            language,
            facts: OnceCell::new(),
            names: OnceCell::new(),
        }
    }

    /// Syntax errors; none where nothing can tell.
    pub(super) fn errors(&self) -> usize {
        self.facts().errors
    }

    /// Whether it does more than name a value, as output such as `42` or a word of prose do.
    pub(super) fn does_something(&self) -> bool {
        self.begins_plainly() || self.facts().does_something
    }

    /// Whether it is code of the language.
    pub(super) fn parses(&self) -> bool {
        self.facts().parses
    }

    /// Whether it does more than set names, as settings in a file do too.
    pub(super) fn acts(&self) -> bool {
        self.facts().acts
    }

    /// Whether it returns outside of any function: a part of one.
    pub(super) fn is_fragment(&self) -> bool {
        self.facts().is_fragment
    }

    /// Whether it begins with what no other language begins with and what, parsed, either does something
    /// or is an error. This spares most replies the parse.
    pub(super) fn begins_plainly(&self) -> bool {
        let (begins, passed) = match self.language.grammar {
            Some(Grammar::Python) => (&BEGINS_PYTHON, &PASSED_PYTHON),
            Some(Grammar::Javascript) => (&BEGINS_JAVASCRIPT, &PASSED_JAVASCRIPT),
            None => return false,
        };
        let mut lines = self.code.lines();
        lines
            .find(|line| !passed.is_match(line))
            .is_some_and(|line| begins.is_match(line))
    }

    /// What it defines and needs.
    pub(super) fn names(&self) -> &Names {
        self.names.get_or_init(|| match &self.facts().tree {
            Some((tree, grammar)) => names::of_tree(tree.root_node(), &self.code, *grammar),
            None if self.is_parsed() => Names::default(),
            None => names::of_words(&self.code, &self.language.declares),
        })
    }

    fn is_parsed(&self) -> bool {
        self.language.grammar.is_some() && self.code.len() <= PARSED_MAX
    }

    fn facts(&self) -> &Facts {
        self.facts.get_or_init(|| self.look())
    }

    fn look(&self) -> Facts {
        let text = self.code.as_str();
        let is_blank = text.trim().is_empty();
        let Some(grammar) = self.language.grammar else {
            return Facts {
                errors: 0,
                acts: true,
                is_fragment: false,
                does_something: !is_blank,
                parses: !is_blank && any_match(&self.language.looks_like, text),
                tree: None,
            };
        };
        let Some(tree) = self.is_parsed().then(|| tree(text, grammar)).flatten() else {
            let is_parsed = self.is_parsed();
            return Facts {
                errors: 0,
                acts: !is_parsed,
                is_fragment: false,
                does_something: !is_parsed,
                // Not known: only a tag can say so.
                parses: false,
                tree: None,
            };
        };
        let errors = errors_of(&tree);
        let (does_something, acts) = activity(tree.root_node(), text);
        Facts {
            errors,
            acts,
            is_fragment: returns_outside(tree.root_node()),
            does_something: errors > 0 || does_something,
            parses: !is_blank && errors == 0 && does_something,
            tree: Some((tree, grammar)),
        }
    }
}

/// Whether a text is code of the language.
pub(super) fn parses(text: &str, language: &LanguageTags) -> bool {
    !text.trim().is_empty() && Piece::new(text.to_owned(), language).parses()
}

/// Syntax errors of a text; a text too long to parse has none.
pub(super) fn errors(text: &str, grammar: Grammar) -> usize {
    if text.len() > PARSED_MAX {
        return 0;
    }
    tree(text, grammar).map_or(1, |tree| errors_of(&tree))
}

fn errors_of(tree: &Tree) -> usize {
    if !tree.root_node().has_error() {
        return 0;
    }
    let mut count = 0;
    walk(tree.root_node(), &mut |node| {
        count += usize::from(node.is_error() || node.is_missing())
    });
    count.max(1)
}

fn tree(text: &str, grammar: Grammar) -> Option<Tree> {
    let mut parser = Parser::new();
    let language = match grammar {
        Grammar::Python => tree_sitter_python::LANGUAGE.into(),
        Grammar::Javascript => tree_sitter_javascript::LANGUAGE.into(),
    };
    parser.set_language(&language).ok()?;
    parser.parse(text, None)
}

/// Statements and expressions that do something.
const DOES: [&str; 24] = [
    "call",
    "call_expression",
    "new_expression",
    "assignment",
    "assignment_expression",
    "augmented_assignment",
    "augmented_assignment_expression",
    "function_definition",
    "function_declaration",
    "generator_function_declaration",
    "class_definition",
    "class_declaration",
    "lexical_declaration",
    "variable_declaration",
    "import_statement",
    "import_from_statement",
    "export_statement",
    "arrow_function",
    "for_statement",
    "for_in_statement",
    "while_statement",
    "return_statement",
    "assert_statement",
    "lambda",
];

/// Whether code does something, and whether that is more than to set names.
fn activity(root: Node<'_>, text: &str) -> (bool, bool) {
    let (mut does_something, mut acts) = (false, false);
    walk(root, &mut |node| {
        if does(node, text) {
            does_something = true;
            acts |= !matches!(node.kind(), "assignment" | "assignment_expression");
        }
    });
    (does_something, acts)
}

fn does(node: Node<'_>, text: &str) -> bool {
    DOES.contains(&node.kind())
        // `x: Note` is an annotation, and `Note: text` a label of prose.
        && (node.kind() != "assignment" || node.child_by_field_name("right").is_some())
        // `Alice (30)` reads as a call.
        && (!node.kind().starts_with("call") || is_written_as_call(node, text))
}

/// Whether a `return` stands in no function.
fn returns_outside(root: Node<'_>) -> bool {
    let mut cursor = root.walk();
    loop {
        let node = cursor.node();
        if node.kind() == "return_statement" {
            return true;
        }
        if !names::opens_scope(node) && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return false;
            }
        }
    }
}

fn is_written_as_call(node: Node<'_>, text: &str) -> bool {
    let at = node
        .child_by_field_name("arguments")
        .map_or(0, |arguments| arguments.start_byte());
    !text
        .get(..at)
        .is_some_and(|before| before.ends_with([' ', '\n']))
}

/// Visits every node, without recursion: hostile nesting is deep.
fn walk(root: Node<'_>, visit: &mut impl FnMut(Node<'_>)) {
    let mut cursor = root.walk();
    loop {
        visit(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Piece;
    use crate::evaluator::code::{Grammar, LanguageTags};

    fn of(grammar: Grammar) -> LanguageTags {
        LanguageTags {
            grammar: Some(grammar),
            ..LanguageTags::by_name("any")
        }
    }

    /// What a look at the first lines says is what the parse says.
    #[test]
    fn a_plain_beginning_is_never_wrong() {
        let (python, javascript) = (of(Grammar::Python), of(Grammar::Javascript));
        for (text, is_plain) in [
            ("def f(x):\n    return x", true),
            (
                "\n# A comment.\nimport math, re\nfrom typing import List\n\nx = 1",
                true,
            ),
            ("async def f(): ...", true),
            ("class A:\n    pass", true),
            ("class A(B):\n    def (", true),
            ("from __future__ import annotations", false),
            ("from __future__ import annotations\n'words'", false),
            ("import React, { useState } from 'react'\n", false),
            ("import a\nfrom 'b'\n", false),
            ("import a\nfrom b import c\n", true),
            ("def: a word", false),
            ("'''\ndef f(x):\n'''", false),
            ("function f(x) { return x }", true),
            ("async function* g() {}", true),
            ("// One.\n\nconst f = (x) => x;\nf(1", true),
            ("let x = 1", true),
            ("class A {\n}", true),
            ("/*\nconst x = 1\n*/", false),
            ("let me see", false),
            ("42", false),
            ("", false),
        ] {
            let mut was_plain = false;
            for (language, other) in [(&python, &javascript), (&javascript, &python)] {
                let piece = Piece::new(text.to_owned(), language);
                if piece.begins_plainly() {
                    was_plain = true;
                    assert!(piece.facts().does_something, "{text}");
                    assert!(!Piece::new(text.to_owned(), other).parses(), "{text}");
                }
            }
            assert_eq!(was_plain, is_plain, "{text}");
        }
    }
}
