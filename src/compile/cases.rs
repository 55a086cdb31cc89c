//! Suites to plans: layers merged, names looked up, templates compiled, then rendered for each
//! row into evaluators.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use minijinja::value::Value;

use super::prompt::{Chat, chat};
use super::rules::{RuleSet, file_bytes};
use super::{
    Files, expectations, later, merge, place, resolve_path, score, validate, values, warn,
};
use crate::diagnostic::{Diagnostic, Diagnostics, RowPlace, did_you_mean};
use crate::escape::visible_line;
use crate::evaluator::code::CodeExtractor;
use crate::evaluator::compare::Comparator;
use crate::evaluator::{
    BackendChoice, CaseId, Evaluator, Language, Message, ProgramText, Reply, ScoreRule,
};
use crate::execution::Isolation;
use crate::program::{Cloud, CloudMode, Interpreter, SourceFile};
use crate::source::{Sources, Span, Spanned};
use crate::syntax::matcher::CompareSpec;
use crate::syntax::suite::{
    BackendName, Choice, CodeSpec, Condition, Keys, LanguageChoice, ReplySpec, Tags,
    TimeOrExpression,
};
use crate::syntax::value::Content;
use crate::syntax::{Kind, Node, SuiteFile, decode};
use crate::template::{TemplateError, TemplateId, TemplateSet, Templates, text_of, value_of};

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
    /// The rows it is made for.
    pub dataset: Option<DatasetPlan>,
    /// Where it is written.
    pub written_at: Span,
    /// What it uses that this version does not have, and so is not run.
    pub later: Vec<Spanned<String>>,
    /// Whether the suite lists cases beside its dataset, so that both names are in the id.
    named: bool,
    template: Arc<CaseTemplate>,
    templates: Templates,
}

/// A dataset, its file resolved.
#[derive(Debug, Clone)]
pub struct DatasetPlan {
    /// The file.
    pub path: PathBuf,
    /// The file as written, with its place.
    pub written: Spanned<String>,
    name: Option<Text>,
    /// Whether this version cannot read it as it is asked to.
    pub is_later: bool,
}

/// A row of a dataset.
#[derive(Debug, Clone)]
pub struct Row {
    /// The file, as it is shown to people.
    pub file: String,
    /// 1-based.
    pub line: usize,
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
            column: 1,
            text: text.chars().take(100).collect(),
            skipped: 0,
        }
    }
}

/// Text that is known, or is rendered for each row.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Fixed(Spanned<String>),
    Template {
        id: TemplateId,
        text: Spanned<String>,
    },
    Expression {
        id: TemplateId,
        text: Spanned<String>,
    },
}

impl Text {
    pub(super) fn span(&self) -> Span {
        match self {
            Text::Fixed(text) | Text::Template { text, .. } | Text::Expression { text, .. } => {
                text.span
            }
        }
    }
}

/// Something by name, or by a name that each row has.
#[derive(Debug, Clone)]
pub(super) enum Pick<T> {
    Fixed(T),
    PerRow(Text),
}

/// A case with everything looked up that can be before there is a row.
#[derive(Debug)]
pub(super) struct CaseTemplate {
    rules: Arc<RuleSet>,
    vars: Vec<(String, Value)>,
    language: Pick<Arc<Language>>,
    pub(super) compare: Pick<Arc<Comparator>>,
    chat: Chat,
    /// The variables of the first cell of its matrix.
    cell: Vec<(String, Value)>,
    reply: Option<ReplyText>,
    extractor: Arc<CodeExtractor>,
    program: Option<Text>,
    stdin: Option<Text>,
    args: Vec<Text>,
    files: Vec<(String, FileText)>,
    expect: Vec<expectations::Expected>,
    score: ScoreRule,
    later: Option<String>,
    keys: Keys,
}

#[derive(Debug)]
enum ReplyText {
    Fixed(String),
    Expression(Text),
}

#[derive(Debug)]
enum FileText {
    Bytes(Vec<u8>),
    Text(Text),
}

/// Compiles a suite. `name` is the file's stem.
pub fn compile_suite(
    name: &str,
    suite: &SuiteFile,
    rules: &Arc<RuleSet>,
    files: &Files,
    sources: &Sources,
) -> (SuitePlan, Diagnostics) {
    let mut compiler = Compiler {
        require: suite.require.as_ref().map(|require| require.span),
        ..Compiler::new(rules, files, sources)
    };
    let mut drafts = Vec::new();
    let mut taken: HashMap<String, Span> = HashMap::new();
    for case in &suite.cases {
        let id = case
            .name
            .as_ref()
            .map_or_else(|| case.number.to_string(), |name| name.value.clone());
        let span = case.name.as_ref().map_or(case.span, |name| name.span);
        if let Some(problem) = bad_name(&id) {
            compiler.report(Diagnostic::at(span, problem));
        }
        if let Some(first) = taken.insert(id.clone(), span) {
            let at = sources.place(first);
            compiler.report(
                Diagnostic::at(span, format!("two cases have the name `{id}`"))
                    .help(format!("the first is at {at}")),
            );
        }
        drafts.extend(compiler.case(name, &id, &suite.shared, Some(&case.keys), span));
    }
    if !suite.has_cases {
        drafts.extend(compiler.case(name, "", &suite.shared, None, suite.span));
    }
    if let Some(require) = &suite.require {
        validate::require(require, &drafts, &mut compiler);
    }
    warn::suite(&mut compiler);
    let uses = std::mem::take(&mut compiler.uses);
    let mut warnings = std::mem::take(&mut compiler.warnings);
    warnings.sort();
    let mut diagnostics = compiler.diagnostics;
    let templates = compiler.templates.finish();
    let cases: Vec<CasePlan> = drafts
        .into_iter()
        .map(|draft| CasePlan {
            named: suite.has_cases,
            templates: templates.clone(),
            ..draft
        })
        .collect();
    // Without a row everything is known now, so everything wrong is said now.
    for case in cases.iter().filter(|case| case.dataset.is_none()) {
        if let Err(diagnostic) = case.evaluator(None, sources) {
            diagnostics.push(diagnostic);
        }
    }
    diagnostics.sort();
    (
        SuitePlan {
            name: name.to_owned(),
            cases,
            uses,
            warnings,
            written_at: suite.span,
        },
        diagnostics,
    )
}

/// Compiles a case whose keys came as JSON. Its texts are literal but for `program`.
pub fn compile_inline(
    keys: &serde_json::Map<String, serde_json::Value>,
    rules: &Arc<RuleSet>,
    files: &Files,
    sources: &Sources,
) -> Result<Evaluator, Diagnostics> {
    let span = Span::default();
    let keys = node_of(&serde_json::Value::Object(keys.clone()));
    let mut compiler = Compiler {
        is_literal: true,
        ..Compiler::new(rules, files, sources)
    };
    compiler.diagnostics = crate::syntax::check_layer(&keys);
    if let Some(dataset) = keys.get("dataset") {
        compiler.report(Diagnostic::at(
            dataset.span,
            "a row to score has no `dataset` of its own",
        ));
    }
    let draft = if compiler.diagnostics.is_empty() {
        compiler.case("score", "row", &keys, None, span)
    } else {
        None
    };
    let templates = compiler.templates.finish();
    match draft {
        Some(draft) if compiler.diagnostics.is_empty() => {
            let case = CasePlan { templates, ..draft };
            case.evaluator(None, sources).map_err(Diagnostics::from)
        }
        _ => Err(compiler.diagnostics),
    }
}

/// JSON as a tree: what is no number is quoted text, null is nothing.
fn node_of(json: &serde_json::Value) -> Node {
    let scalar = |text: String, plain: bool| Kind::Scalar { text, plain };
    let kind = match json {
        serde_json::Value::Null => scalar("~".to_owned(), true),
        serde_json::Value::Bool(value) => scalar(value.to_string(), true),
        serde_json::Value::Number(number) => scalar(number.to_string(), true),
        serde_json::Value::String(text) => scalar(text.clone(), false),
        serde_json::Value::Array(items) => Kind::List(items.iter().map(node_of).collect()),
        serde_json::Value::Object(entries) => Kind::Map(
            entries
                .iter()
                .map(|(key, value)| (key_named(key, Span::default()), node_of(value)))
                .collect(),
        ),
    };
    Node {
        kind,
        span: Span::default(),
    }
}

fn bad_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("a case's name is empty".to_owned());
    }
    let shown = visible_line(name);
    (shown != name).then(|| format!("the name `{shown}` holds control characters"))
}

/// What a case is compiled with.
pub(super) struct Compiler<'a> {
    pub(super) rules: &'a Arc<RuleSet>,
    files: &'a Files,
    pub(super) sources: &'a Sources,
    templates: TemplateSet,
    /// Templates by text, so that what is inherited is compiled once; the flag tells expressions.
    cache: HashMap<(String, bool), TemplateId>,
    pub(super) diagnostics: Diagnostics,
    /// The names that templates of the case at hand may use.
    names: BTreeSet<String>,
    has_row: bool,
    pub(super) uses: Uses,
    pub(super) warnings: Diagnostics,
    /// The names that templates used so far.
    used_names: BTreeSet<String>,
    /// The axes of matrices by place, and whether a template uses them.
    pub(super) axes: BTreeMap<(u32, u32), (Spanned<String>, bool)>,
    /// Where it stands what the suite as a whole must reach.
    require: Option<Span>,
    /// Whether texts stand as they are, braces and all.
    is_literal: bool,
}

impl<'a> Compiler<'a> {
    fn new(rules: &'a Arc<RuleSet>, files: &'a Files, sources: &'a Sources) -> Self {
        Compiler {
            rules,
            files,
            sources,
            templates: TemplateSet::default(),
            cache: HashMap::new(),
            diagnostics: Diagnostics::default(),
            names: BTreeSet::new(),
            has_row: false,
            uses: Uses::new(),
            warnings: Diagnostics::default(),
            used_names: BTreeSet::new(),
            axes: BTreeMap::new(),
            require: None,
            is_literal: false,
        }
    }
}

impl Compiler<'_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn case(
        &mut self,
        suite: &str,
        name: &str,
        shared: &Node,
        own: Option<&Node>,
        span: Span,
    ) -> Option<CasePlan> {
        let merged = self.layers(shared, own)?;
        let keys: Keys = match decode(&merged) {
            Ok(keys) => keys,
            Err(diagnostic) => {
                self.report(diagnostic);
                return None;
            }
        };
        self.has_row = keys.dataset.is_some();
        self.used_names.clear();
        self.names = ["language", "case"]
            .into_iter()
            .map(str::to_owned)
            .collect();
        if self.has_row {
            self.names.insert("row".to_owned());
        }
        self.names
            .extend(keys.vars.iter().flatten().map(|(name, _)| name.clone()));
        let cell = validate::cell(&keys);
        self.names.extend(cell.iter().map(|(name, _)| name.clone()));
        let dataset = keys.dataset.as_ref().map(|dataset| {
            let directory = &self.sources.get(dataset.value.file.span.source).directory;
            let path = resolve_path(directory, &dataset.value.file.value);
            let name = dataset.value.name.as_ref().and_then(|name| self.text(name));
            DatasetPlan {
                path,
                written: dataset.value.file.clone(),
                name,
                is_later: !later::of_dataset(dataset).is_empty(),
            }
        });
        let mut later = later::of_case(&keys);
        later.extend(
            self.require
                .map(|span| Spanned::new("require".to_owned(), span)),
        );
        let template = self.template(keys, cell, &later, &merged, span)?;
        self.note_axes(&template.keys);
        let tags = match &template.keys.tags {
            Some(Tags::Words(words)) => words.iter().map(|tag| tag.value.clone()).collect(),
            Some(Tags::Expression(_)) | None => Vec::new(),
        };
        let skip = match template.keys.skip.as_ref().map(|skip| &skip.value) {
            Some(Condition::Reason(reason)) => Some(reason.clone()),
            Some(Condition::Expression(_)) | None => None,
        };
        Some(CasePlan {
            id: CaseId {
                suite: suite.to_owned(),
                case: name.to_owned(),
            },
            tags,
            skip,
            dataset,
            written_at: span,
            later,
            named: false,
            template: Arc::new(template),
            templates: TemplateSet::default().finish(),
        })
    }

    /// Which axes of the case's matrix its templates use.
    fn note_axes(&mut self, keys: &Keys) {
        for (axis, _) in keys
            .matrix
            .iter()
            .flat_map(|matrix| &matrix.value.variables)
        {
            let is_used = self.used_names.contains(&axis.value);
            let place = (axis.span.source.0, axis.span.start);
            let known = self
                .axes
                .entry(place)
                .or_insert_with(|| (axis.clone(), false));
            known.1 |= is_used;
        }
    }

    /// A rule is used.
    pub(super) fn uses(&mut self, kind: &'static str, name: &str) {
        self.uses.insert((kind, name.to_owned()));
    }

    /// Presets, left to right, then the suite's keys, then the case's.
    fn layers(&mut self, shared: &Node, own: Option<&Node>) -> Option<Node> {
        let empty = Node {
            kind: Kind::Map(Vec::new()),
            span: shared.span,
        };
        let own = own.unwrap_or(&empty);
        let mut merged = empty.clone();
        if let Some(presets) = own.get("use").or_else(|| shared.get("use")) {
            let only = Node {
                kind: Kind::Map(vec![(key_named("use", presets.span), presets.clone())]),
                span: presets.span,
            };
            let keys: Keys = decode(&only).ok()?;
            for name in keys.presets.iter().flat_map(|presets| &presets.0.0) {
                self.uses("preset", &name.value);
                match self.rules.preset(&name.value) {
                    Ok(preset) => merged = merge::merge(&merged, preset),
                    Err(unknown) => self.report(unknown.at(name.span)),
                }
            }
        }
        Some(merge::merge(&merge::merge(&merged, shared), own))
    }

    fn template(
        &mut self,
        keys: Keys,
        cell: Vec<(String, Value)>,
        later: &[Spanned<String>],
        merged: &Node,
        span: Span,
    ) -> Option<CaseTemplate> {
        let before = self.diagnostics.list.len();
        validate::keys(&keys, self);
        if let Some(isolation) = &keys.isolation
            && self.is_literal
            && isolation.value == Isolation::None
        {
            self.report(
                Diagnostic::at(isolation.span, "a row to score may not lower the isolation")
                    .help("`--isolation none` accepts it for all rows"),
            );
        }
        let language = self.language(&keys);
        let compare = self.compare(&keys);
        let chat = chat(&keys, self);
        let reply = self.reply(&keys, &chat);
        let extractor = self.extractor(&keys, merged, span);
        let is_literal = std::mem::take(&mut self.is_literal);
        let program = keys
            .program
            .as_ref()
            .and_then(|program| self.with_names(&["code"], |compiler| compiler.text(program)));
        self.is_literal = is_literal;
        if let (Some(Text::Fixed(_)), Some(program)) = (&program, &keys.program) {
            self.report(
                Diagnostic::at(
                    program.span,
                    "the program does not hold the reply's code, so every reply would run the same",
                )
                .help("write `{{ code }}` where it belongs"),
            );
        }
        let stdin = keys.stdin.as_ref().and_then(|stdin| self.text(stdin));
        let args = keys
            .args
            .iter()
            .flatten()
            .filter_map(|arg| self.text(arg))
            .collect();
        let files = keys
            .files
            .iter()
            .flatten()
            .filter_map(|(path, content)| self.file(path, content))
            .collect();
        for diagnostic in keys.limits.iter().flat_map(values::too_low) {
            self.report(diagnostic);
        }
        let expect = expectations::compile(&keys, span, self);
        self.check_backend(&keys, span, language.as_ref(), &expect.list);
        let score = score::compile(&keys.score.clone().unwrap_or_default(), &expect, self);
        let later = later.first().map(|used| {
            let message = later::message(&used.value);
            // What a row to score says has no place.
            if self.is_literal {
                return message;
            }
            format!("{}: {message}", self.sources.place(used.span))
        });
        let vars = keys
            .vars
            .iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value_of(&value.value.0)))
            .collect();
        if self.diagnostics.list.len() > before {
            return None;
        }
        Some(CaseTemplate {
            rules: Arc::clone(self.rules),
            vars,
            language: language?,
            compare: compare?,
            chat,
            cell,
            reply,
            extractor: extractor?,
            program,
            stdin,
            args,
            files,
            expect: expect.list,
            score,
            later,
            keys,
        })
    }

    fn language(&mut self, keys: &Keys) -> Option<Pick<Arc<Language>>> {
        let axis = keys
            .matrix
            .as_ref()
            .and_then(|matrix| matrix.value.languages.as_ref());
        let written = keys.language.as_ref().map(|languages| &languages.0.0);
        let choices = axis.map(|axis| &axis.value).or(written);
        let Some(choices) = choices else {
            self.uses("language", "python");
            let usual = self.rules.language("python").ok()?;
            return Some(Pick::Fixed(Arc::clone(usual)));
        };
        let languages: Vec<_> = choices
            .iter()
            .map(|choice| self.language_of(choice))
            .collect();
        languages
            .into_iter()
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .next()
    }

    /// The language of a choice.
    pub(super) fn language_of(&mut self, choice: &Choice) -> Option<Pick<Arc<Language>>> {
        let (name, interpreter) = match choice {
            Choice::Expression(expression) => {
                self.uses("language", "*");
                return self.expression(expression).map(Pick::PerRow);
            }
            Choice::Name(name) => (name, None),
            Choice::With(LanguageChoice {
                name, interpreter, ..
            }) => (name.as_ref()?, interpreter.as_ref()),
        };
        let language = match self.rules.language(&name.value) {
            Ok(language) => Arc::clone(language),
            Err(unknown) => {
                self.report(unknown.at(name.span));
                return None;
            }
        };
        self.uses("language", &language.name);
        match interpreter {
            None => Some(Pick::Fixed(language)),
            Some(interpreter) => self
                .with_interpreter(&language, interpreter)
                .map(Pick::Fixed),
        }
    }

    /// The code extractor: by name, or written in the case.
    fn extractor(&mut self, keys: &Keys, merged: &Node, span: Span) -> Option<Arc<CodeExtractor>> {
        let (name, span) = match keys.code.as_ref().map(|code| (&code.value, code.span)) {
            None => ("standard", span),
            Some((CodeSpec::Name(name), span)) => (name.as_str(), span),
            Some((CodeSpec::Rule(rule), _)) => {
                validate::extractor(rule, keys, self);
                return match rule.compile("inline") {
                    Ok(extractor) => Some(Arc::new(extractor)),
                    Err(errors) => {
                        let node = merged.get("code").unwrap_or(merged);
                        for error in errors {
                            self.report(super::rules::rule_diagnostic(&error, node, self.sources));
                        }
                        None
                    }
                };
            }
        };
        self.uses("code", name);
        match self.rules.extractor(name) {
            Ok(extractor) => Some(Arc::clone(extractor)),
            Err(unknown) => {
                self.report(unknown.at(span));
                None
            }
        }
    }

    /// Whether what is said of backends can be.
    fn check_backend(
        &mut self,
        keys: &Keys,
        case: Span,
        language: Option<&Pick<Arc<Language>>>,
        expect: &[expectations::Expected],
    ) {
        if keys
            .backend
            .as_ref()
            .is_some_and(|names| names.0.is_empty())
        {
            self.report(
                Diagnostic::at(case, "`backend` of this case names none")
                    .help("write `auto`, `local` or `e2b`"),
            );
        }
        let Some(written) = &keys.e2b else { return };
        if let Some(template) = written
            .template
            .as_ref()
            .filter(|name| name.value.is_empty())
        {
            self.report(Diagnostic::at(template.span, "`template` names none"));
        }
        let Some(mode) = &written.mode else { return };
        if values::cloud_mode(mode.value) != CloudMode::Notebook {
            return;
        }
        let refused = |what: &str| {
            Diagnostic::at(mode.span, format!("mode `notebook` has no {what}"))
                .help("write `mode: script`, which runs the program as a process")
        };
        if keys.stdin.is_some() {
            self.report(refused("standard input for `stdin`"));
        }
        for expected in expect {
            match expected {
                expectations::Expected::StdinCases(_) => {
                    self.report(refused("standard input for `stdin_cases`"))
                }
                expectations::Expected::Tests { .. } => {
                    self.report(refused("process of its own for `tests`"))
                }
                _ => {}
            }
        }
        if let Some(Pick::Fixed(language)) = language
            && language.cloud.kernel.is_none()
        {
            let name = &language.name;
            self.report(refused(&format!(
                "kernel for `{name}`: its rule names none under `e2b`"
            )));
        }
    }

    /// The language with an interpreter that the suite names. It is asked for nothing outside the
    /// sandbox, not even its version.
    fn with_interpreter(
        &mut self,
        language: &Arc<Language>,
        interpreter: &Spanned<String>,
    ) -> Option<Arc<Language>> {
        if self.is_literal {
            self.report(Diagnostic::at(
                interpreter.span,
                "a row to score names no interpreter: a suite may",
            ));
            return None;
        }
        let written = &interpreter.value;
        if written.trim().is_empty() {
            self.report(Diagnostic::at(
                interpreter.span,
                "the interpreter is empty: write a path or a command",
            ));
            return None;
        }
        let command = if written.contains('/') {
            let directory = &self.sources.get(interpreter.span.source).directory;
            resolve_path(directory, written)
                .to_string_lossy()
                .into_owned()
        } else {
            written.clone()
        };
        // A command on `PATH` is the user's own, and asked like that of the rule.
        let usual = &language.interpreter;
        let found = Interpreter {
            locate: if command == *written {
                usual.locate.clone()
            } else {
                Vec::new()
            },
            language: usual.language.clone(),
            command,
            ..Interpreter::default()
        };
        Some(Arc::new(Language {
            interpreter: Arc::new(found),
            ..Language::clone(language)
        }))
    }

    fn compare(&mut self, keys: &Keys) -> Option<Pick<Arc<Comparator>>> {
        let Some(compare) = &keys.compare else {
            return self
                .comparator(&Spanned::new("lines".to_owned(), Span::default()), &[])
                .map(Pick::Fixed);
        };
        match &compare.value {
            CompareSpec::Name(name) => self
                .comparator(&Spanned::new(name.clone(), compare.span), &[])
                .map(Pick::Fixed),
            CompareSpec::With { comparator, params } => {
                self.comparator(comparator, params).map(Pick::Fixed)
            }
            CompareSpec::Expression(expression) => {
                self.uses("compare", "*");
                self.expression(expression).map(Pick::PerRow)
            }
        }
    }

    /// A comparator with its parameters.
    pub(super) fn comparator(
        &mut self,
        name: &Spanned<String>,
        params: &[(Spanned<String>, crate::syntax::value::Typed)],
    ) -> Option<Arc<Comparator>> {
        self.uses("compare", &name.value);
        let comparator = match self.rules.comparator(&name.value) {
            Ok(comparator) => Arc::clone(comparator),
            Err(unknown) => {
                self.report(unknown.at(name.span));
                return None;
            }
        };
        expectations::with_params(comparator, params, self)
    }

    fn reply(&mut self, keys: &Keys, chat: &Chat) -> Option<ReplyText> {
        let spoken = chat.reply.as_ref();
        let Some(written) = &keys.reply else {
            return spoken.map(|text| ReplyText::Fixed(text.value.clone()));
        };
        if spoken.is_some() {
            self.report(
                Diagnostic::at(
                    written.span,
                    "`reply` stands beside a chat that ends with the assistant's reply",
                )
                .help("keep one of the two"),
            );
        }
        match &written.value {
            ReplySpec::Text(text) => Some(ReplyText::Fixed(text.clone())),
            ReplySpec::File(path) => self.file_text(path).map(ReplyText::Fixed),
            ReplySpec::Expression(expression) => {
                self.expression(expression).map(ReplyText::Expression)
            }
            ReplySpec::Samples(_) | ReplySpec::List(_) => None,
        }
    }

    fn file_text(&mut self, path: &Spanned<String>) -> Option<String> {
        let bytes = match file_bytes(path, self.files, self.sources) {
            Ok(bytes) => bytes,
            Err(diagnostic) => {
                self.report(diagnostic);
                return None;
            }
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(error) => {
                let message = format!(
                    "`{}` is not UTF-8 (byte {})",
                    path.value,
                    error.valid_up_to()
                );
                self.report(Diagnostic::at(path.span, message));
                None
            }
        }
    }

    fn file(&mut self, path: &str, content: &Spanned<Content>) -> Option<(String, FileText)> {
        if !is_inside(path) {
            self.report(Diagnostic::at(
                content.span,
                format!("`{path}` is no path inside the program's directory"),
            ));
            return None;
        }
        let file = match &content.value {
            Content::File(source) => match file_bytes(source, self.files, self.sources) {
                Ok(bytes) => FileText::Bytes(bytes.to_vec()),
                Err(diagnostic) => {
                    self.report(diagnostic);
                    return None;
                }
            },
            _ => FileText::Text(self.text(content)?),
        };
        Some((path.to_owned(), file))
    }

    /// Text that a template, a literal, an expression or a file gives.
    pub(super) fn text(&mut self, content: &Spanned<Content>) -> Option<Text> {
        match &content.value {
            Content::Template(text)
                if self.is_literal
                    || !text.contains("{{") && !text.contains("{%") && !text.contains("{#") =>
            {
                Some(Text::Fixed(Spanned::new(text.clone(), content.span)))
            }
            Content::Template(text) => {
                let text = Spanned::new(text.clone(), content.span);
                let id = self.compiled(&text, false)?;
                Some(Text::Template { id, text })
            }
            Content::Literal(text) => Some(Text::Fixed(text.clone())),
            Content::Expression(expression) => self.expression(expression),
            Content::File(path) => self
                .file_text(path)
                .map(|text| Text::Fixed(Spanned::new(text, path.span))),
        }
    }

    pub(super) fn expression(&mut self, expression: &Spanned<String>) -> Option<Text> {
        let id = self.compiled(expression, true)?;
        Some(Text::Expression {
            id,
            text: expression.clone(),
        })
    }

    /// Allows more names while something is compiled.
    pub(super) fn with_names<T>(
        &mut self,
        names: &[&str],
        compile: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let kept = self.names.clone();
        self.names
            .extend(names.iter().map(|name| (*name).to_owned()));
        let result = compile(self);
        self.names = kept;
        result
    }

    fn compiled(&mut self, text: &Spanned<String>, is_expression: bool) -> Option<TemplateId> {
        let key = (text.value.clone(), is_expression);
        let id = match self.cache.get(&key) {
            Some(id) => id.clone(),
            None => {
                let compiled = if is_expression {
                    self.templates.expression(&text.value)
                } else {
                    self.templates.template(&text.value)
                };
                match compiled {
                    Ok(id) => {
                        self.cache.insert(key, id.clone());
                        id
                    }
                    Err(error) => {
                        let what = if is_expression {
                            "expression"
                        } else {
                            "template"
                        };
                        let span = self.place(text, &error);
                        let mut diagnostic = Diagnostic::at(
                            span,
                            format!("the {what} does not parse: {}", error.message),
                        );
                        if !is_expression {
                            diagnostic = diagnostic
                                .help("for braces that are no template, write `{text: …}`");
                        }
                        self.report(diagnostic);
                        return None;
                    }
                }
            }
        };
        self.check_names(text, &id).then_some(id)
    }

    fn place(&self, text: &Spanned<String>, error: &TemplateError) -> Span {
        error.at.clone().map_or(text.span, |at| {
            place::within(self.sources, text.span, &text.value, at)
        })
    }

    /// Every name a template uses must be one that its scope has.
    fn check_names(&mut self, text: &Spanned<String>, id: &TemplateId) -> bool {
        let mut fine = true;
        for used in self.templates.names(id) {
            let first = used.split('.').next().unwrap_or(&used);
            self.used_names.insert(first.to_owned());
            if self.names.contains(first) || self.templates.is_global(first) {
                continue;
            }
            fine = false;
            let at = word_at(&text.value, first);
            let span = at.map_or(text.span, |at| {
                place::within(self.sources, text.span, &text.value, at)
            });
            let diagnostic = match first {
                "row" => Diagnostic::at(span, "`row` is used, but the case has no `dataset`"),
                "code" => Diagnostic::at(span, "`code` is known only in `program`"),
                "item" => {
                    Diagnostic::at(span, "`item` is known only under `stdin_cases` with `each`")
                }
                "model" => Diagnostic::at(span, "`model` is used, but the case asks no model"),
                _ => Diagnostic::at(span, format!("undefined variable `{first}`"))
                    .maybe_help(did_you_mean(first, self.names.iter().map(String::as_str))),
            };
            self.report(diagnostic);
        }
        fine
    }
}

/// Whether a path leads to a file inside the program's directory.
pub(super) fn is_inside(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.all(|part| !part.is_empty() && part != "." && part != "..")
        && !path.contains(['\\', '\0'])
}

fn key_named(name: &str, span: Span) -> crate::syntax::Key {
    crate::syntax::Key {
        text: name.to_owned(),
        span,
    }
}

/// Where a word stands by itself inside the template's braces.
fn word_at(text: &str, word: &str) -> Option<std::ops::Range<usize>> {
    let is_part = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '.')
    };
    let after_brace = text
        .find("{{")
        .into_iter()
        .chain(text.find("{%"))
        .min()
        .unwrap_or(0);
    text.match_indices(word)
        .map(|(at, _)| at..at + word.len())
        .find(|at| {
            at.start >= after_brace
                && !is_part(text[..at.start].chars().next_back())
                && !text[at.end..]
                    .chars()
                    .next()
                    .is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
        })
}

/// What a row's rendering needs.
pub(super) struct Rendering<'a> {
    pub(super) rules: &'a RuleSet,
    templates: &'a Templates,
    pub(super) scope: Value,
    row: Option<&'a Row>,
    sources: &'a Sources,
}

impl Rendering<'_> {
    /// The same with more in scope.
    pub(super) fn with(&self, name: &str, value: Value) -> Rendering<'_> {
        let scope =
            minijinja::context! { ..Value::from_pairs([(name, value)]), ..self.scope.clone() };
        Rendering {
            rules: self.rules,
            templates: self.templates,
            scope,
            row: self.row,
            sources: self.sources,
        }
    }

    /// Renders text.
    pub(super) fn text(&self, text: &Text) -> Result<String, Diagnostic> {
        match text {
            Text::Fixed(text) => Ok(text.value.clone()),
            Text::Template { id, text } => self
                .templates
                .text(id, &self.scope)
                .map_err(|error| self.failed(id, text, &error)),
            Text::Expression { id, text } => {
                let value = self
                    .templates
                    .value(id, &self.scope)
                    .map_err(|error| self.failed(id, text, &error))?;
                text_of(&value).map_err(|noun| {
                    self.problem(
                        text.span,
                        format!("`{}` is {noun} where text is meant", text.value),
                    )
                })
            }
        }
    }

    /// Evaluates to a typed value; text that is no expression is itself.
    pub(super) fn value(&self, text: &Text) -> Result<Value, Diagnostic> {
        match text {
            Text::Expression { id, text } => self
                .templates
                .value(id, &self.scope)
                .map_err(|error| self.failed(id, text, &error)),
            Text::Fixed(_) | Text::Template { .. } => self.text(text).map(Value::from),
        }
    }

    /// A problem of the row, if there is one, else of the suite.
    pub(super) fn problem(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        match self.row {
            None => Diagnostic::at(span, message),
            Some(row) => {
                let diagnostic = Diagnostic::in_row(row.place(), message);
                if span == Span::default() {
                    diagnostic
                } else {
                    diagnostic.help(format!("it is asked for at {}", self.sources.place(span)))
                }
            }
        }
    }

    /// The place of a part of a text that was written at `span`.
    pub(super) fn place(&self, span: Span, text: &str, at: std::ops::Range<usize>) -> Span {
        place::within(self.sources, span, text, at)
    }

    fn failed(&self, id: &TemplateId, text: &Spanned<String>, error: &TemplateError) -> Diagnostic {
        let span = error.at.clone().map_or(text.span, |at| {
            place::within(self.sources, text.span, &text.value, at)
        });
        if error.undefined
            && let Some(row) = self.row
        {
            let missing = self.templates.names(id).into_iter().find_map(|name| {
                let column = name.strip_prefix("row.")?.split('.').next()?.to_owned();
                (!row.columns.contains_key(&column)).then_some(column)
            });
            if let Some(column) = missing {
                let nearest = did_you_mean(&column, row.columns.keys().map(String::as_str));
                let place = self.sources.place(span);
                let help = nearest.map_or_else(
                    || format!("it is asked for at {place}"),
                    |nearest| format!("{nearest} (it is asked for at {place})"),
                );
                return Diagnostic::in_row(
                    row.place(),
                    format!("the row has no column `{column}`"),
                )
                .help(help);
            }
        }
        self.problem(span, error.message.clone())
    }
}

impl CasePlan {
    /// The evaluator of the case, or of the case that a row makes.
    ///
    /// # Errors
    /// What is wrong with the case or the row.
    pub fn evaluator(&self, row: Option<&Row>, sources: &Sources) -> Result<Evaluator, Diagnostic> {
        let template = &*self.template;
        let vars = template
            .vars
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()));
        let mut scope: Vec<(&str, Value)> = vars.collect();
        let cell = template.cell.iter();
        scope.extend(cell.map(|(name, value)| (name.as_str(), value.clone())));
        if let Some(row) = row {
            scope.push(("row", columns_of(row)));
        }
        let rendering = |scope: &[(&str, Value)]| Rendering {
            rules: &template.rules,
            templates: &self.templates,
            scope: Value::from_pairs(scope.iter().cloned()),
            row,
            sources,
        };
        let language = self.language(&rendering(&scope))?;
        scope.push((
            "language",
            Value::from_pairs([("name", Value::from(language.name.as_str()))]),
        ));
        let id = self.row_id(row, &rendering(&scope))?;
        scope.push((
            "case",
            Value::from_pairs([
                ("name", Value::from(id.case.as_str())),
                ("suite", Value::from(id.suite.as_str())),
            ]),
        ));
        let rendering = rendering(&scope);
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
        let reply = match &template.reply {
            None => None,
            Some(ReplyText::Fixed(text)) => Some(Reply::Text(text.clone())),
            Some(ReplyText::Expression(expression)) => {
                Some(Reply::Text(rendering.text(expression)?))
            }
        };
        let files = template
            .files
            .iter()
            .map(|(path, file)| {
                let bytes = match file {
                    FileText::Bytes(bytes) => bytes.clone(),
                    FileText::Text(text) => rendering.text(text)?.into_bytes(),
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
            self.written_at,
            &rendering,
        )?;
        let mut limits = values::limits(
            language.limits,
            &template.keys.limits.clone().unwrap_or_default(),
        );
        if let Some(TimeOrExpression::Time(timeout)) =
            template.keys.timeout.as_ref().map(|timeout| &timeout.0)
        {
            limits.wall = timeout.value.0;
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
            tags: self.tags.clone(),
            messages,
            reply,
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
            score: template.score.clone(),
            limits,
            network: template.keys.network.unwrap_or(false),
            cloud: cloud(&template.keys, &language),
            isolation: self.isolation(),
            backends: backends(&template.keys),
            skip: self.skip.clone(),
            later: template.later.clone(),
            written_at: self.written_at,
            row: row.map(|row| (row.file.clone(), row.line)),
            language,
        })
    }

    /// The id of a row's case.
    ///
    /// # Errors
    /// When the dataset's `name` cannot be rendered.
    pub fn id_of(&self, row: &Row, sources: &Sources) -> Result<CaseId, Diagnostic> {
        let template = &*self.template;
        let mut scope: Vec<(&str, Value)> = template
            .vars
            .iter()
            .chain(&template.cell)
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        scope.push(("row", columns_of(row)));
        let rendering = Rendering {
            rules: &template.rules,
            templates: &self.templates,
            scope: Value::from_pairs(scope),
            row: Some(row),
            sources,
        };
        self.row_id(Some(row), &rendering)
    }

    /// Whether it is about a reply that is known to be bad.
    pub fn is_known_bad(&self) -> bool {
        let score = self.template.keys.score.as_ref();
        score.is_some_and(|score| score.at_most.is_some())
    }

    /// Whether the reply is written, and not a model's to give.
    pub fn has_reply(&self) -> bool {
        self.template.reply.is_some()
    }

    /// Why its dataset cannot be read by this version as it is asked to.
    pub fn unread(&self) -> Option<Diagnostic> {
        let used = self.later.first()?;
        let dataset = self.dataset.as_ref()?;
        dataset
            .is_later
            .then(|| Diagnostic::at(used.span, later::message(&used.value)))
    }

    /// What was written of it, short forms expanded.
    pub(super) fn keys(&self) -> &Keys {
        &self.template.keys
    }

    /// The least isolation that it accepts, where it states one.
    pub fn isolation(&self) -> Option<Isolation> {
        let stated = self.template.keys.isolation.as_ref();
        stated.map(|isolation| isolation.value)
    }

    /// Where it may run, in order of preference.
    pub fn backends(&self) -> Vec<BackendChoice> {
        backends(&self.template.keys)
    }

    /// The language, where every row has the same.
    pub fn fixed_language(&self) -> Option<&Arc<Language>> {
        match &self.template.language {
            Pick::Fixed(language) => Some(language),
            Pick::PerRow(_) => None,
        }
    }

    fn language(&self, rendering: &Rendering<'_>) -> Result<Arc<Language>, Diagnostic> {
        match &self.template.language {
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

    fn row_id(&self, row: Option<&Row>, rendering: &Rendering<'_>) -> Result<CaseId, Diagnostic> {
        let (Some(row), Some(dataset)) = (row, &self.dataset) else {
            return Ok(self.id.clone());
        };
        let name = match &dataset.name {
            None => row.line.to_string(),
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
            suite: self.id.suite.clone(),
            case,
        })
    }
}

fn columns_of(row: &Row) -> Value {
    Value::from_pairs(
        row.columns
            .iter()
            .map(|(key, value)| (key.as_str(), value_of(value))),
    )
}

/// What a suite says of the cloud, before what the language's rule says.
fn cloud(keys: &Keys, language: &Language) -> Cloud {
    let usual = &language.cloud;
    let Some(written) = &keys.e2b else {
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
    for name in &names.0 {
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
