//! The cells of a case: the product of its axes, less `exclude`, more `include`, as in GitHub Actions
//! (Workflow syntax, `jobs.<job_id>.strategy.matrix`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::Value;

use super::cases::{Compiler, node_of};
use super::validate;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::escape::visible_line;
use crate::source::{Span, Spanned};
use crate::syntax::matcher::Pairs;
use crate::syntax::matrix::{Cell as WrittenCell, MatrixSpec};
use crate::syntax::model::ModelChoice;
use crate::syntax::suite::{Choice, Keys};
use crate::syntax::value::Typed;
use crate::syntax::{self, decode};
use crate::template::value_of;

/// Cells of one case. More are a mistake, or a dataset.
const CELLS_MAX: usize = 1000;

/// What stands for a language in a list.
const A_LANGUAGE: &str = "a language's name or a map such as `{name: …, interpreter: …}`";
/// What stands for a model in a list.
const A_MODEL: &str = "a model's name or a map such as `{url: …, model: …}`";

/// What a case is compiled for: all of it, or one cell of its matrix.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    /// The language, where the matrix names it.
    pub(super) language: Option<Choice>,
    /// The model that is asked, or the label of the replies.
    pub(super) model: Option<Spanned<String>>,
    /// What templates find under these names.
    pub(super) scope: Vec<(String, Value)>,
    /// What stands in the brackets of its id.
    pub(super) id: Option<Arc<str>>,
}

/// The cells of a case; one where there is no matrix.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) list: Vec<Cell>,
    /// Names that only some of them have, with the ids of those that have them not.
    pub(super) partial: BTreeMap<String, String>,
}

/// A value of an axis.
#[derive(Debug, Clone)]
struct Given {
    /// What it is compared by; of a language and a model the name.
    value: serde_json::Value,
    choice: Option<ChosenBy>,
    span: Span,
}

#[derive(Debug, Clone)]
enum ChosenBy {
    Language(Choice),
    Model(Spanned<String>),
}

impl Given {
    /// As it stands in an id.
    fn text(&self) -> String {
        match &self.value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl PartialEq for Given {
    fn eq(&self, other: &Given) -> bool {
        self.value == other.value
    }
}

/// Values by axis.
type Values = Vec<(String, Given)>;

/// The axes of a case, in the order in which their values stand in ids.
type Axes = Vec<(String, Vec<Given>)>;

/// Values of a cell, and whether `include` alone makes it.
#[derive(Debug, PartialEq)]
struct Combined {
    values: Values,
    is_added: bool,
}

/// Whether replies or questions are told apart by model.
pub(super) fn has_models(keys: &Keys) -> bool {
    let matrix = keys.matrix.as_ref().map(|matrix| &matrix.value);
    matrix.is_some_and(|matrix| matrix.models.is_some()) || models(keys).len() > 1
}

/// The variables of a case's matrix, each with its first place.
pub(super) fn variables(keys: &Keys) -> impl Iterator<Item = &Spanned<String>> {
    let matrix = keys.matrix.iter().map(|matrix| &matrix.value);
    let axes = matrix.clone().flat_map(|matrix| &matrix.variables);
    let added = matrix.flat_map(|matrix| &matrix.include);
    let mut seen = BTreeSet::from(["language", "model"]);
    axes.map(|(axis, _)| axis)
        .chain(added.flat_map(|Pairs(entry)| entry).map(|(name, _)| name))
        .filter(move |name| seen.insert(&name.value))
}

fn models(keys: &Keys) -> &[ModelChoice] {
    keys.model.as_ref().map_or(&[], |models| &models.0.0)
}

fn languages(keys: &Keys) -> &[Choice] {
    keys.language
        .as_ref()
        .map_or(&[], |languages| &languages.0.0)
}

/// The cells of a case. Of a matrix that is wrong, one that has every name, so that the rest of the
/// case can be looked at.
pub(super) fn cells(keys: &Keys, case: Span, compiler: &mut Compiler<'_>) -> Cells {
    let before = compiler.reported;
    let none = MatrixSpec::default();
    let (matrix, span) = match &keys.matrix {
        Some(matrix) => (&matrix.value, matrix.span),
        None => (&none, case),
    };
    if keys.matrix.is_some() && *matrix == none {
        compiler.report(Diagnostic::at(span, "the matrix has no axis"));
    }
    let axes = axes(keys, matrix, compiler);
    if keys.matrix.is_none() && axes.is_empty() {
        let model = models(keys).first().map(model_name);
        return Cells {
            list: vec![cell(None, model, &Vec::new(), None)],
            partial: BTreeMap::new(),
        };
    }
    check_excluded(matrix, &axes, compiler);
    let mut entries = |written: &[WrittenCell], what: &str| -> Vec<Values> {
        if written.iter().any(|Pairs(entry)| entry.is_empty()) {
            let message = format!("an entry of `{what}` is empty");
            compiler.report(Diagnostic::at(span, message));
        }
        written
            .iter()
            .map(|entry| values(entry, compiler))
            .collect()
    };
    let include = entries(&matrix.include, "include");
    let exclude = entries(&matrix.exclude, "exclude");
    let count = axes
        .iter()
        .try_fold(1_usize, |count, (_, values)| {
            count.checked_mul(values.len())
        })
        .and_then(|count| count.checked_add(include.len()));
    if count.is_none_or(|count| count > CELLS_MAX) {
        let message = format!("the matrix has more than {CELLS_MAX} cells");
        compiler.report(
            Diagnostic::at(span, message).help("many values belong to the rows of a `dataset`"),
        );
    }
    if compiler.reported > before {
        return in_place_of(&axes, &include, keys);
    }
    warn_of_idle(&axes, &exclude, compiler);
    let combined = combine(&axes, &include, &exclude);
    if combined.is_empty() {
        compiler.report(
            Diagnostic::at(
                span,
                "every cell of the matrix is excluded: there would be no case",
            )
            .help("leave an entry of `exclude` out, or narrow it with another axis"),
        );
        return in_place_of(&axes, &include, keys);
    }
    let last = axes.first().and_then(|(_, values)| values.last());
    let named_at = match (&keys.matrix, last) {
        (None, Some(last)) => last.span,
        _ => span,
    };
    let ids = ids(&axes, &combined, named_at, compiler);
    let list: Vec<Cell> = combined
        .iter()
        .zip(&ids)
        .map(|(combined, id)| {
            let model = models(keys).first().map(model_name);
            cell(None, model, &combined.values, Some(id.as_str().into()))
        })
        .collect();
    Cells {
        partial: partial(&list),
        list,
    }
}

/// What a case says of its own and the matrix that it inherits decides.
pub(super) fn report_without_effect(own: &syntax::Node, keys: &Keys, compiler: &mut Compiler<'_>) {
    let Some(matrix) = keys.matrix.as_ref().filter(|_| own.get("matrix").is_none()) else {
        return;
    };
    let axes = [
        ("language", matrix.value.languages.is_some()),
        ("model", matrix.value.models.is_some()),
    ];
    for (name, is_axis) in axes {
        let written = own.get(name).filter(|written| !written.is_nothing());
        if let Some(written) = written.filter(|_| is_axis) {
            let message =
                format!("`{name}` is an axis of the matrix that the case inherits, and says it");
            compiler.report(
                Diagnostic::at(written.span, message)
                    .help("write `matrix: ~` beside it, or a matrix of its own"),
            );
        }
    }
}

/// One cell that has every name of the matrix, with the first value of each.
fn in_place_of(axes: &Axes, include: &[Values], keys: &Keys) -> Cells {
    let first = axes
        .iter()
        .filter_map(|(axis, values)| Some((axis.clone(), values.first()?.clone())));
    let mut all: Values = first.collect();
    for (name, value) in include.iter().flatten() {
        if !all.iter().any(|(known, _)| known == name) {
            all.push((name.clone(), value.clone()));
        }
    }
    let language = languages(keys).first().cloned();
    let model = models(keys).first().map(model_name);
    Cells {
        list: vec![cell(language, model, &all, None)],
        partial: BTreeMap::new(),
    }
}

fn cell(
    mut language: Option<Choice>,
    mut model: Option<Spanned<String>>,
    values: &Values,
    id: Option<Arc<str>>,
) -> Cell {
    let mut scope = Vec::new();
    for (name, given) in values {
        match &given.choice {
            Some(ChosenBy::Language(choice)) => language = Some(choice.clone()),
            Some(ChosenBy::Model(name)) => model = Some(name.clone()),
            None => scope.push((name.clone(), value_of(&given.value))),
        }
    }
    if let Some(model) = &model {
        let name = Value::from(model.value.as_str());
        scope.push(("model".to_owned(), Value::from_pairs([("name", name)])));
    }
    Cell {
        language,
        model,
        scope,
        id,
    }
}

/// The axes in the order of ids: languages, models, then variables as they are written. A list of
/// languages or models outside the matrix is an axis too.
fn axes(keys: &Keys, matrix: &MatrixSpec, compiler: &mut Compiler<'_>) -> Axes {
    let mut axes = Axes::new();
    let in_matrix = matrix.languages.as_ref();
    let of_key = Some(languages(keys)).filter(|list| list.len() > 1);
    if let Some(choices) = in_matrix.map(|axis| axis.value.as_slice()).or(of_key) {
        let values = choices
            .iter()
            .filter_map(|choice| language(choice, compiler));
        axes.push(("language".to_owned(), values.collect()));
    }
    report_empty("language", in_matrix, compiler);
    let in_matrix = matrix.models.as_ref();
    let of_key = Some(models(keys)).filter(|list| list.len() > 1);
    if let Some(choices) = in_matrix.map(|axis| axis.value.as_slice()).or(of_key) {
        let values = choices.iter().map(|choice| model(choice, compiler));
        axes.push(("model".to_owned(), values.collect()));
    }
    report_empty("model", in_matrix, compiler);
    for (axis, values) in &matrix.variables {
        if validate::TAKEN.contains(&axis.value.as_str()) {
            compiler.report(validate::taken(&axis.value, axis.span));
        }
        report_empty(&axis.value, Some(values), compiler);
        let values = values.value.iter().map(|Typed(value)| Given {
            value: value.clone(),
            choice: None,
            span: values.span,
        });
        axes.push((axis.value.clone(), values.collect()));
    }
    axes
}

fn report_empty<T>(name: &str, axis: Option<&Spanned<Vec<T>>>, compiler: &mut Compiler<'_>) {
    if let Some(axis) = axis.filter(|axis| axis.value.is_empty()) {
        let message = format!("the axis `{name}` is empty: there would be no case");
        compiler.report(Diagnostic::at(axis.span, message));
    }
}

fn language(choice: &Choice, compiler: &mut Compiler<'_>) -> Option<Given> {
    let name = match choice {
        Choice::Name(name) => name,
        Choice::With(choice) => choice.name.as_ref()?,
        Choice::Expression(expression) => {
            compiler.report(
                Diagnostic::at(expression.span, "one of several languages is a name")
                    .help("a column that names the language stands alone: `language: {expr: …}`"),
            );
            return None;
        }
    };
    let known = match compiler.rules.language(&name.value) {
        Ok(language) => language.name.clone(),
        Err(unknown) => {
            compiler.unknown(unknown, name.span);
            name.value.clone()
        }
    };
    Some(Given {
        value: known.into(),
        choice: Some(ChosenBy::Language(choice.clone())),
        span: name.span,
    })
}

fn model(choice: &ModelChoice, compiler: &mut Compiler<'_>) -> Given {
    validate::choice_of_model(choice, compiler);
    let name = model_name(choice);
    Given {
        value: name.value.clone().into(),
        span: name.span,
        choice: Some(ChosenBy::Model(name)),
    }
}

fn model_name(choice: &ModelChoice) -> Spanned<String> {
    match choice {
        ModelChoice::Name(name) => name.clone(),
        ModelChoice::Inline(model) => model.model.clone(),
    }
}

/// An entry of `include` or `exclude`.
fn values(Pairs(entry): &WrittenCell, compiler: &mut Compiler<'_>) -> Values {
    let mut values = Values::new();
    for (name, written) in entry {
        let node = || node_of(&written.value.0, written.span);
        let given = match name.value.as_str() {
            "language" => chosen::<Choice>(&node(), A_LANGUAGE, compiler)
                .and_then(|choice| language(&choice, compiler)),
            "model" => chosen::<ModelChoice>(&node(), A_MODEL, compiler)
                .map(|choice| model(&choice, compiler)),
            taken if validate::TAKEN.contains(&taken) => {
                compiler.report(validate::taken(taken, name.span));
                None
            }
            _ => Some(Given {
                value: written.value.0.clone(),
                choice: None,
                span: written.span,
            }),
        };
        values.extend(given.map(|given| (name.value.clone(), given)));
    }
    values
}

/// A value that is no plain one, decoded from JSON: there is no tree that could say what is wrong in it.
fn chosen<T: for<'n> serde::Deserialize<'n>>(
    node: &syntax::Node,
    expected: &str,
    compiler: &mut Compiler<'_>,
) -> Option<T> {
    let decoded = decode(node).ok();
    if decoded.is_none() {
        compiler.report(Diagnostic::at(node.span, format!("expected {expected}")));
    }
    decoded
}

/// What is excluded is named by axes.
fn check_excluded(matrix: &MatrixSpec, axes: &Axes, compiler: &mut Compiler<'_>) {
    let names: BTreeSet<&str> = axes.iter().map(|(axis, _)| axis.as_str()).collect();
    for (name, _) in matrix.exclude.iter().flat_map(|Pairs(cell)| cell) {
        if !names.contains(name.value.as_str()) {
            let message = format!("`{}` is no axis of the matrix", name.value);
            compiler.report(
                Diagnostic::at(name.span, message)
                    .maybe_help(did_you_mean(&name.value, names.iter().copied())),
            );
        }
    }
}

/// Values that are excluded though their axis has them not.
fn warn_of_idle(axes: &Axes, exclude: &[Values], compiler: &mut Compiler<'_>) {
    for (name, value) in exclude.iter().flatten() {
        let has_it = |(axis, values): &(String, Vec<Given>)| axis == name && values.contains(value);
        if !axes.iter().any(has_it) {
            let message = format!(
                "the axis `{name}` has no value `{}`: nothing is excluded",
                visible_line(&value.text())
            );
            compiler
                .warnings
                .push(Diagnostic::warning(value.span, message));
        }
    }
}

/// The product of the axes without what an entry of `exclude` agrees with. Then each entry of
/// `include` adds its values to every cell of that product with which it agrees; with none, it is a
/// cell of its own.
fn combine(axes: &Axes, include: &[Values], exclude: &[Values]) -> Vec<Combined> {
    let mut product: Vec<Values> = Vec::new();
    for (index, (axis, values)) in axes.iter().enumerate() {
        let before = if index == 0 {
            vec![Vec::new()]
        } else {
            product
        };
        product = before
            .iter()
            .flat_map(|cell| {
                values.iter().map(move |value| {
                    let mut cell = cell.clone();
                    cell.push((axis.clone(), value.clone()));
                    cell
                })
            })
            .collect();
    }
    product.retain(|cell| {
        !exclude
            .iter()
            .any(|entry| entry.iter().all(|pair| cell.contains(pair)))
    });
    let mut cells: Vec<Combined> = product
        .into_iter()
        .map(|values| Combined {
            values,
            is_added: false,
        })
        .collect();
    let originals = cells.len();
    for entry in include {
        let mut is_added = false;
        for cell in &mut cells[..originals] {
            let (own, _) = cell.values.split_at(axes.len());
            let agrees = |(name, value): &(String, Given)| {
                own.iter().all(|(axis, own)| axis != name || own == value)
            };
            if entry.iter().all(agrees) {
                is_added = true;
                add(entry, axes.len(), &mut cell.values);
            }
        }
        if !is_added {
            cells.push(Combined {
                values: in_order(entry, axes),
                is_added: true,
            });
        }
    }
    cells
}

/// Adds what is not an axis to a cell; what an earlier entry added is replaced.
fn add(entry: &Values, axes: usize, cell: &mut Values) {
    for (name, value) in entry {
        match cell.iter().position(|(known, _)| known == name) {
            Some(at) if at < axes => {}
            Some(at) => cell[at].1 = value.clone(),
            None => cell.push((name.clone(), value.clone())),
        }
    }
}

/// The values of an entry in the order of ids.
fn in_order(entry: &Values, axes: &Axes) -> Values {
    let rank = |name: &str| match name {
        "language" => 0,
        "model" => 1,
        _ => {
            2 + axes
                .iter()
                .position(|(axis, _)| axis == name)
                .unwrap_or(axes.len())
        }
    };
    let mut values = entry.clone();
    values.sort_by_key(|(name, _)| rank(name));
    values
}

/// What stands in the brackets of each cell's id: the values of the axes; of a cell that `include`
/// makes, all of its values.
fn ids(axes: &Axes, cells: &[Combined], span: Span, compiler: &mut Compiler<'_>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut taken = BTreeSet::new();
    for cell in cells {
        let shown = if cell.is_added {
            cell.values.len()
        } else {
            axes.len()
        };
        let texts: Vec<String> = cell.values[..shown]
            .iter()
            .map(|(name, given)| {
                let text = given.text();
                let safe = visible_line(&text);
                if safe != text {
                    let message = format!("the value `{safe}` of `{name}` holds control characters, and cases are named after it");
                    compiler.report(Diagnostic::at(given.span, message).help(
                        "give the axis short values, and write what they stand for under `vars` or in the template",
                    ));
                }
                text
            })
            .collect();
        let id = texts.join(",");
        if !taken.insert(id.clone()) {
            let message = format!(
                "two cells of the matrix are named `[{}]`",
                visible_line(&id)
            );
            compiler.report(
                Diagnostic::at(span, message).help("each value of an axis stands there once"),
            );
        }
        ids.push(id);
    }
    ids
}

/// Names that not every cell has, with the ids of those without.
fn partial(cells: &[Cell]) -> BTreeMap<String, String> {
    let has = |cell: &Cell, name: &str| cell.scope.iter().any(|(known, _)| known == name);
    let names: BTreeSet<&String> = cells
        .iter()
        .flat_map(|cell| cell.scope.iter().map(|(name, _)| name))
        .collect();
    let mut partial = BTreeMap::new();
    for name in names {
        let without: Vec<String> = cells
            .iter()
            .filter(|cell| !has(cell, name))
            .filter_map(|cell| Some(format!("`[{}]`", cell.id.as_ref()?)))
            .collect();
        if let [first, more @ ..] = &without[..] {
            let more = match more.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            partial.insert(name.clone(), format!("{first}{more}"));
        }
    }
    partial
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Axes, Given, Values, combine};
    use crate::source::Span;

    fn given(value: &Value) -> Given {
        Given {
            value: value.clone(),
            choice: None,
            span: Span::default(),
        }
    }

    fn entries(list: &Value) -> Vec<Values> {
        let entry = |entry: &Value| {
            let pairs = entry.as_object().unwrap().iter();
            pairs
                .map(|(name, value)| (name.clone(), given(value)))
                .collect()
        };
        list.as_array().into_iter().flatten().map(entry).collect()
    }

    /// A matrix as GitHub writes it, and its cells, each as a map.
    fn cells(matrix: &Value) -> Vec<Value> {
        let axes: Axes = matrix
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !["include", "exclude"].contains(&name.as_str()))
            .map(|(name, values)| {
                let values = values.as_array().unwrap().iter();
                (name.clone(), values.map(given).collect())
            })
            .collect();
        combine(
            &axes,
            &entries(&matrix["include"]),
            &entries(&matrix["exclude"]),
        )
        .into_iter()
        .map(|cell| {
            let values = cell.values.into_iter();
            Value::Object(values.map(|(name, given)| (name, given.value)).collect())
        })
        .collect()
    }

    #[test]
    fn cells_are_those_of_github_actions() {
        // The examples of "Running variations of jobs in a workflow" in GitHub's documentation.
        let table = [
            (
                json!({"version": [10, 12, 14], "os": ["ubuntu-latest", "windows-latest"]}),
                json!([
                    {"version": 10, "os": "ubuntu-latest"},
                    {"version": 10, "os": "windows-latest"},
                    {"version": 12, "os": "ubuntu-latest"},
                    {"version": 12, "os": "windows-latest"},
                    {"version": 14, "os": "ubuntu-latest"},
                    {"version": 14, "os": "windows-latest"},
                ]),
            ),
            (
                json!({
                    "fruit": ["apple", "pear"], "animal": ["cat", "dog"],
                    "include": [
                        {"color": "green"},
                        {"color": "pink", "animal": "cat"},
                        {"fruit": "apple", "shape": "circle"},
                        {"fruit": "banana"},
                        {"fruit": "banana", "animal": "cat"},
                    ],
                }),
                json!([
                    {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
                    {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
                    {"fruit": "pear", "animal": "cat", "color": "pink"},
                    {"fruit": "pear", "animal": "dog", "color": "green"},
                    {"fruit": "banana"},
                    {"fruit": "banana", "animal": "cat"},
                ]),
            ),
            // Expanding configurations.
            (
                json!({
                    "os": ["windows-latest", "ubuntu-latest"], "node": [14, 16],
                    "include": [{"os": "windows-latest", "node": 16, "npm": 6}],
                }),
                json!([
                    {"os": "windows-latest", "node": 14},
                    {"os": "windows-latest", "node": 16, "npm": 6},
                    {"os": "ubuntu-latest", "node": 14},
                    {"os": "ubuntu-latest", "node": 16},
                ]),
            ),
            // Adding configurations.
            (
                json!({
                    "os": ["macos-latest", "windows-latest"], "version": [12, 14],
                    "include": [{"os": "windows-latest", "version": 17}],
                }),
                json!([
                    {"os": "macos-latest", "version": 12},
                    {"os": "macos-latest", "version": 14},
                    {"os": "windows-latest", "version": 12},
                    {"os": "windows-latest", "version": 14},
                    {"os": "windows-latest", "version": 17},
                ]),
            ),
            (
                json!({"include": [{"site": "production"}, {"site": "staging"}]}),
                json!([{"site": "production"}, {"site": "staging"}]),
            ),
            // Excluding configurations: a part is enough, and what is included comes after.
            (
                json!({
                    "os": ["macos-latest", "windows-latest"], "version": [12, 14],
                    "environment": ["staging", "production"],
                    "exclude": [
                        {"os": "macos-latest", "version": 12, "environment": "production"},
                        {"os": "windows-latest", "version": 14},
                    ],
                }),
                json!([
                    {"os": "macos-latest", "version": 12, "environment": "staging"},
                    {"os": "macos-latest", "version": 14, "environment": "staging"},
                    {"os": "macos-latest", "version": 14, "environment": "production"},
                    {"os": "windows-latest", "version": 12, "environment": "staging"},
                    {"os": "windows-latest", "version": 12, "environment": "production"},
                ]),
            ),
            (
                json!({"a": [1, 2], "exclude": [{"a": 1}], "include": [{"a": 1, "b": 3}]}),
                json!([{"a": 2}, {"a": 1, "b": 3}]),
            ),
            (json!({"a": [1], "exclude": [{"a": 1}]}), json!([])),
            // Typed: the text `1` is not the number.
            (
                json!({"a": [1, "1"], "exclude": [{"a": "1"}]}),
                json!([{"a": 1}]),
            ),
        ];
        for (matrix, wanted) in table {
            assert_eq!(Value::Array(cells(&matrix)), wanted, "{matrix}");
        }
    }
}
