//! Rule packs merged in order: names to rules, and the nearest name where there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::evaluator::{LazyRegex, ReadPattern};

use super::cases::{is_inside, preset_names};
use super::{Files, resolve_path, values};
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::evaluator::code::{CodeExtractor, LanguageTags};
use crate::evaluator::compare::Comparator;
use crate::evaluator::expected::ExpectedExtractor;
use crate::evaluator::rule_error::RuleError;
use crate::evaluator::{Beside, Channel, CommandTemplate, FileNameRule, Language};
use crate::program::{Cloud, ForkServer, Interpreter, Limits, SourceFile};
use crate::source::{Sources, Span, Spanned};
use crate::syntax::model::ModelSpec;
use crate::syntax::rules::{self as syntax, LanguageRule, Named, RulePack};
use crate::syntax::schema::Names;
use crate::syntax::suite::Choice;
use crate::syntax::value::Content;
use crate::syntax::{Kind, Node};

/// All rules that a suite can name.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    languages: BTreeMap<String, Arc<Language>>,
    aliases: BTreeMap<String, String>,
    extractors: BTreeMap<String, Arc<CodeExtractor>>,
    expected: BTreeMap<String, Arc<ExpectedExtractor>>,
    comparators: BTreeMap<String, Arc<Comparator>>,
    presets: BTreeMap<String, Node>,
    models: BTreeMap<String, Arc<ModelSpec>>,
    /// What rules are for, where they say it, by kind and name.
    descriptions: BTreeMap<(&'static str, String), String>,
    /// Which pack each rule comes from, by kind and name.
    origins: BTreeMap<(&'static str, String), String>,
    /// Names of rules that are wrong themselves: they are not unknown.
    broken: BTreeSet<String>,
    /// How the code of each language is known.
    tags: Arc<[LanguageTags]>,
}

/// Keys that stand where comparators' names do.
const TAKEN: &[&str] = &["", "text", "file", "expr", "from", "rule", "not", "value"];

/// Merges packs, the later over the earlier. `broken` are the names of rules in packs that could not
/// be read.
pub fn compile_rules(
    packs: &[&RulePack],
    broken: &BTreeSet<String>,
    files: &Files,
    sources: &Sources,
) -> (Arc<RuleSet>, Diagnostics) {
    let mut rules = RuleSet {
        broken: broken.clone(),
        ..RuleSet::default()
    };
    let mut diagnostics = Diagnostics::default();
    let mut hacks = Vec::new();
    let mut replaced = BTreeSet::new();
    for pack in packs {
        let read: ReadPattern = if pack.is_standard {
            LazyRegex::known
        } else {
            LazyRegex::new
        };
        replaced.extend(rules.take_names(pack));
        for named in &pack.languages {
            if let Some(language) = compile_language(named, read, files, sources, &mut diagnostics)
            {
                rules.note("language", &named.name.value, &pack.name);
                rules
                    .languages
                    .insert(named.name.value.clone(), Arc::new(language));
            }
        }
        for named in &pack.code {
            if let Some(wrong) = super::validate::files_of_rule(&named.rule, named.name.span) {
                diagnostics.push(wrong);
            }
            let compiled = named.rule.compile(&named.name.value, read);
            if let Some(extractor) = keep(compiled, &named.node, sources, &mut diagnostics) {
                rules.note("code", &named.name.value, &pack.name);
                rules.describe("code", &named.name.value, named.rule.description.as_ref());
                let extractor = match rules.extractors.get("standard") {
                    Some(standard) => extractor.over(standard),
                    None => extractor,
                };
                rules
                    .extractors
                    .insert(named.name.value.clone(), Arc::new(extractor));
            }
        }
        for named in &pack.expected_output {
            let compiled = ExpectedExtractor::compile(&named.name.value, &named.rule, read);
            if let Some(extractor) = keep(compiled, &named.node, sources, &mut diagnostics) {
                rules.note_more("expected-output", &named.name.value, &pack.name);
                let extractor = match rules.expected.get(&named.name.value) {
                    Some(earlier) => extractor.over(earlier),
                    None => extractor,
                };
                rules
                    .expected
                    .insert(named.name.value.clone(), Arc::new(extractor));
            }
        }
        for named in &pack.comparators {
            if TAKEN.contains(&named.name.value.as_str()) {
                let message = format!(
                    "`{}` means something where matchers stand, and no comparator can",
                    named.name.value
                );
                diagnostics
                    .push(Diagnostic::at(named.name.span, message).help("give it another name"));
            }
            let compiled = named.rule.compile(&named.name.value);
            if let Some(comparator) = keep(compiled, &named.node, sources, &mut diagnostics) {
                rules.note("compare", &named.name.value, &pack.name);
                rules.describe(
                    "compare",
                    &named.name.value,
                    named.rule.description.as_ref(),
                );
                rules
                    .comparators
                    .insert(named.name.value.clone(), Arc::new(comparator));
            }
        }
        for named in &pack.models {
            for diagnostic in super::validate::model_errors(&named.rule) {
                diagnostics.push(diagnostic);
            }
            rules.note("model", &named.name.value, &pack.name);
            let model = Arc::new(named.rule.clone());
            rules.models.insert(named.name.value.clone(), model);
        }
        for named in &pack.hacks {
            hacks.push(named);
            rules.note("hack", &named.name.value, &pack.name);
        }
        for named in &pack.presets {
            rules.note("preset", &named.name.value, &pack.name);
            rules
                .presets
                .insert(named.name.value.clone(), named.node.clone());
        }
    }
    for name in rules.languages.keys() {
        rules.aliases.insert(name.to_lowercase(), name.clone());
    }
    // In the order of packs: who takes a name that is taken is told.
    for named in packs.iter().flat_map(|pack| &pack.languages) {
        let name = &named.name.value;
        let Some(language) = rules.languages.get(name) else {
            continue;
        };
        for alias in &language.tags.aliases {
            let known = rules
                .aliases
                .entry(alias.to_lowercase())
                .or_insert_with(|| name.clone());
            if known != name {
                let message = format!("`{alias}` means the language `{known}` already");
                diagnostics.push(
                    Diagnostic::at(named.name.span, message)
                        .help("remove it from the `aliases` of one of the two"),
                );
            }
        }
    }
    for hack in hacks {
        if let Some(Choice::Name(name)) = &hack.rule.language
            && let Err(unknown) = rules.language(&name.value)
        {
            diagnostics.push(unknown.at(name.span));
        }
    }
    let named = packs.iter().flat_map(|pack| pack.rules());
    let is_missing = |name: &&String| {
        !replaced.contains(*name) && !rules.origins.keys().any(|(_, known)| known == *name)
    };
    let missing: Vec<String> = named
        .map(|rule| &rule.name.value)
        .filter(is_missing)
        .cloned()
        .collect();
    rules.broken.extend(missing);
    let tags = rules.languages.values();
    rules.tags = tags.map(|language| language.tags.clone()).collect();
    let rules = Arc::new(rules);
    for preset in rules.presets.values() {
        diagnostics.extend(preset_names(preset, &rules, files, sources));
    }
    (rules, diagnostics)
}

impl RuleSet {
    fn unknown<'a>(
        &self,
        kind: &str,
        name: &str,
        known: impl Iterator<Item = &'a String>,
    ) -> UnknownName {
        UnknownName {
            is_broken: self.broken.contains(name),
            ..UnknownName::new(kind, name, known)
        }
    }

    /// Gives the names that a pack's languages have to them, where an earlier pack has the same language
    /// under another of its names: `shell`, when `shell` is an alias of `bash`, takes `sh` from it, and
    /// with the alias `bash` its place. Which languages are no more.
    fn take_names(&mut self, pack: &RulePack) -> Vec<String> {
        let mut replaced = Vec::new();
        for later in &pack.languages {
            let (name, aliases) = (&later.name.value, &later.rule.aliases);
            let has = |taken: &str| {
                aliases
                    .iter()
                    .any(|alias| alias.eq_ignore_ascii_case(taken))
            };
            let takes = |taken: &str| name.eq_ignore_ascii_case(taken) || has(taken);
            self.languages.retain(|earlier, language| {
                if earlier == name {
                    return true;
                }
                if has(earlier) {
                    self.origins.remove(&("language", earlier.clone()));
                    replaced.push(earlier.clone());
                    return false;
                }
                let is_same = |alias: &String| name.eq_ignore_ascii_case(alias);
                if language.tags.aliases.iter().any(is_same) {
                    let left = Arc::make_mut(language);
                    left.tags.aliases.retain(|alias| !takes(alias));
                }
                true
            });
        }
        replaced
    }

    fn note(&mut self, kind: &'static str, name: &str, pack: &str) {
        self.origins
            .insert((kind, name.to_owned()), pack.to_owned());
    }

    /// A rule to which packs add.
    fn note_more(&mut self, kind: &'static str, name: &str, pack: &str) {
        let packs = self.origins.entry((kind, name.to_owned())).or_default();
        if !packs.is_empty() {
            packs.push_str(", ");
        }
        packs.push_str(pack);
    }

    fn describe(&mut self, kind: &'static str, name: &str, description: Option<&String>) {
        let key = (kind, name.to_owned());
        match description {
            Some(description) => self.descriptions.insert(key, description.clone()),
            None => self.descriptions.remove(&key),
        };
    }

    /// Every language, sorted by name.
    pub fn languages(&self) -> impl Iterator<Item = &Arc<Language>> {
        self.languages.values()
    }

    /// A language by name or alias, case ignored.
    ///
    /// # Errors
    /// What is known instead.
    pub fn language(&self, name: &str) -> Result<&Arc<Language>, UnknownName> {
        self.aliases
            .get(&name.to_lowercase())
            .and_then(|name| self.languages.get(name))
            .ok_or_else(|| self.unknown("language", name, self.aliases.keys()))
    }

    /// A code extractor.
    ///
    /// # Errors
    /// What is known instead.
    pub fn extractor(&self, name: &str) -> Result<&Arc<CodeExtractor>, UnknownName> {
        self.extractors
            .get(name)
            .ok_or_else(|| self.unknown("code extractor", name, self.extractors.keys()))
    }

    /// An expected-output extractor.
    ///
    /// # Errors
    /// What is known instead.
    pub fn expected(&self, name: &str) -> Result<&Arc<ExpectedExtractor>, UnknownName> {
        self.expected
            .get(name)
            .ok_or_else(|| self.unknown("expected-output extractor", name, self.expected.keys()))
    }

    /// A comparator.
    ///
    /// # Errors
    /// What is known instead.
    pub fn comparator(&self, name: &str) -> Result<&Arc<Comparator>, UnknownName> {
        self.comparators
            .get(name)
            .ok_or_else(|| self.unknown("comparator", name, self.comparators.keys()))
    }

    /// A preset's keys.
    ///
    /// # Errors
    /// What is known instead.
    pub fn preset(&self, name: &str) -> Result<&Node, UnknownName> {
        self.presets
            .get(name)
            .ok_or_else(|| self.unknown("preset", name, self.presets.keys()))
    }

    /// A model.
    ///
    /// # Errors
    /// What is known instead.
    pub fn model(&self, name: &str) -> Result<&Arc<ModelSpec>, UnknownName> {
        self.models
            .get(name)
            .ok_or_else(|| self.unknown("model", name, self.models.keys()))
    }

    /// The names that suites can use, for the schema.
    pub fn names(&self) -> Names {
        let of = |kind: &'static str| {
            let of_kind = self.origins.keys().filter(|(known, _)| *known == kind);
            of_kind
                .map(|key| {
                    let told = self.descriptions.get(key).cloned().unwrap_or_default();
                    (key.1.clone(), told)
                })
                .collect()
        };
        Names::from([
            ("languages", of("language")),
            ("code", of("code")),
            ("expected_output", of("expected-output")),
            ("comparators", of("compare")),
            ("presets", of("preset")),
            ("models", of("model")),
        ])
    }

    /// How the code of each language is known.
    pub fn tags(&self) -> Arc<[LanguageTags]> {
        Arc::clone(&self.tags)
    }

    /// Every rule: its kind, its name, and the pack it comes from.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.origins
            .iter()
            .map(|((kind, name), pack)| (*kind, name.as_str(), pack.as_str()))
    }
}

/// A name that no rule has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// What is wrong.
    pub message: String,
    /// The nearest known name, or all of them.
    pub help: Option<String>,
    /// Whether a rule has the name and is wrong itself.
    pub is_broken: bool,
}

impl UnknownName {
    fn new<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Self {
        let known: Vec<&str> = known.map(String::as_str).collect();
        let help = if known.is_empty() {
            Some(format!(
                "there is none: a {kind} stands under `{kind}s` in a rule pack, such as `rules/own.yaml`"
            ))
        } else {
            did_you_mean(name, known)
        };
        UnknownName {
            message: format!("unknown {kind} `{name}`"),
            help,
            is_broken: false,
        }
    }

    /// As a diagnostic at the name's place.
    pub fn at(self, span: Span) -> Diagnostic {
        Diagnostic::at(span, self.message).maybe_help(self.help)
    }
}

fn keep<T>(
    compiled: Result<T, Vec<RuleError>>,
    node: &Node,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    match compiled {
        Ok(rule) => Some(rule),
        Err(errors) => {
            for error in errors {
                diagnostics.push(rule_diagnostic(&error, node, sources));
            }
            None
        }
    }
}

/// A mistake in a rule, at the place of the value that its path leads to.
pub(super) fn rule_diagnostic(error: &RuleError, node: &Node, sources: &Sources) -> Diagnostic {
    let mut at = node;
    for step in &error.path {
        let next = match &at.kind {
            Kind::Map(_) => at.get(step),
            Kind::List(items) => step
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index)),
            Kind::Scalar { .. } => None,
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    let span = match (&at.kind, &error.at) {
        (Kind::Scalar { text, .. }, Some(range)) => {
            super::place::within(sources, at.span, text, range.clone())
        }
        _ => at.span,
    };
    Diagnostic::at(span, error.message.clone()).maybe_help(error.help.clone())
}

fn compile_language(
    named: &Named<LanguageRule>,
    read: ReadPattern,
    files: &Files,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Language> {
    let before = diagnostics.list.len();
    let rule = &named.rule;
    let name = &named.name.value;
    let mut patterns = |written: &[Spanned<String>]| -> Vec<LazyRegex> {
        let compiled = written.iter();
        let compiled =
            compiled.filter_map(|pattern| regex(pattern, read, &[], sources, diagnostics));
        compiled.collect()
    };
    let looks_like = patterns(&rule.looks_like);
    let declares = patterns(&rule.declares);
    let file = match &rule.file.class {
        None => FileNameRule::Fixed(rule.file.name.clone()),
        Some(class) => match regex(class, read, &[], sources, diagnostics) {
            Some(pattern) => FileNameRule::Class {
                name: rule.file.name.clone(),
                pattern,
            },
            None => return None,
        },
    };
    let exception = rule
        .exception
        .as_ref()
        .and_then(|pattern| regex(pattern, read, &["name"], sources, diagnostics));
    let build = rule
        .build
        .as_ref()
        .and_then(|build| command(build, &[], diagnostics));
    let run = command(&rule.run, &[], diagnostics);
    let place = |keys: &[&str]| {
        let found = keys.iter().try_fold(&named.node, |node, key| node.get(key));
        found.map_or(named.name.span, |node| node.span)
    };
    let mut say = |keys: &[&str], message: String, help: &str| {
        diagnostics.push(Diagnostic::at(place(keys), message).help(help));
    };
    if rule.run.is_empty() {
        say(
            &["run"],
            "the command has no words".to_owned(),
            "write it such as `[\"{{ interpreter }}\", \"{{ file }}\"]`",
        );
    }
    if rule.build.as_ref().is_some_and(Vec::is_empty) {
        say(
            &["build"],
            "the command has no words".to_owned(),
            "leave `build` out where nothing is built",
        );
    }
    if rule.find.command.trim().is_empty() {
        say(
            &["find", "command"],
            "the command is empty".to_owned(),
            "write the interpreter's or compiler's name, such as `ruby`",
        );
    }
    let made = rule.file.name.replace("{{ class }}", "Class");
    if !is_inside(&made) || made.contains("{{") {
        let help =
            "write a name such as `main.rb`; `{{ class }}` in it needs a pattern under `class`";
        say(
            &["file"],
            format!("`{}` is no name of the program's file", rule.file.name),
            help,
        );
    } else if rule.file.class.is_none() && made != rule.file.name {
        let help = "write `{name: \"{{ class }}.java\", class: 'class\\s+(\\w+)'}`";
        say(
            &["file"],
            "`{{ class }}` stands without a pattern `class`".to_owned(),
            help,
        );
    }
    for path in rule
        .helpers
        .keys()
        .filter(|path| !is_inside(path) || **path == rule.file.name)
    {
        let help = "write a name beside the program such as `data/input.txt`, which is not the program's own";
        say(
            &["helpers", path],
            format!("`{path}` is no file beside the program"),
            help,
        );
    }
    if let FileNameRule::Class { pattern, .. } = &file
        && pattern.groups() < 1
    {
        say(
            &["file", "class"],
            "the pattern has no group".to_owned(),
            "put what is the class's name into `(…)`",
        );
    }
    let words = rule.build.iter().flatten().chain(&rule.run);
    let names_program = |word: &Spanned<String>| {
        ["file", "stem", "class"]
            .iter()
            .any(|name| word.value.contains(name))
            || word.value.contains(&rule.file.name)
    };
    if let (Some(first), Some(_)) = (rule.run.first(), &run)
        && !words.into_iter().any(names_program)
    {
        let message = "no word of the command names the program's file, so it would never run";
        diagnostics.push(
            Diagnostic::at(first.span, message).help("write `\"{{ file }}\"` where it belongs"),
        );
    }
    let mut helpers = Vec::new();
    for (path, content) in &rule.helpers {
        if let Some(bytes) = content_bytes(content, files, sources, diagnostics) {
            helpers.push(SourceFile {
                path: path.clone(),
                bytes: bytes.into(),
            });
        }
    }
    let beside = match &rule.beside {
        None => None,
        Some(beside) => {
            let code = content_bytes(&beside.code, files, sources, diagnostics);
            let run = command(&beside.run, &[("runner", &beside.file)], diagnostics);
            code.zip(run).map(|(code, run)| Beside {
                file: beside.file.clone(),
                code: code.into(),
                run,
            })
        }
    };
    // `version: [ruby, --version]` names the command; only its arguments are needed.
    let version = match rule.find.version.split_first() {
        Some((first, rest)) if *first == rule.find.command => rest.to_vec(),
        _ => rule.find.version.clone(),
    };
    for diagnostic in values::too_low(&rule.limits) {
        diagnostics.push(diagnostic);
    }
    let limits = values::limits(Limits::default(), &rule.limits);
    if diagnostics.list.len() > before {
        return None;
    }
    let apart = rule.apart.as_ref().map(|channel| match channel.value {
        syntax::Channel::Python => Channel::Python,
        syntax::Channel::Javascript => Channel::JavaScript,
    });
    let fork_server = rule.fork_server.as_ref().map(|kind| match kind.value {
        syntax::ForkServer::Cpython => {
            let beside = beside.iter().map(|beside| SourceFile {
                path: beside.file.clone(),
                bytes: beside.code.clone(),
            });
            Arc::new(ForkServer {
                preload: Vec::new(),
                scripts: beside.chain(apart.map(Channel::server)).collect(),
            })
        }
    });
    Some(Language {
        name: name.clone(),
        tags: LanguageTags {
            name: name.clone(),
            aliases: rule.aliases.clone(),
            grammar: rule.grammar,
            looks_like,
            declares,
        },
        file,
        interpreter: Arc::new(Interpreter {
            language: name.clone(),
            command: rule.find.command.clone(),
            locate: rule.find.locate.clone(),
            version,
            at_least: rule.find.at_least.clone(),
            install: rule.find.install.clone(),
        }),
        build,
        run: run?,
        limits,
        helpers,
        exception,
        beside,
        apart,
        fork_server,
        cloud: Cloud {
            template: rule.e2b.template.clone(),
            mode: rule.e2b.mode.map(values::cloud_mode).unwrap_or_default(),
            kernel: rule.e2b.kernel.clone(),
        },
    })
}

fn command(
    words: &[Spanned<String>],
    names: &[(&str, &str)],
    diagnostics: &mut Diagnostics,
) -> Option<CommandTemplate> {
    match CommandTemplate::new(words.iter().map(|word| word.value.as_str()), names) {
        Ok(command) => Some(command),
        Err(error) => {
            diagnostics.push(Diagnostic::at(words[error.word].span, error.message));
            None
        }
    }
}

/// A regular expression with the named groups it must have.
fn regex(
    pattern: &Spanned<String>,
    read: ReadPattern,
    groups: &[&str],
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Option<LazyRegex> {
    let regex = match values::regex(&pattern.value, read) {
        Ok(regex) => regex,
        Err((message, at)) => {
            let span = at.map_or(pattern.span, |at| {
                super::place::within(sources, pattern.span, &pattern.value, at)
            });
            diagnostics.push(Diagnostic::at(span, message));
            return None;
        }
    };
    for group in groups {
        if !regex.has_group(group) {
            diagnostics.push(Diagnostic::at(
                pattern.span,
                format!("the pattern has no group `(?P<{group}>…)`"),
            ));
            return None;
        }
    }
    Some(regex)
}

fn content_bytes(
    content: &Spanned<Content>,
    files: &Files,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<u8>> {
    match &content.value {
        Content::Template(text) => Some(text.as_bytes().to_vec()),
        Content::Literal(text) => Some(text.value.as_bytes().to_vec()),
        Content::File(path) => match file_bytes(path, files, sources) {
            Ok(bytes) => Some(bytes.to_vec()),
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                None
            }
        },
        Content::Expression(expression) => {
            diagnostics.push(Diagnostic::at(
                expression.span,
                "a rule has no row to evaluate an expression on",
            ));
            None
        }
    }
}

/// The content of a file named in YAML, or why it could not be read.
pub(super) fn file_bytes<'f>(
    path: &Spanned<String>,
    files: &'f Files,
    sources: &Sources,
) -> Result<&'f [u8], Diagnostic> {
    let resolved = resolve_path(&sources.get(path.span.source).directory, &path.value);
    match files.get(&resolved) {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(why)) => Err(Diagnostic::at(
            path.span,
            format!("cannot read `{}`: {why}", path.value),
        )),
        None => Err(Diagnostic::at(
            path.span,
            format!("cannot read `{}`: it was not looked for", path.value),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::compile_rules;
    use crate::source::Sources;
    use crate::syntax::rules::parse_rules;

    #[test]
    fn a_later_pack_takes_the_names_of_the_same_language() {
        let mut sources = Sources::default();
        let mut pack = |name: &str, languages: &[(&str, &str)]| {
            let mut text = "languages:\n".to_owned();
            for (language, aliases) in languages {
                let run = "find: {command: sh}, run: [\"{{ file }}\"]";
                text += &format!("  {language}: {{aliases: [{aliases}], file: main, {run}}}\n");
            }
            let source = sources.add(name.to_owned(), Path::new(""), text.as_str());
            parse_rules(name, source, &text).unwrap()
        };
        let standard = pack(
            "standard",
            &[
                ("bash", "sh, shell"),
                ("go", "golang"),
                ("javascript", "js, node"),
            ],
        );
        let own = pack(
            "own",
            &[("shell", "sh, dash"), ("golang", "go"), ("mine", "js")],
        );
        let (rules, diagnostics) = compile_rules(
            &[&standard, &own],
            &BTreeSet::new(),
            &crate::compile::Files::default(),
            &sources,
        );
        let named = ["bash", "shell", "SH", "go", "golang", "node"].map(|name| {
            let language = rules.language(name);
            language.map_or("", |language| language.name.as_str())
        });
        assert_eq!(
            named,
            ["bash", "shell", "shell", "golang", "golang", "javascript"]
        );
        assert!(rules.list().all(|(_, name, _)| name != "go"));
        // An alias alone is another language's until it is taken out there.
        let messages: Vec<_> = diagnostics.list.iter().map(|one| &one.message).collect();
        assert_eq!(messages, ["`js` means the language `javascript` already"]);
    }
}
