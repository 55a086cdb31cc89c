//! The cases that a dataset's rows make: their names, their saved replies, and what is wrong.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::path::Path;

use crate::compile::{CasePlan, Row};
use crate::diagnostic::{Diagnostic, RowPlace};
use crate::evaluator::{CaseId, Evaluator, Reply};
use crate::project::{Project, Rows, SavedReplies, Unread, text_in};

/// What a row makes.
#[derive(Debug)]
pub enum Made {
    /// A case.
    Case(Box<Evaluator>),
    /// None: the row is bad, and the suite leaves such rows out.
    Skipped(RowPlace),
    /// None, and that is an error.
    Bad(Diagnostic),
}

/// The cases of a dataset's rows, one after the other.
#[derive(Debug)]
pub struct RowCases<'p> {
    case: &'p CasePlan,
    project: &'p Project,
    rows: Rows<'p>,
    names: Names,
    saved: Option<SavedReplies>,
    skips_bad_rows: bool,
}

impl<'p> RowCases<'p> {
    /// The cases of a dataset; none without a dataset. `replies` stands in for the file of saved
    /// samples that the suite names.
    ///
    /// # Errors
    /// When the dataset or the saved samples cannot be read.
    pub fn open(
        case: &'p CasePlan,
        project: &'p Project,
        replies: Option<&Path>,
    ) -> Result<Option<RowCases<'p>>, Diagnostic> {
        let (Some(dataset), Some(rows)) = (&case.dataset, project.rows(case)?) else {
            return Ok(None);
        };
        Ok(Some(RowCases {
            case,
            project,
            rows,
            names: Names::default(),
            saved: project.saved_samples(case, replies)?,
            skips_bad_rows: dataset.skips_bad_rows,
        }))
    }

    /// What the next row makes whose id is wanted. A row without an id is named after its number.
    pub fn next(&mut self, wants: impl Fn(&CaseId) -> bool) -> Option<(CaseId, Made)> {
        loop {
            let row = match self.rows.next()? {
                Ok(row) => row,
                Err(Unread::Row { number, diagnostic }) => {
                    return Some((self.unnamed(number), self.bad_row(diagnostic)));
                }
                Err(Unread::File(diagnostic)) => {
                    return Some((self.case.id.clone(), Made::Bad(diagnostic)));
                }
            };
            let id = match self.case.id_of(&row, &self.project.sources) {
                Ok(id) => id,
                Err(diagnostic) => {
                    return Some((self.unnamed(row.number), self.bad_row(diagnostic)));
                }
            };
            if let Some(diagnostic) = self.repeats(&id, &row) {
                return Some((id, Made::Bad(diagnostic)));
            }
            if wants(&id) {
                let made = self.made(&row);
                return Some((id, made));
            }
        }
    }

    /// What is to be said of the saved samples once all rows were seen.
    pub fn left_over(&mut self) -> Option<String> {
        let plan = self.case.saved.as_ref()?;
        let saved = self.saved.as_mut().filter(|_| !plan.is_shared)?;
        left_over(saved)
    }

    fn made(&mut self, row: &Row) -> Made {
        let mut evaluator = match self.case.evaluator(Some(row), &self.project.sources) {
            Ok(evaluator) => evaluator,
            Err(diagnostic) => return self.bad_row(diagnostic),
        };
        let join = self.case.saved.as_ref().map(|saved| &saved.join.value);
        if let (Some(saved), Some(join)) = (&mut self.saved, join) {
            let key = match text_in(row, join) {
                Ok(key) => key,
                Err(diagnostic) => return self.bad_row(diagnostic),
            };
            let wrong = |message| Diagnostic::in_row(row.place(), message);
            match replies(saved, &key, self.case, wrong) {
                Ok(replies) => evaluator.replies = replies,
                Err(diagnostic) => return Made::Bad(diagnostic),
            }
        }
        Made::Case(Box::new(evaluator))
    }

    fn bad_row(&self, diagnostic: Diagnostic) -> Made {
        match diagnostic.row {
            Some(place) if self.skips_bad_rows => Made::Skipped(*place),
            _ => Made::Bad(diagnostic),
        }
    }

    fn unnamed(&self, number: usize) -> CaseId {
        CaseId {
            case: number.to_string(),
            ..self.case.id.clone()
        }
    }

    /// That another row had the name before. Lines and numbers are names of one row each.
    fn repeats(&mut self, id: &CaseId, row: &Row) -> Option<Diagnostic> {
        let dataset = self.case.dataset.as_ref()?;
        if !dataset.names_rows() {
            return None;
        }
        let first = self.names.note(&id.case, row.line)?;
        let message = format!("two rows have the name `{}`", id.case);
        let help = format!("the first is at {}:{first}", row.file);
        Some(Diagnostic::in_row(row.place(), message).help(help))
    }
}

/// The replies of a key: some, and as many as the case wants at least.
pub(super) fn replies(
    saved: &mut SavedReplies,
    key: &str,
    case: &CasePlan,
    wrong: impl Fn(String) -> Diagnostic,
) -> Result<Vec<Reply>, Diagnostic> {
    let texts = saved.of(key)?;
    let (shown, wanted) = (saved.shown(), case.samples_wanted());
    if texts.is_empty() {
        return Err(wrong(format!("`{shown}` has no row for `{key}`")));
    }
    if texts.len() < wanted {
        let message = format!(
            "`{shown}` has {} of {wanted} samples for `{key}`",
            texts.len()
        );
        return Err(wrong(message));
    }
    Ok(texts.into_iter().map(Reply::Text).collect())
}

/// That rows of saved replies belong to no case.
pub(super) fn left_over(saved: &mut SavedReplies) -> Option<String> {
    let unasked = saved.unasked()?;
    let (rows, are) = if unasked.count == 1 {
        ("row", "belongs")
    } else {
        ("rows", "belong")
    };
    Some(format!(
        "{} {rows} of `{}` {are} to no case; the first is for `{}`",
        unasked.count, unasked.file, unasked.key
    ))
}

/// The names of rows so far. Of each a hash is kept, and not the name: of a million names, two are
/// taken for one in one of 10^7 runs.
#[derive(Debug, Default)]
struct Names {
    hasher: RandomState,
    lines: HashMap<u64, u32>,
}

impl Names {
    /// Notes the name of a row; the line of the first that has it, if another does.
    fn note(&mut self, name: &str, line: usize) -> Option<u32> {
        match self.lines.entry(self.hasher.hash_one(name)) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(place) => {
                place.insert(u32::try_from(line).unwrap_or(u32::MAX));
                None
            }
        }
    }
}
