//! Which cases run: selection by name, tag and language, and rows as they are read.

use std::sync::Arc;

use super::Outcome;
use crate::compile::{CasePlan, SuitePlan};
use crate::diagnostic::Diagnostic;
use crate::evaluator::{CaseId, Evaluator};
use crate::project::Project;
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
}

/// A case to run, or a row that makes none.
#[derive(Debug)]
pub enum Planned {
    /// Run it.
    Case(Arc<Evaluator>),
    /// It cannot be run; the outcome says why.
    Fault(Box<Outcome>),
}

impl Selection {
    fn wants_case(&self, case: &CasePlan) -> bool {
        let tagged = self.tags.is_empty() || self.tags.iter().any(|tag| case.tags.contains(tag));
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

    fn wants_language(&self, name: &str) -> bool {
        self.languages.is_empty() || self.languages.iter().any(|language| language == name)
    }

    fn wants(&self, evaluator: &Evaluator) -> bool {
        self.wants_language(&evaluator.language.name) && self.wants_id(&evaluator.id)
    }

    fn wants_id(&self, id: &CaseId) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| id.to_string().contains(filter))
    }

    /// Whether it may leave cases out.
    pub fn is_narrowed(&self) -> bool {
        self.filter.is_some()
            || !self.tags.is_empty()
            || !self.languages.is_empty()
            || self.limit.is_some()
    }

    /// Every selected case of the suites, rows streamed. Cases that are skipped come too: who
    /// runs them decides.
    pub fn plan<'p>(
        &'p self,
        suites: &'p [SuitePlan],
        project: &'p Project,
    ) -> impl Iterator<Item = Planned> + 'p {
        let cases = suites
            .iter()
            .flat_map(|suite| &suite.cases)
            .filter(|case| self.wants_case(case));
        let planned = cases.flat_map(move |case| self.rows(case, project));
        planned.take(self.limit.unwrap_or(usize::MAX))
    }

    fn rows<'p>(
        &'p self,
        case: &'p CasePlan,
        project: &'p Project,
    ) -> Box<dyn Iterator<Item = Planned> + 'p> {
        if case.dataset.is_none() {
            let evaluator = case.evaluator(None, &project.sources);
            let planned = self.planned(case, evaluator, case.id.clone(), project);
            return Box::new(planned.into_iter());
        }
        if let Some(diagnostic) = case.unread() {
            let id = case.id.clone();
            return Box::new(std::iter::once(fault(case, id, &diagnostic, project)));
        }
        let rows = match project.rows(case) {
            Ok(rows) => rows,
            Err(diagnostic) => {
                let id = case.id.clone();
                return Box::new(std::iter::once(fault(case, id, &diagnostic, project)));
            }
        };
        Box::new(rows.filter_map(move |row| match row {
            Err(diagnostic) => {
                let id = bad_row_id(case, &diagnostic);
                Some(fault(case, id, &diagnostic, project))
            }
            Ok(row) => {
                let id = case
                    .id_of(&row, &project.sources)
                    .unwrap_or_else(|_| CaseId {
                        case: row.line.to_string(),
                        ..case.id.clone()
                    });
                if !self.wants_id(&id) {
                    return None;
                }
                let evaluator = case.evaluator(Some(&row), &project.sources);
                self.planned(case, evaluator, id, project)
            }
        }))
    }

    fn planned(
        &self,
        case: &CasePlan,
        evaluator: Result<Evaluator, Diagnostic>,
        id: CaseId,
        project: &Project,
    ) -> Option<Planned> {
        match evaluator {
            Ok(evaluator) => self
                .wants(&evaluator)
                .then(|| Planned::Case(Arc::new(evaluator))),
            Err(diagnostic) => Some(fault(case, id, &diagnostic, project)),
        }
    }
}

/// A row that is no JSON has no name but its line.
fn bad_row_id(case: &CasePlan, diagnostic: &Diagnostic) -> CaseId {
    let line = diagnostic.row.as_ref().map_or(0, |row| row.line);
    CaseId {
        suite: case.id.suite.clone(),
        case: line.to_string(),
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
