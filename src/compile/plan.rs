//! A compiled suite: its cases, and the evaluator of each, or of each row that makes one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use minijinja::value::Value;

use super::dataset::{DatasetPlan, Row, SamplesPlan};
use super::per_row::PerRow;
use super::prompt::Chat;
use super::render::{Pick, Rendering, Text};
use super::rules::RuleSet;
use super::{expectations, values};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::escape::visible_line;
use crate::evaluator::aggregate::Aggregate;
use crate::evaluator::code::CodeExtractor;
use crate::evaluator::compare::Comparator;
use crate::evaluator::{
    BackendChoice, CaseId, Evaluator, Language, Message, Need, ProgramText, Reference, Reply,
    ScoreRule,
};
use crate::execution::Isolation;
use crate::program::{Cloud, SourceFile};
use crate::source::{Line, Sources, Span, Spanned};
use crate::syntax::suite::{BackendName, CloudSpec, Keys, LimitsSpec, ReplySpec, TimeOrExpression};
use crate::template::Templates;

/// A compiled suite.
#[derive(Debug, Clone)]
pub struct SuitePlan {
    /// The file's stem.
    pub name: String,
    /// Its cases, in the order written.
    pub cases: Vec<CasePlan>,
    /// The rules that it names, by kind and name; `*` where each row may name another.
    pub uses: Uses,
    /// What is probably not meant.
    pub warnings: Diagnostics,
    /// Where it begins.
    pub written_at: Span,
    /// What it must reach as a whole; empty where each case is judged by itself.
    pub requirements: Vec<Requirement>,
}

/// What a suite as a whole must reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// The metric.
    pub aggregate: Aggregate,
    /// The least that is accepted, 0..=1.
    pub least: f64,
    /// Where it is written.
    pub written_at: Line,
}

/// Rules by kind and name, as [`RuleSet::list`] has them.
pub type Uses = BTreeSet<(&'static str, String)>;

/// A compiled case, or the cases that a dataset's rows make of it.
#[derive(Debug, Clone)]
pub struct CasePlan {
    /// Its id; with a dataset, the rows' names follow.
    pub id: CaseId,
    /// Words to select by.
    pub tags: Vec<String>,
    /// Why it is not run.
    pub skip: Option<String>,
    /// Why nothing but the cases with `only` is run of its suite.
    pub(super) only: Option<Arc<str>>,
    /// The rows it is made for.
    pub dataset: Option<DatasetPlan>,
    /// Where its replies are, if they are saved in a file of rows.
    pub saved: Option<SamplesPlan>,
    /// Where it is written.
    pub written_at: Span,
    /// What it uses that this version does not have, and so is not run.
    pub later: Vec<Spanned<String>>,
    /// Whether the suite lists cases beside its dataset, so that both names are in the id.
    pub(super) named: bool,
    /// Whether its suite is judged as a whole.
    pub(super) is_judged_whole: bool,
    pub(super) template: Arc<CaseTemplate>,
    pub(super) templates: Templates,
}

/// A case with everything looked up that can be before there is a row.
#[derive(Debug)]
pub(super) struct CaseTemplate {
    pub(super) rules: Arc<RuleSet>,
    pub(super) vars: Vec<(String, Value)>,
    pub(super) language: Pick<Arc<Language>>,
    pub(super) compare: Pick<Arc<Comparator>>,
    pub(super) chat: Chat,
    /// The variables of its cell.
    pub(super) cell: Vec<(String, Value)>,
    /// The model that is asked, or the label of the replies.
    pub(super) model: Option<String>,
    pub(super) per_row: PerRow,
    pub(super) replies: Vec<ReplyText>,
    pub(super) extractor: Arc<CodeExtractor>,
    pub(super) program: Option<Text>,
    pub(super) stdin: Option<Text>,
    pub(super) args: Vec<Text>,
    pub(super) files: Vec<(String, FileText)>,
    /// The trusted program, and its language where it is not the case's.
    pub(super) reference: Option<(Text, Option<Pick<Arc<Language>>>)>,
    pub(super) expect: Vec<expectations::Expected>,
    pub(super) score: ScoreRule,
    pub(super) later: Option<String>,
    pub(super) settings: Settings,
}

/// What of the keys is needed as it is written when a row is rendered. All keys are a lot to keep for
/// each of very many cases.
#[derive(Debug)]
pub(super) struct Settings {
    limits: LimitsSpec,
    timeout: Option<Duration>,
    total: Option<Duration>,
    network: bool,
    cloud: Option<CloudSpec>,
    isolation: Option<Isolation>,
    backends: Vec<BackendChoice>,
    is_known_bad: bool,
    /// How many replies are wanted at least, as written.
    pub(super) samples: Option<Spanned<u32>>,
    /// How many of them must pass.
    need: Need,
    /// Whether only a row or a file says how many replies there are.
    has_rows_of_replies: bool,
}

impl Settings {
    pub(super) fn of(keys: &Keys) -> Self {
        let timeout = match &keys.timeout {
            Some(TimeOrExpression::Time(timeout)) => Some(timeout.value.0),
            Some(TimeOrExpression::Expression(_)) | None => None,
        };
        let samples = keys.samples.as_ref().map(|samples| &samples.value);
        Settings {
            limits: keys.limits.clone().unwrap_or_default(),
            timeout,
            total: keys
                .limits
                .as_ref()
                .and_then(|limits| limits.total.as_ref())
                .map(|total| total.value.0),
            network: keys.network.unwrap_or(false),
            cloud: keys.e2b.clone(),
            isolation: keys.isolation.as_ref().map(|isolation| isolation.value),
            backends: backends(keys),
            is_known_bad: keys
                .score
                .as_ref()
                .is_some_and(|score| score.at_most.is_some()),
            need: samples
                .and_then(|samples| samples.need.as_ref())
                .map_or(Need::All, |need| need.value),
            samples: samples.map(|samples| samples.n.clone()),
            has_rows_of_replies: matches!(
                keys.reply.as_ref().map(|reply| &reply.value),
                Some(ReplySpec::Samples(_) | ReplySpec::List(_) | ReplySpec::Expression(_))
            ),
        }
    }
}

#[derive(Debug)]
pub(super) enum ReplyText {
    Fixed(String),
    Expression(Text),
}

#[derive(Debug)]
pub(super) enum FileText {
    Bytes(Arc<[u8]>),
    Text(Text),
}

impl CasePlan {
    /// The evaluator of the case, or of the case that a row makes.
    ///
    /// # Errors
    /// What is wrong with the case or the row.
    pub fn evaluator(&self, row: Option<&Row>, sources: &Sources) -> Result<Evaluator, Diagnostic> {
        let template = &*self.template;
        let mut scope = self.variables();
        scope.extend(row.map(|row| ("row", row.value())));
        let rendering = |scope: &[(&str, Value)]| self.rendering(scope, row, sources);
        let language = language_of(&self.template.language, &rendering(&scope))?;
        scope.push(("language", scope_of(&language)));
        let id = self.row_id(row, &rendering(&scope))?;
        scope.push((
            "case",
            Value::from_pairs([
                ("name", Value::from(id.case.as_str())),
                ("suite", Value::from(id.suite.as_str())),
            ]),
        ));
        let rendering = rendering(&scope);
        let per_row = &template.per_row;
        let skip = match per_row.skip(&rendering)? {
            None => self.skip.clone(),
            reason => reason,
        };
        let aside = match &self.only {
            Some(reason) if !per_row.is_looked_at(&rendering)? => Some(reason.to_string()),
            _ => None,
        };
        let text = |text: &Option<Text>| {
            text.as_ref()
                .map_or(Ok(String::new()), |text| rendering.text(text))
        };

        let messages = template
            .chat
            .messages
            .iter()
            .map(|(role, content)| {
                Ok(Message {
                    role,
                    content: rendering.text(content)?,
                })
            })
            .collect::<Result<Vec<_>, Diagnostic>>()?;
        let replies = self.replies(&rendering)?;
        let files = template
            .files
            .iter()
            .map(|(path, file)| {
                let bytes = match file {
                    FileText::Bytes(bytes) => Arc::clone(bytes),
                    FileText::Text(text) => rendering.text(text)?.into_bytes().into(),
                };
                Ok(SourceFile {
                    path: path.clone(),
                    bytes,
                })
            })
            .collect::<Result<Vec<_>, Diagnostic>>()?;
        let expectations = expectations::render(
            &template.expect,
            &template.compare,
            &messages,
            &language,
            self.written_at,
            &rendering,
        )?;
        let reference = match &template.reference {
            None => None,
            Some((code, own)) => Some(Reference {
                language: match own {
                    Some(own) => language_of(own, &rendering)?,
                    None => Arc::clone(&language),
                },
                code: rendering.text(code)?,
            }),
        };
        let settings = &template.settings;
        let mut limits = values::limits(language.limits, &settings.limits);
        if let Some(timeout) = per_row.timeout(&rendering)?.or(settings.timeout) {
            limits.wall = timeout;
        }
        let program = match &template.program {
            None => ProgramText::Code,
            Some(Text::Template { id, .. } | Text::Expression { id, .. }) => {
                ProgramText::Template {
                    templates: self.templates.clone(),
                    id: id.clone(),
                    scope: rendering.scope.clone(),
                }
            }
            Some(Text::Fixed(_)) => ProgramText::Code,
        };
        Ok(Evaluator {
            id,
            tags: per_row
                .tags(&rendering)?
                .unwrap_or_else(|| self.tags.clone()),
            model: template.model.clone(),
            messages,
            replies,
            need: template.settings.need,
            extractor: Arc::clone(&template.extractor),
            known: template.rules.tags(),
            program,
            stdin: text(&template.stdin)?,
            args: template
                .args
                .iter()
                .map(|arg| rendering.text(arg))
                .collect::<Result<_, _>>()?,
            files,
            expectations,
            reference,
            score: template.score.clone(),
            limits,
            total: settings.total,
            network: settings.network,
            cloud: cloud(settings.cloud.as_ref(), &language),
            isolation: settings.isolation,
            backends: settings.backends.clone(),
            skip,
            aside,
            later: template.later.clone(),
            written_at: self.written_at,
            line: sources.line(self.written_at),
            is_judged_whole: self.is_judged_whole,
            row: row.map(|row| (row.file.clone(), row.line)),
            leaves_out_bad_rows: self
                .dataset
                .as_ref()
                .is_some_and(|dataset| dataset.skips_bad_rows),
            language,
        })
    }

    /// What templates know without a row: variables, and the cell of the matrix.
    pub(super) fn variables(&self) -> Vec<(&str, Value)> {
        let variables = self.template.vars.iter().chain(&self.template.cell);
        variables
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect()
    }

    pub(super) fn rendering<'a>(
        &'a self,
        scope: &[(&str, Value)],
        row: Option<&'a Row>,
        sources: &'a Sources,
    ) -> Rendering<'a> {
        Rendering {
            rules: &self.template.rules,
            templates: &self.templates,
            scope: Value::from_pairs(scope.iter().cloned()),
            row,
            sources,
        }
    }

    /// The id of a row's case.
    ///
    /// # Errors
    /// When the dataset's `name` cannot be rendered.
    pub fn id_of(&self, row: &Row, sources: &Sources) -> Result<CaseId, Diagnostic> {
        let mut scope = self.variables();
        scope.push(("row", row.value()));
        if let Some(language) = self.fixed_language() {
            scope.push(("language", scope_of(language)));
        }
        let rendering = self.rendering(&scope, Some(row), sources);
        self.row_id(Some(row), &rendering)
    }

    /// Whether its rows have tags of their own.
    pub fn has_tags_of_rows(&self) -> bool {
        self.template.per_row.has_tags()
    }

    /// Whether it, or none of its rows, is run.
    pub fn is_ignored(&self) -> bool {
        self.skip.is_some() || self.only.is_some() && !self.template.per_row.has_only()
    }

    /// Whether it is about a reply that is known to be bad.
    pub fn is_known_bad(&self) -> bool {
        self.template.settings.is_known_bad
    }

    /// Whether the reply is written, and not a model's to give.
    pub fn has_reply(&self) -> bool {
        !self.template.replies.is_empty() || self.saved.is_some()
    }

    /// How many replies there are at least; none where a file, a list or a row says it.
    pub(super) fn samples(&self) -> Option<u32> {
        let settings = &self.template.settings;
        let written = settings.samples.as_ref().map(|samples| samples.value);
        match written {
            None if settings.has_rows_of_replies => None,
            written => Some(written.unwrap_or(1)),
        }
    }

    /// How many replies it must have at least.
    pub fn samples_wanted(&self) -> usize {
        let written = self.template.settings.samples.as_ref();
        written.map_or(1, |samples| samples.value as usize)
    }

    /// The least isolation that it accepts, where it states one.
    pub fn isolation(&self) -> Option<Isolation> {
        self.template.settings.isolation
    }

    /// Where it may run, in order of preference.
    pub fn backends(&self) -> Vec<BackendChoice> {
        self.template.settings.backends.clone()
    }

    /// The language, where every row has the same.
    pub fn fixed_language(&self) -> Option<&Arc<Language>> {
        match &self.template.language {
            Pick::Fixed(language) => Some(language),
            Pick::PerRow(_) => None,
        }
    }

    /// What the model said. A column that is a list holds several replies.
    fn replies(&self, rendering: &Rendering<'_>) -> Result<Vec<Reply>, Diagnostic> {
        let mut texts = Vec::new();
        for reply in &self.template.replies {
            match reply {
                ReplyText::Fixed(text) => texts.push(text.clone()),
                ReplyText::Expression(expression) => {
                    texts.extend(rendering.texts(expression)?);
                }
            }
        }
        let settings = &self.template.settings;
        if let (Some(wanted), false) = (&settings.samples, self.template.replies.is_empty())
            && texts.len() < wanted.value as usize
        {
            let message = format!("the case has {} of {} samples", texts.len(), wanted.value);
            return Err(rendering.problem(wanted.span, message));
        }
        Ok(texts.into_iter().map(Reply::Text).collect())
    }

    fn row_id(&self, row: Option<&Row>, rendering: &Rendering<'_>) -> Result<CaseId, Diagnostic> {
        let (Some(row), Some(dataset)) = (row, &self.dataset) else {
            return Ok(self.id.clone());
        };
        let name = match &dataset.name {
            None => row.number.to_string(),
            Some(name) => {
                let text = rendering.text(name)?;
                match bad_name(&text) {
                    None => text,
                    Some(problem) => return Err(rendering.problem(name.span(), problem)),
                }
            }
        };
        let case = if self.named {
            format!("{}/{name}", self.id.case)
        } else {
            name
        };
        Ok(CaseId {
            case,
            ..self.id.clone()
        })
    }
}

/// The language that is meant, which a row may name.
fn language_of(
    picked: &Pick<Arc<Language>>,
    rendering: &Rendering<'_>,
) -> Result<Arc<Language>, Diagnostic> {
    match picked {
        Pick::Fixed(language) => Ok(Arc::clone(language)),
        Pick::PerRow(text) => {
            let name = rendering.text(text)?;
            let found = rendering.rules.language(&name).cloned();
            found.map_err(|unknown| {
                rendering
                    .problem(text.span(), unknown.message)
                    .maybe_help(unknown.help)
            })
        }
    }
}

pub(super) fn bad_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("a case's name is empty".to_owned());
    }
    let shown = visible_line(name);
    (shown != name).then(|| format!("the name `{shown}` holds control characters"))
}

fn scope_of(language: &Language) -> Value {
    Value::from_pairs([("name", Value::from(language.name.as_str()))])
}

/// What a suite says of the cloud, before what the language's rule says.
fn cloud(written: Option<&CloudSpec>, language: &Language) -> Cloud {
    let usual = &language.cloud;
    let Some(written) = written else {
        return usual.clone();
    };
    let mode = written.mode.as_ref();
    Cloud {
        template: written
            .template
            .as_ref()
            .map(|template| template.value.clone())
            .or_else(|| usual.template.clone()),
        mode: mode.map_or(usual.mode, |mode| values::cloud_mode(mode.value)),
        kernel: usual.kernel.clone(),
    }
}

fn backends(keys: &Keys) -> Vec<BackendChoice> {
    let Some(names) = &keys.backend else {
        return vec![BackendChoice::E2b, BackendChoice::Local];
    };
    let mut choices = Vec::new();
    for name in &names.value.0 {
        let these: &[BackendChoice] = match name.value {
            BackendName::Auto => &[BackendChoice::E2b, BackendChoice::Local],
            BackendName::Local => &[BackendChoice::Local],
            BackendName::E2b => &[BackendChoice::E2b],
        };
        for choice in these {
            if !choices.contains(choice) {
                choices.push(*choice);
            }
        }
    }
    choices
}
