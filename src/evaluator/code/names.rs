//! The names that a piece of code defines and those it needs from elsewhere: what decides whether a
//! block goes on where another ended.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::super::LazyRegex;
use regex::Regex;
use tree_sitter::Node;

use super::Grammar;

/// The names in a piece of code.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Functions, classes and types that it declares at the top.
    pub(super) declared: BTreeSet<String>,
    /// Variables that it sets at the top, where a language lets them be set again.
    pub(super) set: BTreeSet<String>,
    /// Variables that cannot be declared twice: `let`, `const`, `class` of JavaScript.
    pub(super) once: BTreeSet<String>,
    /// Modules and what is imported from them.
    pub(super) imported: BTreeSet<String>,
    /// Names that it uses and nothing in it binds.
    pub(super) needed: BTreeSet<String>,
}

impl Names {
    /// Whether it gives one of these names.
    pub(super) fn gives(&self, needed: &BTreeSet<String>) -> bool {
        let own = [&self.declared, &self.set, &self.once, &self.imported];
        own.iter().any(|names| match names.len() < needed.len() {
            true => names.iter().any(|name| needed.contains(name)),
            false => needed.iter().any(|name| names.contains(name)),
        })
    }

    /// Whether it declares or imports one of these names.
    pub(super) fn declares(&self, needed: &BTreeSet<String>) -> bool {
        [&self.declared, &self.once, &self.imported]
            .iter()
            .any(|names| !names.is_disjoint(needed))
    }

    /// Whether it gives this name.
    pub(super) fn has(&self, name: &str) -> bool {
        [&self.declared, &self.set, &self.once, &self.imported]
            .iter()
            .any(|names| names.contains(name))
    }

    /// Takes in what another piece gives.
    pub(super) fn extend(&mut self, other: &Names) {
        self.declared.extend(other.declared.iter().cloned());
        self.set.extend(other.set.iter().cloned());
        self.once.extend(other.once.iter().cloned());
        self.imported.extend(other.imported.iter().cloned());
    }
}

enum Role {
    Declares,
    Sets,
    SetsOnce,
    Imports,
    Uses,
    Nothing,
}

/// The names in parsed code.
pub(super) fn of_tree(root: Node<'_>, code: &str, grammar: Grammar) -> Names {
    let mut names = Names::default();
    let mut bound = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut cursor = root.walk();
    // The nodes that enclose the cursor's, the outermost first. Asking a node for its parent would
    // begin at the root each time.
    let mut path: Vec<Node<'_>> = Vec::new();
    let mut scopes = 0usize;
    loop {
        let node = cursor.node();
        if node.child_count() == 0 && is_name(node) && !path.is_empty() {
            let field = cursor.field_name();
            let role = match grammar {
                Grammar::Python => python_role(node, &path, field),
                Grammar::Javascript => javascript_role(node, &path, field),
            };
            let text = code.get(node.byte_range()).unwrap_or_default().to_owned();
            // The name of a function or class belongs to what encloses it.
            let is_own =
                field == Some("name") && path.last().is_some_and(|last| opens_scope(*last));
            let target = match role {
                Role::Nothing => None,
                Role::Uses => Some(&mut used),
                _ if scopes > usize::from(is_own) => Some(&mut bound),
                Role::Declares => Some(&mut names.declared),
                Role::Sets => Some(&mut names.set),
                Role::SetsOnce => Some(&mut names.once),
                Role::Imports => Some(&mut names.imported),
            };
            if let Some(target) = target {
                target.insert(text);
            }
        }
        if cursor.goto_first_child() {
            scopes += usize::from(opens_scope(node));
            path.push(node);
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                names.needed = used
                    .into_iter()
                    .filter(|name| !bound.contains(name) && !names.has(name))
                    .collect();
                return names;
            }
            scopes -= usize::from(path.pop().is_some_and(opens_scope));
        }
    }
}

fn is_name(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "identifier" | "shorthand_property_identifier" | "shorthand_property_identifier_pattern"
    )
}

/// Whether names bound in a node are its own.
pub(super) fn opens_scope(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "function_definition"
            | "class_definition"
            | "lambda"
            | "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression"
            | "function_declaration"
            | "generator_function_declaration"
            | "function_expression"
            | "generator_function"
            | "arrow_function"
            | "method_definition"
            | "class_declaration"
            | "class"
    )
}

/// How deep patterns in one another are looked through.
const PATTERNS_MAX: usize = 16;

/// The first ancestor that is no pattern, and its child on the way to the node.
fn target<'t>(node: Node<'t>, path: &[Node<'t>], patterns: &[&str]) -> (Node<'t>, Node<'t>) {
    let mut child = node;
    for parent in path.iter().rev().take(PATTERNS_MAX) {
        if !patterns.contains(&parent.kind()) {
            return (child, *parent);
        }
        child = *parent;
    }
    (child, child)
}

fn python_role(node: Node<'_>, path: &[Node<'_>], field: Option<&str>) -> Role {
    let Some((parent, above)) = path.split_last() else {
        return Role::Nothing;
    };
    match (parent.kind(), field) {
        ("attribute", Some("attribute")) | ("keyword_argument", Some("name")) => {
            return Role::Nothing;
        }
        ("function_definition" | "class_definition", Some("name")) => return Role::Declares,
        ("parameters" | "lambda_parameters" | "typed_parameter", _) if field != Some("type") => {
            return Role::Sets;
        }
        ("default_parameter" | "typed_default_parameter", Some("name")) => return Role::Sets,
        ("aliased_import", Some("alias")) => return Role::Imports,
        ("dotted_name", _) => {
            let Some(import) = above.last() else {
                return Role::Nothing;
            };
            let is_first = parent.child(0).is_some_and(|first| first == node);
            let is_name = import.child_by_field_name("module_name") != Some(*parent);
            return match import.kind() {
                "import_statement" | "import_from_statement" if is_first && is_name => {
                    Role::Imports
                }
                "import_statement"
                | "import_from_statement"
                | "aliased_import"
                | "future_import_statement" => Role::Nothing,
                _ => Role::Uses,
            };
        }
        ("as_pattern_target", _) | ("named_expression", Some("name")) => return Role::Sets,
        _ => {}
    }
    let patterns = [
        "pattern_list",
        "tuple_pattern",
        "list_pattern",
        "list_splat_pattern",
        "dictionary_splat_pattern",
    ];
    let (child, target) = target(node, path, &patterns);
    let is_left = target.child_by_field_name("left") == Some(child);
    match target.kind() {
        "assignment" | "for_statement" | "for_in_clause" if is_left => Role::Sets,
        "parameters" | "lambda_parameters" => Role::Sets,
        _ => Role::Uses,
    }
}

fn javascript_role(node: Node<'_>, path: &[Node<'_>], field: Option<&str>) -> Role {
    let Some((parent, _)) = path.split_last() else {
        return Role::Nothing;
    };
    match (parent.kind(), field) {
        ("function_declaration" | "generator_function_declaration", Some("name")) => {
            return Role::Declares;
        }
        ("class_declaration", Some("name")) => return Role::SetsOnce,
        ("function_expression" | "class" | "generator_function", Some("name")) => {
            return Role::Sets;
        }
        ("import_specifier", Some("name")) if parent.child_by_field_name("alias").is_some() => {
            return Role::Nothing;
        }
        ("import_specifier" | "import_clause" | "namespace_import", _) => return Role::Imports,
        _ => {}
    }
    let patterns = [
        "array_pattern",
        "object_pattern",
        "pair_pattern",
        "rest_pattern",
        "assignment_pattern",
        "object_assignment_pattern",
    ];
    if parent.kind() == "assignment_pattern" && field == Some("right") {
        return Role::Uses;
    }
    let (child, target) = target(node, path, &patterns);
    let is = |name: &str| target.child_by_field_name(name) == Some(child);
    match target.kind() {
        "variable_declarator" if is("name") => {
            let at = path.iter().rposition(|outer| *outer == target);
            let declaration = at.and_then(|at| path.get(at.checked_sub(1)?));
            let is_import = target
                .child_by_field_name("value")
                .and_then(|value| value.child_by_field_name("function").or(Some(value)))
                .is_some_and(|function| function.kind() == "import");
            match declaration.map(|declaration| declaration.kind()) {
                Some("lexical_declaration") if !is_import => Role::SetsOnce,
                _ => Role::Sets,
            }
        }
        "formal_parameters" => Role::Sets,
        "arrow_function" if is("parameter") => Role::Sets,
        "catch_clause" if is("parameter") => Role::Sets,
        "for_in_statement" if is("left") => Role::Sets,
        _ => Role::Uses,
    }
}

static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z_$][\w$]*").expect("the pattern is right"));

/// The names in code of a language without a grammar: `declares` are the language's patterns for
/// what is declared at the top.
pub(super) fn of_words(code: &str, declares: &[LazyRegex]) -> Names {
    let mut names = Names::default();
    for groups in declares
        .iter()
        .flat_map(|pattern| pattern.captures_iter(code))
    {
        let name = groups.iter().skip(1).flatten().next();
        names
            .declared
            .extend(name.map(|name| name.as_str().to_owned()));
    }
    names.needed = WORD
        .find_iter(code)
        .map(|word| word.as_str().to_owned())
        .filter(|word| !names.declared.contains(word))
        .collect();
    names
}
