//! Is a text code of a language? By a compiled-in grammar, else by the language's patterns.

use tree_sitter::{Node, Parser};

use super::{Grammar, LanguageTags};

/// Bytes of a text that are parsed; longer ones are taken at their word.
const PARSED_MAX: usize = 256 * 1024;

/// Whether a text is code of the language.
pub(super) fn parses(text: &str, language: &LanguageTags) -> bool {
    if text.trim().is_empty() {
        return false;
    }
    match language.grammar {
        Some(grammar) => errors(text, grammar) == 0 && is_code(text, grammar),
        None => language
            .looks_like
            .iter()
            .any(|pattern| pattern.is_match(text)),
    }
}

/// Syntax errors of a text; a text too long to parse has none.
pub(super) fn errors(text: &str, grammar: Grammar) -> usize {
    if text.len() > PARSED_MAX {
        return 0;
    }
    let Some(tree) = tree(text, grammar) else {
        return 1;
    };
    let mut count = 0;
    if !tree.root_node().has_error() {
        return 0;
    }
    walk(tree.root_node(), &mut |node| {
        count += usize::from(node.is_error() || node.is_missing())
    });
    count.max(1)
}

fn tree(text: &str, grammar: Grammar) -> Option<tree_sitter::Tree> {
    let mut parser = Parser::new();
    let language = match grammar {
        Grammar::Python => tree_sitter_python::LANGUAGE.into(),
        Grammar::Javascript => tree_sitter_javascript::LANGUAGE.into(),
    };
    parser.set_language(&language).ok()?;
    parser.parse(text, None)
}

/// More than a bare word or value: prose of one word, output such as `42` or `[1, 2]` parse too.
pub(super) fn is_code(text: &str, grammar: Grammar) -> bool {
    let Some(tree) = (text.len() <= PARSED_MAX)
        .then(|| tree(text, grammar))
        .flatten()
    else {
        return true;
    };
    let mut found = false;
    walk(tree.root_node(), &mut |node| {
        found |= matches!(
            node.kind(),
            "call"
                | "call_expression"
                | "new_expression"
                | "assignment"
                | "assignment_expression"
                | "augmented_assignment"
                | "function_definition"
                | "function_declaration"
                | "class_definition"
                | "class_declaration"
                | "lexical_declaration"
                | "variable_declaration"
                | "import_statement"
                | "import_from_statement"
                | "export_statement"
                | "arrow_function"
                | "for_statement"
                | "while_statement"
                | "return_statement"
                | "print_statement"
        );
    });
    found
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
