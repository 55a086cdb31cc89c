//! Saved replies: the rows of a file that belong to a key, found without holding the file. What is
//! kept grows with the number of rows, and not with their size.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::dataset::{RowFile, Start};
use crate::compile::Row;
use crate::diagnostic::{Diagnostic, did_you_mean};

/// A file of saved replies, each with the key of what it replies to.
#[derive(Debug)]
pub struct SavedReplies {
    file: RowFile,
    shown: String,
    key: String,
    field: String,
    /// Sorted by hash; rows of one key stay in the order of the file.
    index: Vec<Entry>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    start: Start,
    is_asked_for: bool,
}

/// Rows that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unasked {
    /// How many.
    pub count: usize,
    /// The key of the first.
    pub key: String,
    /// The file, as it is shown to people.
    pub file: String,
}

impl SavedReplies {
    /// Reads a file once, to know where the rows of each key are.
    ///
    /// # Errors
    /// The first row that is bad: one that is not read, or has no such columns.
    pub(super) fn index(
        file: RowFile,
        shown: String,
        key: &str,
        field: &str,
    ) -> Result<SavedReplies, Diagnostic> {
        let mut saved = SavedReplies {
            file,
            shown,
            key: key.to_owned(),
            field: field.to_owned(),
            index: Vec::new(),
            hasher: RandomState::new(),
        };
        while let Some(start) = saved.file.advance()? {
            let row = saved.file.row(start)?;
            let key = text_in(&row, &saved.key)?;
            text_in(&row, &saved.field)?;
            saved.index.push(Entry {
                hash: saved.hasher.hash_one(key),
                start,
                is_asked_for: false,
            });
        }
        saved.index.sort_by_key(|entry| entry.hash);
        Ok(saved)
    }

    /// The replies of a key, in the order of the file.
    ///
    /// # Errors
    /// When the file is no longer what it was.
    pub fn of(&mut self, key: &str) -> Result<Vec<String>, Diagnostic> {
        let hash = self.hasher.hash_one(key);
        let begin = self.index.partition_point(|entry| entry.hash < hash);
        let mut replies = Vec::new();
        for entry in &mut self.index[begin..] {
            if entry.hash != hash {
                break;
            }
            self.file.go_past(entry.start)?;
            let row = self.file.row(entry.start)?;
            if text_in(&row, &self.key)? == key {
                entry.is_asked_for = true;
                replies.push(text_in(&row, &self.field)?);
            }
        }
        Ok(replies)
    }

    /// The rows that nobody asked for; none where there are none.
    pub fn unasked(&mut self) -> Option<Unasked> {
        let unasked = self.index.iter().filter(|entry| !entry.is_asked_for);
        let first = unasked.clone().min_by_key(|entry| entry.start.line())?;
        let (count, start) = (unasked.count(), first.start);
        self.file.go_past(start).ok()?;
        let row = self.file.row(start).ok()?;
        Some(Unasked {
            count,
            key: text_in(&row, &self.key).ok()?,
            file: self.shown.clone(),
        })
    }

    /// The file, as it is shown to people.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// The text of a column: of a text what it says, of a number or a truth value its JSON text.
///
/// # Errors
/// When the row has no such column, or it is no text.
pub fn text_in(row: &Row, column: &str) -> Result<String, Diagnostic> {
    let noun = match row.columns.get(column) {
        Some(serde_json::Value::String(text)) => return Ok(text.clone()),
        Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
            return Ok(value.to_string());
        }
        Some(serde_json::Value::Null) => "null",
        Some(serde_json::Value::Array(_)) => "a list",
        Some(serde_json::Value::Object(_)) => "a map",
        None => {
            let help = did_you_mean(column, row.columns.keys().map(String::as_str));
            let message = format!("the row has no column `{column}`");
            return Err(Diagnostic::in_row(row.place(), message).maybe_help(help));
        }
    };
    let message = format!("the column `{column}` is {noun}, and not text");
    Err(Diagnostic::in_row(row.place(), message))
}
