//! Suites to plans: layers merged, names looked up, templates compiled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::matrix::{self, Cell};
use super::per_row::PerRow;
use super::plan::{
    CasePlan, CaseTemplate, FileText, ReplyText, Settings, SuitePlan, Uses, bad_name,
};
use super::prompt::{Chat, chat};
use super::render::{Pick, Text};
use super::rules::{RuleSet, UnknownName, file_bytes};
use super::{
    Files, expectations, later, merge, place, resolve_path, score, validate, values, warn,
};
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::evaluator::code::CodeExtractor;
use crate::evaluator::compare::Comparator;
use crate::evaluator::{CaseId, Evaluator, Language, LazyRegex, Place};
use crate::execution::Isolation;
use crate::program::{CloudMode, ForkServer, Interpreter};
use crate::source::{Sources, Span, Spanned};
use crate::syntax::matcher::{CompareSpec, Pairs};
use crate::syntax::suite::{
    Choice, CodeSpec, Condition, Keys, LanguageChoice, ReferenceSpec, ReplySpec, Role, Tags,
};
use crate::syntax::test_code::Test;
use crate::syntax::value::Content;
use crate::syntax::{Kind, Node, SuiteFile, decode};
use crate::template::{TemplateError, TemplateId, TemplateSet, Templates, value_of};

/// Compiles a suite. `name` is the file's stem.
pub fn compile_suite(
    name: &str,
    suite: &SuiteFile,
    rules: &Arc<RuleSet>,
    files: &Files,
    sources: &Sources,
) -> (SuitePlan, Diagnostics) {
    let mut compiler = Compiler::new(rules, files, sources);
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
    report_names(&taken, &drafts, &mut compiler);
    note_shared_samples(&mut drafts);
    let only: Option<Arc<str>> = drafts
        .iter()
        .find_map(|draft| draft.template.per_row.reason_of_only())
        .map(Arc::from);
    let requirements = match &suite.require {
        Some(require) => validate::require(require, &drafts, &mut compiler),
        None => Vec::new(),
    };
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
            only: only.clone(),
            is_judged_whole: suite.require.is_some(),
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
            requirements,
        },
        diagnostics,
    )
}

/// Cells that have the id of another case.
fn report_names(taken: &HashMap<String, Span>, drafts: &[CasePlan], compiler: &mut Compiler<'_>) {
    for draft in drafts.iter().filter(|draft| draft.id.cell.is_some()) {
        if let Some(span) = taken.get(&draft.id.name()) {
            let message = format!("two cases have the name `{}`", draft.id.name());
            let at = compiler.sources.place(draft.written_at);
            compiler.report(
                Diagnostic::at(*span, message)
                    .help(format!("the other is a cell of the case at {at}")),
            );
        }
    }
}

/// Which files of saved samples several cases read.
fn note_shared_samples(drafts: &mut [CasePlan]) {
    let mut readers: HashMap<PathBuf, usize> = HashMap::new();
    for saved in drafts.iter().filter_map(|draft| draft.saved.as_ref()) {
        *readers.entry(saved.file.path.clone()).or_default() += 1;
    }
    for saved in drafts.iter_mut().filter_map(|draft| draft.saved.as_mut()) {
        saved.is_shared = readers
            .get(&saved.file.path)
            .is_some_and(|count| *count > 1);
    }
}

/// The names of rules that a preset uses and that are not known, whether or not a suite uses it.
pub(super) fn preset_names(
    preset: &Node,
    rules: &Arc<RuleSet>,
    files: &Files,
    sources: &Sources,
) -> Diagnostics {
    let mut compiler = Compiler::new(rules, files, sources);
    let keys = decode::<Keys>(&crate::syntax::without_removals(preset));
    if let Ok(keys) = keys {
        for choice in keys.language.iter().flat_map(|languages| &languages.0.0) {
            if !matches!(choice, Choice::Expression(_)) {
                compiler.language_of(choice);
            }
        }
        if !matches!(
            keys.compare.as_ref().map(|compare| &compare.value),
            Some(CompareSpec::Expression(_))
        ) {
            compiler.compare(&keys);
        }
        compiler.extractor(&keys, preset, preset.span);
    }
    compiler.diagnostics
}

/// Compiles a case whose keys came as JSON. Its texts are literal but for `program`.
pub fn compile_inline(
    keys: &serde_json::Map<String, serde_json::Value>,
    rules: &Arc<RuleSet>,
    files: &Files,
    sources: &Sources,
) -> Result<Evaluator, Diagnostics> {
    let span = Span::default();
    let keys = node_of(&serde_json::Value::Object(keys.clone()), span);
    let mut compiler = Compiler {
        is_literal: true,
        ..Compiler::new(rules, files, sources)
    };
    compiler.diagnostics = crate::syntax::check_layer(&keys);
    for (key, why) in [
        ("dataset", "it is a row itself"),
        ("samples", "its replies are under `replies`"),
        ("reference", "a suite may name trusted programs"),
    ] {
        if let Some(written) = keys.get(key) {
            let message = format!("`{key}` stands in no row to score: {why}");
            compiler.report(Diagnostic::at(written.span, message));
        }
    }
    if let Some(matrix) = keys.get("matrix") {
        compiler.report(Diagnostic::at(
            matrix.span,
            "a row to score is one case, and has no `matrix`",
        ));
    }
    let drafts = if compiler.diagnostics.is_empty() {
        compiler.case("score", "row", &keys, None, span)
    } else {
        Vec::new()
    };
    if drafts.len() > 1 {
        compiler.report(Diagnostic::at(
            span,
            "a row to score is one case, and has one `language` and one `model`",
        ));
    }
    let draft = drafts.into_iter().next();
    let templates = compiler.templates.finish();
    match draft {
        Some(draft) if compiler.diagnostics.is_empty() => {
            let case = CasePlan { templates, ..draft };
            case.evaluator(None, sources).map_err(Diagnostics::from)
        }
        _ => Err(compiler.diagnostics),
    }
}

/// JSON as a tree, all of it at one place: what is no number is quoted text, null is nothing.
pub(super) fn node_of(json: &serde_json::Value, span: Span) -> Node {
    let scalar = |text: String, plain: bool| Kind::Scalar { text, plain };
    let kind = match json {
        serde_json::Value::Null => scalar("~".to_owned(), true),
        serde_json::Value::Bool(value) => scalar(value.to_string(), true),
        serde_json::Value::Number(number) => scalar(number.to_string(), true),
        serde_json::Value::String(text) => scalar(text.clone(), false),
        serde_json::Value::Array(items) => {
            Kind::List(items.iter().map(|item| node_of(item, span)).collect())
        }
        serde_json::Value::Object(entries) => Kind::Map(
            entries
                .iter()
                .map(|(key, value)| (key_named(key, span), node_of(value, span)))
                .collect(),
        ),
    };
    Node { kind, span }
}

/// What a case is compiled with.
pub(super) struct Compiler<'a> {
    pub(super) rules: &'a Arc<RuleSet>,
    files: &'a Files,
    pub(super) sources: &'a Sources,
    templates: TemplateSet,
    /// What a draft has until all templates are known: making an environment is slow.
    none: Templates,
    /// The layers below a case that names no presets of its own.
    shared: Option<Node>,
    /// Templates by text, so that what is inherited is compiled once; the flag tells expressions.
    cache: HashMap<(String, bool), TemplateId>,
    pub(super) diagnostics: Diagnostics,
    /// How often something was reported, the same in another cell too.
    pub(super) reported: usize,
    /// Names that only some cells of the case at hand have, with those that have them not.
    partial: BTreeMap<String, String>,
    /// The names that templates of the case at hand may use.
    names: BTreeSet<String>,
    has_row: bool,
    pub(super) uses: Uses,
    pub(super) warnings: Diagnostics,
    /// The names that templates used so far.
    used_names: BTreeSet<String>,
    /// The axes of matrices by place, and whether a template uses them.
    pub(super) axes: BTreeMap<(u32, u32), (Spanned<String>, bool)>,
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
            none: TemplateSet::default().finish(),
            shared: None,
            cache: HashMap::new(),
            diagnostics: Diagnostics::default(),
            reported: 0,
            partial: BTreeMap::new(),
            names: BTreeSet::new(),
            has_row: false,
            uses: Uses::new(),
            warnings: Diagnostics::default(),
            used_names: BTreeSet::new(),
            axes: BTreeMap::new(),
            is_literal: false,
        }
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.reported += 1;
        self.diagnostics.push(diagnostic);
    }

    /// A name that no rule has. One that a rule has which is wrong itself is not told again.
    pub(super) fn unknown(&mut self, unknown: UnknownName, span: Span) {
        if !unknown.is_broken {
            self.report(unknown.at(span));
        }
    }

    /// A case, once for each cell of its matrix.
    fn case(
        &mut self,
        suite: &str,
        name: &str,
        shared: &Node,
        own: Option<&Node>,
        span: Span,
    ) -> Vec<CasePlan> {
        let Some(merged) = self.layers(shared, own) else {
            return Vec::new();
        };
        let keys: Keys = match decode(&merged) {
            Ok(keys) => keys,
            Err(diagnostic) => {
                self.report(diagnostic);
                return Vec::new();
            }
        };
        self.used_names.clear();
        if let Some(own) = own {
            matrix::report_without_effect(own, &keys, self);
        }
        let cells = matrix::cells(&keys, span, self);
        self.partial = cells.partial;
        let plans = cells.list.into_iter().filter_map(|cell| {
            let id = CaseId {
                suite: suite.to_owned(),
                case: name.to_owned(),
                cell: cell.id.clone(),
            };
            self.cell(id, &keys, cell, &merged, span)
        });
        let plans = plans.collect();
        self.note_axes(&keys);
        plans
    }

    fn cell(
        &mut self,
        id: CaseId,
        keys: &Keys,
        cell: Cell,
        merged: &Node,
        span: Span,
    ) -> Option<CasePlan> {
        self.has_row = keys.dataset.is_some();
        self.names = ["language", "case"]
            .into_iter()
            .map(str::to_owned)
            .collect();
        if self.has_row {
            self.names.insert("row".to_owned());
        }
        self.names
            .extend(keys.vars.iter().flatten().map(|(name, _)| name.clone()));
        self.names
            .extend(cell.scope.iter().map(|(name, _)| name.clone()));
        let dataset = keys.dataset.as_ref();
        let dataset = dataset.map(|dataset| self.dataset(&dataset.value));
        let is_broken = matches!(dataset, Some(None));
        let saved = match keys.reply.as_ref().map(|reply| &reply.value) {
            Some(ReplySpec::Samples(saved)) => Some(self.saved_samples(saved)),
            _ => None,
        };
        let asked = cell.model.as_ref().filter(|_| !has_reply(keys));
        let later = later::of_case(keys, asked);
        let template = self.template(keys, cell, &later, merged, span)?;
        if is_broken {
            return None;
        }
        let tags = match &keys.tags {
            Some(Tags::Words(words)) => words.iter().map(|tag| tag.value.clone()).collect(),
            Some(Tags::Expression(_)) | None => Vec::new(),
        };
        let skip = match keys.skip.as_ref().map(|skip| &skip.value) {
            Some(Condition::Reason(reason)) => Some(reason.clone()),
            Some(Condition::Expression(_)) | None => None,
        };
        Some(CasePlan {
            id,
            tags,
            skip,
            only: None,
            dataset: dataset.flatten(),
            saved,
            written_at: span,
            later,
            named: false,
            is_judged_whole: false,
            template: Arc::new(template),
            templates: self.none.clone(),
        })
    }

    /// Which axes of the case's matrix its templates use.
    fn note_axes(&mut self, keys: &Keys) {
        for axis in matrix::variables(keys) {
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
        if own.get("use").is_some() {
            let base = self.base(shared, own.get("use"))?;
            return Some(merge::merge(&base, own));
        }
        // Nearly all cases have the suite's presets, so these are laid on each other once.
        if self.shared.is_none() {
            self.shared = Some(self.base(shared, shared.get("use"))?);
        }
        self.shared.as_ref().map(|base| merge::merge(base, own))
    }

    /// Presets, left to right, then the suite's keys.
    fn base(&mut self, shared: &Node, presets: Option<&Node>) -> Option<Node> {
        let mut merged = Node {
            kind: Kind::Map(Vec::new()),
            span: shared.span,
        };
        if let Some(presets) = presets {
            let only = Node {
                kind: Kind::Map(vec![(key_named("use", presets.span), presets.clone())]),
                span: presets.span,
            };
            let keys: Keys = decode(&only).ok()?;
            for name in keys.presets.iter().flat_map(|presets| &presets.0.0) {
                self.uses("preset", &name.value);
                match self.rules.preset(&name.value) {
                    Ok(preset) => merged = merge::merge(&merged, preset),
                    Err(unknown) => self.unknown(unknown, name.span),
                }
            }
        }
        Some(merge::merge(&merged, shared))
    }

    fn template(
        &mut self,
        keys: &Keys,
        cell: Cell,
        later: &[Spanned<String>],
        merged: &Node,
        span: Span,
    ) -> Option<CaseTemplate> {
        let before = self.reported;
        validate::keys(keys, self);
        let per_row = PerRow::compile(keys, self);
        if let Some(isolation) = &keys.isolation
            && self.is_literal
            && isolation.value == Isolation::None
        {
            self.report(
                Diagnostic::at(isolation.span, "a row to score may not lower the isolation")
                    .help("`--isolation none` accepts it for all rows"),
            );
        }
        let language = self.language(keys, &cell);
        let compare = self.compare(keys);
        let chat = chat(keys, self);
        let replies = self.replies(keys, &chat);
        let extractor = self.extractor(keys, merged, span);
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
            .flat_map(|Pairs(files)| files)
            .filter_map(|(path, content)| self.file(path, content))
            .collect();
        for diagnostic in keys.limits.iter().flat_map(values::too_low) {
            self.report(diagnostic);
        }
        let reference = keys
            .reference
            .as_ref()
            .and_then(|reference| self.reference(&reference.value));
        let expect = expectations::compile(keys, span, self);
        self.check_backend(keys, language.as_ref(), &expect.list);
        self.check_tests(keys, language.as_ref());
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
        if self.reported > before {
            return None;
        }
        Some(CaseTemplate {
            rules: Arc::clone(self.rules),
            vars,
            language: language?,
            compare: compare?,
            chat,
            cell: cell.scope,
            model: cell.model.map(|model| model.value),
            per_row,
            replies,
            extractor: extractor?,
            program,
            stdin,
            args,
            files,
            reference,
            expect: expect.list,
            score,
            later,
            settings: Settings::of(keys),
        })
    }

    /// The language of a cell, else that of the case.
    fn language(&mut self, keys: &Keys, cell: &Cell) -> Option<Pick<Arc<Language>>> {
        let written = keys.language.as_ref();
        let written = written.and_then(|languages| languages.0.0.first());
        match cell.language.as_ref().or(written) {
            Some(choice) => self.language_of(choice),
            None => {
                self.uses("language", "python");
                let usual = self.rules.language("python").ok()?;
                Some(Pick::Fixed(Arc::clone(usual)))
            }
        }
    }

    /// The language of a choice.
    pub(super) fn language_of(&mut self, choice: &Choice) -> Option<Pick<Arc<Language>>> {
        let (name, interpreter, preload) = match choice {
            Choice::Expression(expression) => {
                self.uses("language", "*");
                return self.expression(expression).map(Pick::PerRow);
            }
            Choice::Name(name) => (name, None, None),
            Choice::With(LanguageChoice {
                name,
                interpreter,
                preload,
                ..
            }) => (name.as_ref()?, interpreter.as_ref(), preload.as_ref()),
        };
        let language = match self.rules.language(&name.value) {
            Ok(language) => Arc::clone(language),
            Err(unknown) => {
                self.unknown(unknown, name.span);
                return None;
            }
        };
        self.uses("language", &language.name);
        let language = match interpreter {
            None => language,
            Some(interpreter) => self.with_interpreter(&language, interpreter)?,
        };
        match preload {
            None => Some(Pick::Fixed(language)),
            Some(preload) => self.with_preload(&language, preload).map(Pick::Fixed),
        }
    }

    /// The language with modules that its fork server holds.
    fn with_preload(
        &mut self,
        language: &Arc<Language>,
        preload: &Spanned<Vec<Spanned<String>>>,
    ) -> Option<Arc<Language>> {
        if self.is_of_row(preload.span) {
            self.report(Diagnostic::at(
                preload.span,
                "a row to score preloads no modules: a suite may",
            ));
            return None;
        }
        let Some(fork_server) = &language.fork_server else {
            let message = format!(
                "nothing can be preloaded for {}: its rule has no `fork_server`",
                language.name
            );
            self.report(Diagnostic::at(preload.span, message));
            return None;
        };
        let is_module = |name: &str| {
            let mut parts = name.split('.');
            parts.all(|part| {
                !part.is_empty() && part.chars().all(|one| one == '_' || one.is_alphanumeric())
            })
        };
        if let Some(name) = preload.value.iter().find(|name| !is_module(&name.value)) {
            let message = format!(
                "`{}` is not a module's name: write `numpy` or `scipy.stats`",
                name.value
            );
            self.report(Diagnostic::at(name.span, message));
            return None;
        }
        let fork_server = ForkServer {
            preload: preload
                .value
                .iter()
                .map(|name| name.value.clone())
                .collect(),
            scripts: fork_server.scripts.clone(),
        };
        Some(Arc::new(Language {
            fork_server: Some(Arc::new(fork_server)),
            ..Language::clone(language)
        }))
    }

    /// The code extractor: by name, or written in the case.
    fn extractor(&mut self, keys: &Keys, merged: &Node, span: Span) -> Option<Arc<CodeExtractor>> {
        let (name, span) = match keys.code.as_ref().map(|code| (&code.value, code.span)) {
            None => ("standard", span),
            Some((CodeSpec::Name(name), span)) => (name.as_str(), span),
            Some((CodeSpec::Rule(rule), _)) => {
                validate::extractor(rule, keys, self);
                return match rule.compile("inline", LazyRegex::new) {
                    Ok(extractor) => Some(Arc::new(match self.rules.extractor("standard") {
                        Ok(standard) => extractor.over(standard),
                        Err(_) => extractor,
                    })),
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
                self.unknown(unknown, span);
                None
            }
        }
    }

    /// Tests that the language's rule has no way to run.
    fn check_tests(&mut self, keys: &Keys, language: Option<&Pick<Arc<Language>>>) {
        let subjects = keys.expect.as_ref().map(|expect| &expect.value.subjects);
        let Some(tests) = subjects.and_then(|subjects| subjects.tests.as_ref()) else {
            return;
        };
        if let Some(Pick::Fixed(language)) = language {
            let has_code = tests
                .value
                .code
                .iter()
                .any(|test| matches!(test, Test::Code(_)));
            let judged = tests.value.judged.as_ref();
            let place = Place::of(judged.map(|judged| judged.value), has_code, language);
            if let Err((message, help)) = place {
                let span = judged.map_or(tests.span, |judged| judged.span);
                self.report(Diagnostic::at(span, message).help(help));
            }
        }
    }

    /// Whether what is said of backends can be.
    fn check_backend(
        &mut self,
        keys: &Keys,
        language: Option<&Pick<Arc<Language>>>,
        expect: &[expectations::Expected],
    ) {
        if let Some(names) = &keys.backend
            && names.value.0.is_empty()
        {
            self.report(
                Diagnostic::at(names.span, "`backend` is empty: the case could run nowhere")
                    .help("write `auto`, `local` or `e2b`"),
            );
        }
        let Some(written) = &keys.e2b else { return };
        if let Some(template) = written
            .template
            .as_ref()
            .filter(|name| name.value.is_empty())
        {
            self.report(
                Diagnostic::at(template.span, "`template` is empty")
                    .help("write the name of a template such as `base`, or leave the key out"),
            );
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
                expectations::Expected::StdinCases { .. } => {
                    self.report(refused("standard input for `stdin_cases`"))
                }
                expectations::Expected::Files(_) => {
                    self.report(refused("way to read the files that a program leaves"))
                }
                expectations::Expected::Tests(_) => {
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

    /// Whether something stands in a row to score itself, and not in a preset that it uses: rows may come
    /// from anybody, and presets are of the project.
    pub(super) fn is_of_row(&self, span: Span) -> bool {
        self.is_literal && span == Span::default()
    }

    /// The bytes of a file that is named.
    fn file_bytes(&mut self, path: &Spanned<String>) -> Option<&'a [u8]> {
        let read = if self.is_of_row(path.span) {
            let message = "a row to score names no file: its texts stand in it";
            Err(Diagnostic::at(path.span, message))
        } else {
            file_bytes(path, self.files, self.sources)
        };
        read.map_err(|diagnostic| self.report(diagnostic)).ok()
    }

    /// The language with an interpreter that the suite names. It is asked for nothing outside the
    /// sandbox, not even its version.
    fn with_interpreter(
        &mut self,
        language: &Arc<Language>,
        interpreter: &Spanned<String>,
    ) -> Option<Arc<Language>> {
        if self.is_of_row(interpreter.span) {
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
                self.unknown(unknown, name.span);
                return None;
            }
        };
        expectations::with_params(comparator, params, self)
    }

    fn replies(&mut self, keys: &Keys, chat: &Chat) -> Vec<ReplyText> {
        let spoken = chat.reply.as_ref();
        let Some(written) = &keys.reply else {
            let spoken = spoken.map(|text| ReplyText::Fixed(text.value.clone()));
            return spoken.into_iter().collect();
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
        let ReplySpec::List(list) = &written.value else {
            return self.reply(&written.value).into_iter().collect();
        };
        let mut replies = Vec::new();
        for reply in list {
            match &reply.value {
                ReplySpec::List(_) | ReplySpec::Samples(_) => self.report(
                    Diagnostic::at(
                        reply.span,
                        "saved samples and lists stand in no list of replies",
                    )
                    .help("write them alone: `reply: {file: …, join: …, field: …}`"),
                ),
                one => replies.extend(self.reply(one)),
            }
        }
        replies
    }

    fn reply(&mut self, written: &ReplySpec) -> Option<ReplyText> {
        match written {
            ReplySpec::Text(text) => Some(ReplyText::Fixed(text.clone())),
            ReplySpec::File(path) => self.file_text(path).map(ReplyText::Fixed),
            ReplySpec::Expression(expression) => {
                self.expression(expression).map(ReplyText::Expression)
            }
            ReplySpec::Samples(_) | ReplySpec::List(_) => None,
        }
    }

    fn reference(
        &mut self,
        written: &ReferenceSpec,
    ) -> Option<(Text, Option<Pick<Arc<Language>>>)> {
        let code = self.text(&written.code)?;
        let language = match &written.language {
            None => None,
            Some(language) => Some(self.language_of(language)?),
        };
        Some((code, language))
    }

    fn file_text(&mut self, path: &Spanned<String>) -> Option<String> {
        let bytes = self.file_bytes(path)?;
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

    fn file(
        &mut self,
        path: &Spanned<String>,
        content: &Spanned<Content>,
    ) -> Option<(String, FileText)> {
        if !is_inside(&path.value) {
            self.report(outside(path));
            return None;
        }
        let file = match &content.value {
            Content::File(source) => FileText::Bytes(self.file_bytes(source)?.into()),
            _ => FileText::Text(self.text(content)?),
        };
        Some((path.value.clone(), file))
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

    /// Forbids names while something is compiled.
    pub(super) fn without_names<T>(
        &mut self,
        names: &[&str],
        compile: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let kept = self.names.clone();
        self.names.retain(|name| !names.contains(&name.as_str()));
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
            if let Some(without) = self.partial.get(first) {
                let message = format!("not every cell of the matrix has the variable `{first}`");
                let help = format!("there is none in {without}: give each one with `include`");
                self.report(Diagnostic::at(span, message).help(help));
                continue;
            }
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

/// That a path leaves the program's directory.
pub(super) fn outside(path: &Spanned<String>) -> Diagnostic {
    let message = format!("`{}` is no path inside the program's directory", path.value);
    Diagnostic::at(path.span, message).help("write one such as `data/input.txt`")
}

/// Whether a path leads to a file inside the program's directory.
pub(super) fn is_inside(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.all(|part| !part.is_empty() && part != "." && part != "..")
        && !path.contains(['\\', '\0'])
}

/// Whether the reply is written, and not a model's to give.
fn has_reply(keys: &Keys) -> bool {
    let messages = keys.messages.as_ref().map(|messages| &messages.value);
    let last = messages.and_then(|messages| messages.last());
    keys.reply.is_some() || last.is_some_and(|last| last.role == Role::Assistant)
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
