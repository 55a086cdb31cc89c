//! Suites as a whole: what their cases say together, and whether it is what `require` wants.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::CaseResult;
use crate::compile::{Requirement, SuitePlan};
use crate::evaluator::CaseId;
use crate::evaluator::aggregate::{Aggregate, Estimate, Task};
use crate::reward::FaultKind;

/// What comes of suites as cases are done: of each case no more than three numbers are kept.
#[derive(Debug)]
pub struct Tally<'a> {
    suites: &'a [SuitePlan],
    groups: BTreeMap<Whole, Group>,
}

/// What is judged by itself: a suite, or one cell of its matrix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whole {
    /// The suite.
    pub suite: String,
    /// The cell; none without a matrix.
    pub cell: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Group {
    tasks: Vec<Task>,
    /// The fewest samples that a case has, and whose they are.
    fewest: Option<(u32, CaseId)>,
    /// Whether a case has several samples.
    is_sampled: bool,
    configuration: usize,
    infrastructure: usize,
}

/// How much of what suites hold was to run, and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    All,
    /// All of what was selected.
    Selected,
    /// What was done before the run was stopped at a failure.
    Stopped,
    /// What was done before somebody ended the run.
    Interrupted,
}

/// A requirement and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequirementResult {
    /// What is judged.
    pub whole: Whole,
    /// What is wanted.
    pub requirement: Requirement,
    /// The verdict.
    pub judgement: Judgement,
    extent: Extent,
}

/// Whether a requirement is met.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// It is.
    Met(Estimate),
    /// It is not.
    Missed(Estimate),
    /// Nobody knows, and why.
    Unknown {
        /// Whose fault it is, if anybody's.
        kind: Option<FaultKind>,
        /// Why.
        why: String,
    },
}

/// pass@1 and pass@n of cases with several samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// What they are of.
    pub whole: Whole,
    /// The values.
    pub estimates: Vec<(Aggregate, Estimate)>,
}

impl Whole {
    fn of(id: &CaseId) -> Self {
        Whole {
            suite: id.suite.clone(),
            cell: id.cell.clone(),
        }
    }
}

impl<'a> Tally<'a> {
    /// An empty one of these suites.
    pub fn new(suites: &'a [SuitePlan]) -> Self {
        Tally {
            suites,
            groups: BTreeMap::new(),
        }
    }

    /// Counts a case.
    pub fn count(&mut self, case: &CaseResult) {
        let group = self.groups.entry(Whole::of(&case.id)).or_default();
        match (case.fault().map(|fault| fault.kind), case.mean()) {
            (None, Some(mean)) => group.add(case, mean),
            (Some(FaultKind::Infrastructure), _) => group.infrastructure += 1,
            _ => group.configuration += 1,
        }
    }

    /// Notes a case that is not run: what is judged as a whole is told of, though nothing of it ran.
    pub fn skip(&mut self, id: &CaseId) {
        self.groups.entry(Whole::of(id)).or_default();
    }

    /// Every requirement of what was to run, judged.
    pub fn requirements(&self, extent: Extent) -> Vec<RequirementResult> {
        let of_group = |(whole, group): (&Whole, &Group)| {
            let required = self.required(whole).iter();
            let judged = required.map(|requirement| RequirementResult {
                whole: whole.clone(),
                requirement: requirement.clone(),
                judgement: group.judge(requirement, extent),
                extent,
            });
            judged.collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of_group).collect()
    }

    fn required(&self, whole: &Whole) -> &'a [Requirement] {
        self.suites
            .iter()
            .find(|suite| suite.name == whole.suite)
            .map_or(&[], |suite| &suite.requirements)
    }

    /// pass@1 and pass@n, n the fewest samples of a case, wherever cases have several.
    pub fn rates(&self) -> Vec<Rates> {
        let sampled = self.groups.iter().filter(|(_, group)| group.is_sampled);
        let rates = sampled.map(|(whole, group)| {
            let fewest = group.fewest.as_ref().map_or(1, |(fewest, _)| *fewest);
            let mut aggregates = vec![Aggregate::PassAt(1), Aggregate::PassAt(fewest)];
            aggregates.dedup();
            let estimates = aggregates
                .into_iter()
                .filter_map(|aggregate| Some((aggregate, aggregate.of(&group.tasks)?)));
            Rates {
                whole: whole.clone(),
                estimates: estimates.collect(),
            }
        });
        rates.collect()
    }
}

impl Group {
    fn add(&mut self, case: &CaseResult, mean: f64) {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let samples = count(case.outcomes.len());
        self.tasks.push(Task {
            samples,
            passed: count(case.passes()),
            mean,
        });
        self.is_sampled |= samples > 1;
        let is_fewer = self
            .fewest
            .as_ref()
            .is_none_or(|(fewest, id)| (samples, &case.id) < (*fewest, id));
        if is_fewer {
            self.fewest = Some((samples, case.id.clone()));
        }
    }

    fn judge(&self, requirement: &Requirement, extent: Extent) -> Judgement {
        let unknown = |kind, why| Judgement::Unknown { kind, why };
        if self.configuration > 0 {
            let why = without_score(self.configuration);
            return unknown(Some(FaultKind::Configuration), why);
        }
        if extent == Extent::Interrupted {
            return unknown(None, "the run was interrupted".to_owned());
        }
        if self.infrastructure > 0 {
            let why = without_score(self.infrastructure);
            return unknown(Some(FaultKind::Infrastructure), why);
        }
        let Some((fewest, id)) = &self.fewest else {
            return unknown(None, "none of its cases ran".to_owned());
        };
        match requirement.aggregate.of(&self.tasks) {
            Some(estimate) if estimate.is_at_least(requirement.least) => Judgement::Met(estimate),
            Some(estimate) => Judgement::Missed(estimate),
            None => {
                let wanted = requirement.aggregate;
                let noun = if *fewest == 1 { "sample" } else { "samples" };
                let why = format!("`{id}` has {fewest} {noun}, too few for `{wanted}`");
                unknown(Some(FaultKind::Configuration), why)
            }
        }
    }
}

fn without_score(count: usize) -> String {
    match count {
        1 => "a case has no score".to_owned(),
        count => format!("{count} cases have no score"),
    }
}

impl RequirementResult {
    /// Whose fault it is that it could not be judged.
    pub fn fault(&self) -> Option<FaultKind> {
        match &self.judgement {
            Judgement::Unknown { kind, .. } => *kind,
            Judgement::Met(_) | Judgement::Missed(_) => None,
        }
    }

    /// Whether nobody knows.
    pub fn is_unjudged(&self) -> bool {
        matches!(self.judgement, Judgement::Unknown { .. })
    }

    /// Whether it is missed.
    pub fn is_missed(&self) -> bool {
        matches!(self.judgement, Judgement::Missed(_))
    }

    fn cases(&self, count: usize) -> String {
        let noun = if count == 1 { "case" } else { "cases" };
        match self.extent {
            Extent::All | Extent::Interrupted => format!("{count} {noun}"),
            Extent::Selected if count == 1 => "of 1 case that was selected".to_owned(),
            Extent::Selected => format!("of {count} {noun} that were selected"),
            Extent::Stopped => format!("{count} {noun} before the run was stopped"),
        }
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cell {
            None => formatter.write_str(&self.suite),
            Some(cell) => write!(formatter, "{}[{cell}]", self.suite),
        }
    }
}

/// `pass@1 0.620 (95 % 0.540..0.690, 164 cases), at least 0.6 is wanted: met`.
impl fmt::Display for RequirementResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requirement {
            aggregate, least, ..
        } = &self.requirement;
        let (estimate, verdict) = match &self.judgement {
            Judgement::Met(estimate) => (estimate, "met"),
            Judgement::Missed(estimate) => (estimate, "missed"),
            Judgement::Unknown { why, .. } => {
                let wanted = format!("{aggregate}, at least {least} is wanted");
                return write!(formatter, "{wanted}: not judged, because {why}");
            }
        };
        let interval = interval(estimate).map_or(String::new(), |interval| interval + ", ");
        let value = estimate.value;
        let cases = self.cases(estimate.tasks);
        write!(
            formatter,
            "{aggregate} {value:.3} ({interval}{cases}), at least {least} is wanted: {verdict}"
        )
    }
}

/// `pass@1 0.620 (95 % 0.540..0.690), pass@5 0.800 (95 % 0.720..0.860), 164 cases`.
impl fmt::Display for Rates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (aggregate, estimate) in &self.estimates {
            write!(formatter, "{aggregate} {:.3}", estimate.value)?;
            if let Some(interval) = interval(estimate) {
                write!(formatter, " ({interval})")?;
            }
            formatter.write_str(", ")?;
        }
        let tasks = self
            .estimates
            .first()
            .map_or(0, |(_, estimate)| estimate.tasks);
        let noun = if tasks == 1 { "case" } else { "cases" };
        write!(formatter, "{tasks} {noun}")
    }
}

fn interval(estimate: &Estimate) -> Option<String> {
    let (low, high) = estimate.interval?;
    Some(format!("95 % {low:.3}..{high:.3}"))
}
