//! Is a text code of a language? By a compiled-in grammar, else by the language's patterns.

use std::cell::OnceCell;

use tree_sitter::{Node, Parser, Tree};

use super::names::{self, Names};
use super::{Grammar, LanguageTags, any_match};

/// Bytes of a text that are parsed; longer ones are what their tag says.
const PARSED_MAX: usize = 256 * 1024;

/// What is known of a text as code of a language.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Syntax errors; none where nothing can tell.
    pub(super) errors: usize,
    /// Whether it does more than name a value, as output such as `42` or a word of prose do.
    pub(super) does_something: bool,
    /// Whether it is code of the language.
    pub(super) parses: bool,
    /// Whether it does more than set names, as settings in a file do too.
    pub(super) acts: bool,
    /// Whether it returns outside of any function: a part of one.
    pub(super) is_fragment: bool,
    names: OnceCell<Names>,
    /// What the names are found in, where a grammar finds them.
    tree: Option<(Tree, Grammar)>,
}

impl Facts {
    /// What the text, the one that was looked at, defines and needs.
    pub(super) fn names(&self, text: &str) -> &Names {
        self.names.get_or_init(|| match &self.tree {
            Some((tree, grammar)) => names::of_tree(tree.root_node(), text, *grammar),
            None => Names::default(),
        })
    }
}

/// Looks at a text.
pub(super) fn facts(text: &str, language: &LanguageTags) -> Facts {
    let is_blank = text.trim().is_empty();
    let Some(grammar) = language.grammar else {
        return Facts {
            errors: 0,
            acts: true,
            is_fragment: false,
            does_something: !is_blank,
            parses: !is_blank && any_match(&language.looks_like, text),
            names: names::of_words(text, &language.declares).into(),
            tree: None,
        };
    };
    if text.len() > PARSED_MAX {
        return Facts {
            errors: 0,
            acts: true,
            is_fragment: false,
            does_something: true,
            // Not known: only a tag can say so.
            parses: false,
            names: names::of_words(text, &language.declares).into(),
            tree: None,
        };
    }
    let Some(tree) = tree(text, grammar) else {
        return Facts::default();
    };
    let errors = errors_of(&tree);
    let (does_something, acts) = activity(tree.root_node(), text);
    Facts {
        errors,
        acts,
        is_fragment: returns_outside(tree.root_node()),
        does_something: errors > 0 || does_something,
        parses: !is_blank && errors == 0 && does_something,
        names: OnceCell::new(),
        tree: Some((tree, grammar)),
    }
}

/// Whether a text is code of the language.
pub(super) fn parses(text: &str, language: &LanguageTags) -> bool {
    !text.trim().is_empty() && facts(text, language).parses
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
