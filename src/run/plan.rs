//! Which cases run: selection by name, tag and language, and rows as they are read.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::Outcome;
use super::rows::{self, Made, RowCases};
use crate::compile::{CasePlan, SuitePlan};
use crate::diagnostic::Diagnostic;
use crate::evaluator::{CaseId, Evaluator};
use crate::project::{Project, SavedReplies};
use crate::reward::Fault;

/// What a user selects; nothing selects everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// A part of the id.
    pub filter: Option<String>,
    /// One of these tags.
    pub tags: Vec<String>,
    /// One of these languages, by name.
    pub languages: Vec<String>,
    /// At most so many cases.
    pub limit: Option<usize>,
    /// Replies in place of those that suites name.
    pub replies: Option<GivenReplies>,
}

/// Replies in place of those that suites name.
#[derive(Debug, Clone)]
pub struct GivenReplies {
    /// The file; in suites that join saved samples, it is the file of these.
    pub path: PathBuf,
    /// The same by the ids of cases, for all other suites.
    pub by_id: Option<Rc<RefCell<SavedReplies>>>,
}

/// A case to run, or a row that makes none.
#[derive(Debug)]
pub enum Planned {
    /// Run it.
    Case(Arc<Evaluator>),
    /// It cannot be run; the outcome says why.
    Fault(Box<Outcome>),
    /// Not run: a bad row at this file and line, and the suite leaves such rows out.
    BadRow(String),
}

impl Selection {
    fn wants_case(&self, case: &CasePlan) -> bool {
        let tagged = case.has_tags_of_rows() || self.wants_tags(&case.tags);
        let named = case.dataset.is_some()
            || self
                .filter
                .as_ref()
                .is_none_or(|filter| case.id.to_string().contains(filter));
        let spoken = match case.fixed_language() {
            Some(language) => self.wants_language(&language.name),
            None => true,
        };
        tagged && named && spoken
    }

    fn wants_tags(&self, tags: &[String]) -> bool {
        self.tags.is_empty() || self.tags.iter().any(|tag| tags.contains(tag))
    }

    fn wants_language(&self, name: &str) -> bool {
        self.languages.is_empty() || self.languages.iter().any(|language| language == name)
    }

    fn wants(&self, evaluator: &Evaluator) -> bool {
        self.wants_language(&evaluator.language.name)
            && self.wants_tags(&evaluator.tags)
            && self.wants_id(&evaluator.id)
    }

    fn wants_id(&self, id: &CaseId) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| id.to_string().contains(filter))
    }

    /// Whether it may leave cases out.
    pub fn is_narrowed(&self) -> bool {
        !self.is_everything() || self.limit.is_some()
    }

    /// Every selected case of the suites, rows streamed. Cases that are skipped come too: who
    /// runs them decides.
    pub fn plan<'p>(&'p self, suites: &'p [SuitePlan], project: &'p Project) -> Plan<'p> {
        let cases = suites
            .iter()
            .flat_map(|suite| &suite.cases)
            .filter(|case| self.wants_case(case));
        Plan {
            selection: self,
            project,
            cases: Box::new(cases),
            rows: None,
            left: self.limit.unwrap_or(usize::MAX),
            is_at_end: false,
            notes: Vec::new(),
        }
    }

    /// Whether nothing is left out, so that what is not asked for belongs to nothing.
    fn is_everything(&self) -> bool {
        self.filter.is_none() && self.tags.is_empty() && self.languages.is_empty()
    }
}

/// The cases that are selected, one after the other.
pub struct Plan<'p> {
    selection: &'p Selection,
    project: &'p Project,
    cases: Box<dyn Iterator<Item = &'p CasePlan> + 'p>,
    /// The rows of the case at hand.
    rows: Option<(&'p CasePlan, RowCases<'p>)>,
    /// How many more may come.
    left: usize,
    is_at_end: bool,
    notes: Vec<String>,
}

impl<'p> Plan<'p> {
    /// What is to be said once every case has come: replies that belong to none.
    pub fn notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        if let (true, Some(replies)) = (self.is_at_end, &self.selection.replies)
            && self.selection.is_everything()
            && let Some(saved) = &replies.by_id
        {
            notes.extend(rows::left_over(&mut saved.borrow_mut()));
        }
        notes
    }

    /// The next case, or what stands in its place; selected or not.
    fn step(&mut self) -> Option<Option<Planned>> {
        if let Some((case, mut rows)) = self.rows.take() {
            let selection = self.selection;
            let Some((id, made)) = rows.next(|id| selection.wants_id(id)) else {
                if selection.is_everything() {
                    self.notes.extend(rows.left_over());
                }
                return Some(None);
            };
            self.rows = Some((case, rows));
            return Some(match made {
                Made::Case(evaluator) => self.planned(case, Ok(*evaluator), id),
                Made::Skipped(place) => {
                    Some(Planned::BadRow(format!("{}:{}", place.file, place.line)))
                }
                Made::Bad(diagnostic) => self.planned(case, Err(diagnostic), id),
            });
        }
        let case = self.cases.next()?;
        let sources = &self.project.sources;
        let other = self.selection.replies.as_ref();
        let other = other.map(|replies| replies.path.as_path());
        Some(match RowCases::open(case, self.project, other) {
            Ok(Some(rows)) => {
                self.rows = Some((case, rows));
                None
            }
            Ok(None) => self.planned(case, case.evaluator(None, sources), case.id.clone()),
            Err(diagnostic) => self.planned(case, Err(diagnostic), case.id.clone()),
        })
    }

    fn planned(
        &self,
        case: &CasePlan,
        evaluator: Result<Evaluator, Diagnostic>,
        id: CaseId,
    ) -> Option<Planned> {
        match evaluator.and_then(|evaluator| self.replied(case, evaluator)) {
            Ok(evaluator) => self
                .selection
                .wants(&evaluator)
                .then(|| Planned::Case(Arc::new(evaluator))),
            Err(diagnostic) => Some(fault(case, id, &diagnostic, self.project)),
        }
    }

    /// The case with the replies that the user names by its id, if there are such.
    fn replied(&self, case: &CasePlan, mut evaluator: Evaluator) -> Result<Evaluator, Diagnostic> {
        let replies = self.selection.replies.as_ref();
        let Some(saved) = replies.and_then(|replies| replies.by_id.as_ref()) else {
            return Ok(evaluator);
        };
        let is_run = self.selection.wants(&evaluator) && evaluator.skip.is_none();
        if case.saved.is_some() || !is_run {
            return Ok(evaluator);
        }
        let mut saved = saved.borrow_mut();
        let whole = evaluator.id.to_string();
        let key = if saved.of(&whole)?.is_empty() {
            evaluator.id.case.clone()
        } else {
            whole
        };
        evaluator.replies = rows::replies(&mut saved, &key, case, Diagnostic::nowhere)?;
        Ok(evaluator)
    }
}

impl Iterator for Plan<'_> {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        while self.left > 0 {
            match self.step() {
                None => {
                    self.is_at_end = true;
                    return None;
                }
                Some(None) => {}
                Some(Some(planned)) => {
                    let is_case = !matches!(planned, Planned::BadRow(_));
                    self.left -= usize::from(is_case);
                    return Some(planned);
                }
            }
        }
        None
    }
}

fn fault(case: &CasePlan, id: CaseId, diagnostic: &Diagnostic, project: &Project) -> Planned {
    let mut message = diagnostic.one_line(&project.sources);
    if let Some(help) = &diagnostic.help {
        message.push_str("; ");
        message.push_str(help);
    }
    Planned::Fault(Box::new(Outcome {
        written_at: Some(project.sources.line(case.written_at)),
        ..Outcome::fault(id, "", Fault::configuration(message))
    }))
}
