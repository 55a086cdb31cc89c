//! Files of rows: datasets, which of their rows count, and saved samples that are joined with them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use minijinja::value::{Enumerator, Object, Value, ValueKind};

use super::cases::Compiler;
use super::plan::CasePlan;
use super::render::{Rendering, Text};
use super::resolve_path;
use crate::diagnostic::{Diagnostic, RowPlace};
use crate::source::{Sources, Spanned};
use crate::syntax::suite::{BadRow, DatasetSpec, Format, SavedSamples};
use crate::template::value_of;

/// A file of rows.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// Whether it is packed with gzip.
    pub is_packed: bool,
}

impl DataFile {
    /// A file that is what its ending says: `.jsonl` and all that says nothing is JSONL, and `.gz`
    /// may follow. A format that is written goes before the ending.
    pub fn new(path: PathBuf, written: Option<Format>) -> DataFile {
        let name = path.to_string_lossy();
        let unpacked = name.strip_suffix(".gz");
        let is_packed = unpacked.is_some();
        let format = match unpacked.unwrap_or(&name).rsplit_once('.') {
            Some((_, "csv")) => Format::Csv,
            Some((_, "json")) => Format::Json,
            _ => Format::Jsonl,
        };
        DataFile {
            format: written.unwrap_or(format),
            is_packed,
            path,
        }
    }
}

/// A dataset, its file resolved.
#[derive(Debug, Clone)]
pub struct DatasetPlan {
    /// The file.
    pub file: DataFile,
    /// The file as written, with its place.
    pub written: Spanned<String>,
    pub(super) name: Option<Text>,
    pub(super) condition: Option<Text>,
    /// How many rows count at most.
    pub limit: Option<u32>,
    /// The seed of the random order, where rows come in one.
    pub seed: Option<u64>,
    /// Whether bad rows are left out.
    pub skips_bad_rows: bool,
}

impl DatasetPlan {
    /// Whether rows have names of their own, and not their lines.
    pub fn names_rows(&self) -> bool {
        self.name.is_some()
    }
}

/// Saved samples, their file resolved.
#[derive(Debug, Clone)]
pub struct SamplesPlan {
    /// The file.
    pub file: DataFile,
    /// The file as written, with its place.
    pub written: Spanned<String>,
    /// The column that names the dataset's row, in both files.
    pub join: Spanned<String>,
    /// The column that has the reply.
    pub field: Spanned<String>,
    /// Whether other cases of the suite read the file too, so that none of them asks for all of it.
    pub is_shared: bool,
}

impl DatasetPlan {
    /// Whether a condition may keep rows from counting.
    pub fn is_narrowed(&self) -> bool {
        self.condition.is_some()
    }
}

/// A row of a dataset.
#[derive(Debug, Clone)]
pub struct Row {
    /// The file, as it is shown to people.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// Where in the line it begins, 1-based, in characters.
    pub column: usize,
    /// What names it where the dataset does not: its line, or its number in a JSON list.
    pub number: usize,
    /// The columns.
    pub columns: serde_json::Map<String, serde_json::Value>,
}

impl Row {
    /// The place of the row's beginning.
    pub fn place(&self) -> RowPlace {
        let text = serde_json::to_string(&self.columns).unwrap_or_default();
        RowPlace {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            text: text.chars().take(100).collect(),
            skipped: self.column - 1,
        }
    }

    pub(super) fn value(&self) -> Value {
        let columns = self.columns.iter();
        Value::from_pairs(columns.map(|(key, value)| (key.as_str(), value_of(value))))
    }
}

impl Compiler<'_> {
    /// The dataset, unless something is wrong with it.
    pub(super) fn dataset(&mut self, written: &DatasetSpec) -> Option<DatasetPlan> {
        let path = self.path(&written.file);
        // A row has its name before there is a case, and whether it counts is known before that.
        let name = written.name.as_ref();
        let name = name.map(|name| self.without_names(&["case"], |compiler| compiler.text(name)));
        let condition = written.r#where.as_ref().map(|condition| {
            self.without_names(&["language", "case"], |compiler| {
                compiler.expression(condition)
            })
        });
        let (name, condition) = match (name, condition) {
            // What is wrong has been told.
            (Some(None), _) | (_, Some(None)) => return None,
            (name, condition) => (name.flatten(), condition.flatten()),
        };
        let file = DataFile::new(path, written.format.as_ref().map(|format| format.value));
        let shuffle = written.shuffle.as_ref().filter(|shuffle| shuffle.value);
        if let Some(shuffle) = shuffle.filter(|_| file.is_packed) {
            let message = "a packed file cannot be shuffled: its rows are read one after the other";
            let help = "unpack the file, or leave `shuffle` out";
            self.report(Diagnostic::at(shuffle.span, message).help(help));
            return None;
        }
        let seed = written.seed.as_ref().map_or(0, |seed| seed.value);
        Some(DatasetPlan {
            file,
            written: written.file.clone(),
            name,
            condition,
            limit: written.limit.as_ref().map(|limit| limit.value),
            seed: shuffle.map(|_| seed),
            skips_bad_rows: written
                .on_bad_row
                .as_ref()
                .is_some_and(|on| on.value == BadRow::Skip),
        })
    }

    pub(super) fn saved_samples(&self, written: &SavedSamples) -> SamplesPlan {
        SamplesPlan {
            file: DataFile::new(self.path(&written.file), None),
            written: written.file.clone(),
            join: written.join.clone(),
            field: written.field.clone(),
            is_shared: false,
        }
    }

    fn path(&self, written: &Spanned<String>) -> PathBuf {
        let directory = &self.sources.get(written.span.source).directory;
        resolve_path(directory, &written.value)
    }
}

impl CasePlan {
    /// Whether a row of the dataset counts: what `where` says of it.
    ///
    /// # Errors
    /// When the row lacks a column, or `where` is neither true nor false.
    pub fn counts(&self, row: &Row, sources: &Sources) -> Result<bool, Diagnostic> {
        let condition = self
            .dataset
            .as_ref()
            .and_then(|dataset| dataset.condition.as_ref());
        let Some(condition) = condition else {
            return Ok(true);
        };
        let columns = Arc::new(Looked {
            columns: row.value(),
            missing: OnceLock::new(),
        });
        let mut scope = self.variables();
        scope.push(("row", Value::from_dyn_object(Arc::clone(&columns))));
        let rendering = self.rendering(&scope, Some(row), sources);
        let value = rendering.value(condition);
        match columns.missing.get() {
            Some(missing) if !asks_for_columns(condition) => {
                Err(rendering.missing_column(missing, condition.span(), row))
            }
            _ => is_true(&value?, condition, &rendering),
        }
    }
}

fn is_true(value: &Value, condition: &Text, rendering: &Rendering<'_>) -> Result<bool, Diagnostic> {
    if value.kind() == ValueKind::Bool {
        return Ok(value.is_true());
    }
    let message = format!("`where` yields {}, and not true or false", noun(value));
    Err(rendering.problem(condition.span(), message))
}

fn noun(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::String => "text",
        ValueKind::Number => "a number",
        ValueKind::None => "null",
        ValueKind::Map => "a map",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        _ => "something else",
    }
}

/// Whether an expression says itself what becomes of a column that is not there.
fn asks_for_columns(condition: &Text) -> bool {
    let text = match condition {
        Text::Fixed(text) | Text::Template { text, .. } | Text::Expression { text, .. } => text,
    };
    ["defined", "default", "in row"]
        .iter()
        .any(|word| text.value.contains(word))
}

/// A row's columns that note the first one that is looked for in vain: to an expression, what is
/// undefined just is not equal to anything.
#[derive(Debug)]
struct Looked {
    columns: Value,
    missing: OnceLock<String>,
}

impl Object for Looked {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let found = self.columns.get_item(key).ok();
        let found = found.filter(|value| !value.is_undefined());
        if found.is_none() {
            self.missing.get_or_init(|| key.to_string());
        }
        found
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = self.columns.try_iter().into_iter().flatten();
        Enumerator::Values(keys.collect())
    }
}
