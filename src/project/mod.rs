//! Finds and reads suites, rule packs and the files they name. The only reader of a project.

mod dataset;
mod digest;
mod samples;
mod standard;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use dataset::RowFile;
pub use dataset::{Rows, Unread};
pub use digest::{DataFiles, Digest};
pub use samples::{SavedReplies, text_in};

use crate::compile::{
    CasePlan, DataFile, Files, RuleExample, RuleSet, SuitePlan, compile_inline, compile_rules,
    compile_suite, pack_warnings, resolve_path, rule_examples, unused_rules,
};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::evaluator::Evaluator;
use crate::execution::Isolation;
use crate::source::{SourceId, Sources, Span, Spanned};
use crate::syntax::rules::{RulePack, parse_rules, rule_names};
use crate::syntax::{Kind, Node, SuiteFile, parse_suite};

/// Bytes of a file beside a suite, such as a reply, that are read.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What marks the root of a project.
const ROOT_MARKS: &[&str] = &["rewardspec.toml", ".rewardspec", "rules", "Cargo.toml"];

/// A project: its root and what `rewardspec.toml` says.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    config: Config,
    /// Everything read so far.
    pub sources: Sources,
    /// What is wrong with the configuration and the rule packs; while there is anything, no
    /// suite is compiled.
    pub diagnostics: Diagnostics,
    packs: Vec<LoadedPack>,
    /// Names of rules in packs that could not be read.
    broken: BTreeSet<String>,
    files: Files,
    /// The files that a source names, as it writes them, and where they lie.
    named: BTreeMap<SourceId, BTreeMap<String, PathBuf>>,
    rule_sets: BTreeMap<Option<Vec<String>>, (Arc<RuleSet>, Diagnostics)>,
}

/// `rewardspec.toml`: what is not about evaluation.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where suites are: files or directories.
    pub suites: Option<Vec<PathBuf>>,
    /// Where rule packs are.
    pub rules: Option<PathBuf>,
    /// Programs that run at once.
    pub jobs: Option<usize>,
    /// The least isolation that is accepted where a suite states none.
    pub isolation: Option<Isolation>,
}

#[derive(Debug)]
struct LoadedPack {
    pack: RulePack,
    source: SourceId,
    /// Whether it lies in the project, so that its examples are the project's to keep true.
    in_project: bool,
}

impl Project {
    /// The project that a directory belongs to, its rule packs read.
    pub fn open(start: &Path) -> Project {
        let root = find_root(start);
        let mut project = Project {
            root,
            config: Config::default(),
            sources: Sources::default(),
            diagnostics: Diagnostics::default(),
            packs: Vec::new(),
            broken: BTreeSet::new(),
            files: Files::new(),
            named: BTreeMap::new(),
            rule_sets: BTreeMap::new(),
        };
        project.read_config();
        project.read_packs();
        let wrong = project.rule_set(None).1;
        project.diagnostics.extend(wrong);
        project
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `rewardspec.toml` says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every suite file of the project, sorted by name.
    ///
    /// # Errors
    /// When a place that the configuration names cannot be read, or two files have one stem.
    pub fn suite_files(&self) -> Result<Vec<PathBuf>, Diagnostics> {
        let places = match &self.config.suites {
            Some(places) => places.iter().map(|place| self.root.join(place)).collect(),
            None => vec![self.root.join("suites")],
        };
        if self.config.suites.is_none() && !places[0].exists() {
            return Ok(Vec::new());
        }
        self.suite_files_at(&places)
    }

    /// The suite files that paths name: files as they are, directories for the YAML in them.
    ///
    /// # Errors
    /// When a path cannot be read, or two files have one stem.
    pub fn suite_files_at(&self, places: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostics> {
        let mut files = Vec::new();
        let mut diagnostics = Diagnostics::default();
        for place in places {
            match fs::metadata(place) {
                Ok(data) if data.is_dir() => files.extend(yaml_files(place, false)),
                Ok(_) => files.push(place.clone()),
                Err(error) => diagnostics.push(Diagnostic::nowhere(format!(
                    "cannot read `{}`: {}",
                    place.display(),
                    why(&error)
                ))),
            }
        }
        files.sort();
        files.dedup();
        let mut stems: BTreeMap<String, &PathBuf> = BTreeMap::new();
        for file in &files {
            if let Some(other) = stems.insert(stem(file), file) {
                let message = format!(
                    "`{}` and `{}` have one name",
                    self.shown(other),
                    self.shown(file)
                );
                diagnostics.push(
                    Diagnostic::nowhere(message)
                        .help("a suite is named after its file: rename one"),
                );
            }
        }
        if diagnostics.is_empty() {
            Ok(files)
        } else {
            Err(diagnostics)
        }
    }

    /// Reads and compiles a suite file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn suite(&mut self, path: &Path) -> Result<SuitePlan, Diagnostics> {
        let (file, rules, mut diagnostics) = self.suite_source(path)?;
        let (plan, of_meaning) =
            compile_suite(&stem(path), &file, &rules, &self.files, &self.sources);
        diagnostics.extend(of_meaning);
        diagnostics.sort();
        for case in &plan.cases {
            let dataset = case.dataset.as_ref();
            let dataset = dataset.map(|dataset| (&dataset.file, &dataset.written));
            let saved = case
                .saved
                .as_ref()
                .map(|saved| (&saved.file, &saved.written));
            for (file, written) in dataset.into_iter().chain(saved) {
                if let Err(diagnostic) = self.check_data(file, written) {
                    diagnostics.push(diagnostic);
                }
            }
        }
        if diagnostics.is_empty() {
            Ok(plan)
        } else {
            Err(diagnostics)
        }
    }

    /// A suite as written, its rules, and what is wrong with cases that it comes without.
    fn suite_source(
        &mut self,
        path: &Path,
    ) -> Result<(SuiteFile, Arc<RuleSet>, Diagnostics), Diagnostics> {
        let (source, text) = self.read_source(path)?;
        let (file, of_cases) = parse_suite(source, &text)?;
        self.read_named_files(&file.shared);
        for case in &file.cases {
            self.read_named_files(&case.keys);
        }
        let selection = match &file.rules {
            None => None,
            Some(names) => {
                let mut diagnostics = Diagnostics::default();
                let known: Vec<&str> = self
                    .packs
                    .iter()
                    .filter(|pack| !pack.pack.is_standard)
                    .map(|pack| pack.pack.name.as_str())
                    .collect();
                for name in names {
                    if !known.contains(&name.value.as_str()) {
                        let help = if known.is_empty() {
                            Some("there is none: rule packs are the files below `rules/`, and the standard one is always there".to_owned())
                        } else {
                            crate::diagnostic::did_you_mean(&name.value, known.iter().copied())
                        };
                        diagnostics.push(
                            Diagnostic::at(
                                name.span,
                                format!("unknown rule pack `{}`", name.value),
                            )
                            .maybe_help(help),
                        );
                    }
                }
                if !diagnostics.is_empty() {
                    return Err(diagnostics);
                }
                Some(names.iter().map(|name| name.value.clone()).collect())
            }
        };
        let (rules, mut diagnostics) = self.rule_set(selection);
        if diagnostics.is_empty() {
            Ok((file, rules, of_cases))
        } else {
            diagnostics.extend(of_cases);
            Err(diagnostics)
        }
    }

    /// A case whose keys came as JSON, in a row to score. Texts in it are literal but for
    /// `program`, where `code` is needed: there are no columns that a template could use.
    ///
    /// # Errors
    /// Everything that is wrong with it; what the row itself says has no place.
    pub fn inline(
        &mut self,
        keys: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Evaluator, Diagnostics> {
        let rules = self.rules();
        compile_inline(keys, &rules, &self.files, &self.sources).map_err(|mut diagnostics| {
            for diagnostic in &mut diagnostics.list {
                // Values that were never text of a source carry the empty span.
                diagnostic.span = diagnostic.span.filter(|span| *span != Span::default());
            }
            diagnostics
        })
    }

    /// A rule as its pack writes it, with its place; several where packs override.
    pub fn rule_texts(&self, name: &str) -> Vec<(String, String)> {
        let rules = self.packs.iter().flat_map(|pack| pack.pack.rules());
        rules
            .filter(|rule| rule.name.value == name)
            .map(|rule| {
                let span = rule.name.span;
                (self.sources.place(span), self.block_at(span))
            })
            .collect()
    }

    /// The lines of a YAML block, from its key to where the indentation ends.
    fn block_at(&self, key: Span) -> String {
        let text = &self.sources.get(key.source).text;
        let start = text[..key.start as usize]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut lines = text[start..].lines();
        let Some(first) = lines.next() else {
            return String::new();
        };
        let outer = indent(first);
        let inner = lines.take_while(|line| line.trim().is_empty() || indent(line) > outer);
        let block: Vec<&str> = std::iter::once(first)
            .chain(inner)
            .map(|line| line.get(outer..).unwrap_or(""))
            .collect();
        block.join("\n").trim_end().to_owned()
    }

    /// The rows of a case's dataset that count, streamed; without a dataset there are none.
    ///
    /// # Errors
    /// When the file cannot be opened, at the place where it is named; where rows are shuffled, when
    /// it cannot be read.
    pub fn rows<'p>(&'p self, case: &'p CasePlan) -> Result<Option<Rows<'p>>, Diagnostic> {
        let Some(dataset) = &case.dataset else {
            return Ok(None);
        };
        self.check_data(&dataset.file, &dataset.written)?;
        let path = &dataset.file.path;
        if dataset.seed.is_some() && !fs::metadata(path).is_ok_and(|data| data.is_file()) {
            let message =
                "a pipe cannot be shuffled: its rows can only be read one after the other";
            return Err(Diagnostic::at(dataset.written.span, message));
        }
        let file = RowFile::open(&dataset.file, self.shown(path))
            .map_err(|why| unreadable(&dataset.written, &why))?;
        Rows::new(case, &self.sources, file).map(Some)
    }

    /// The saved samples of a case, from the file that it names or from another one in its place.
    ///
    /// # Errors
    /// When the file cannot be read, or a row of it is bad.
    pub fn saved_samples(
        &self,
        case: &CasePlan,
        other: Option<&Path>,
    ) -> Result<Option<SavedReplies>, Diagnostic> {
        let Some(saved) = &case.saved else {
            return Ok(None);
        };
        if let Some(other) = other {
            return self
                .saved_replies(other, &saved.join.value, &saved.field.value)
                .map(Some);
        }
        self.check_data(&saved.file, &saved.written)?;
        let shown = self.shown(&saved.file.path);
        let file = RowFile::open_seekable(&saved.file, shown.clone())
            .map_err(|why| unreadable(&saved.written, &why))?;
        SavedReplies::index(file, shown, &saved.join.value, &saved.field.value).map(Some)
    }

    /// Replies in a file that a user names, which may lie anywhere.
    ///
    /// # Errors
    /// When the file cannot be read, or a row of it is bad.
    pub fn saved_replies(
        &self,
        path: &Path,
        key: &str,
        field: &str,
    ) -> Result<SavedReplies, Diagnostic> {
        let shown = path.display().to_string();
        let file = RowFile::open_seekable(&DataFile::new(path.to_path_buf(), None), shown.clone());
        let file =
            file.map_err(|why| Diagnostic::nowhere(format!("cannot read `{shown}`: {why}")))?;
        SavedReplies::index(file, shown, key, field)
    }

    /// Whether a file of rows can be opened. A pipe is not tried: it can be opened but once.
    fn check_data(&self, file: &DataFile, written: &Spanned<String>) -> Result<(), Diagnostic> {
        let tried = self.may_read(&file.path).and_then(|()| {
            let data = fs::metadata(&file.path).map_err(|error| why(&error))?;
            if data.is_dir() {
                return Err("it is a directory".to_owned());
            }
            if data.is_file() {
                fs::File::open(&file.path).map_err(|error| why(&error))?;
            }
            Ok(())
        });
        tried.map_err(|why| unreadable(written, &why))
    }

    /// The rules that every suite of the project sees.
    pub fn rules(&mut self) -> Arc<RuleSet> {
        self.rule_set(None).0
    }

    /// The examples of the project's own rules, in the order of packs.
    pub fn rule_examples(&mut self) -> Vec<RuleExample> {
        let rules = self.rules();
        self.packs
            .iter()
            .filter(|pack| pack.in_project)
            .flat_map(|pack| rule_examples(&pack.pack, &rules))
            .collect()
    }

    /// What is probably not meant in the project's own packs: patterns that match anything, and, where
    /// these suites are all there are, rules that none of them uses.
    pub fn pack_warnings(&self, suites: &[SuitePlan], are_all: bool) -> Diagnostics {
        let mut warnings = Diagnostics::default();
        for loaded in self.packs.iter().filter(|loaded| loaded.in_project) {
            warnings.extend(pack_warnings(&loaded.pack));
            if are_all && !loaded.pack.is_standard {
                warnings.extend(unused_rules(&loaded.pack, suites));
            }
        }
        warnings
    }

    /// A path as it is shown: from the root where it lies in it.
    pub fn shown(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.display().to_string()
    }

    fn rule_set(&mut self, selection: Option<Vec<String>>) -> (Arc<RuleSet>, Diagnostics) {
        if let Some(known) = self.rule_sets.get(&selection) {
            return known.clone();
        }
        let packs: Vec<&RulePack> = self
            .packs
            .iter()
            .filter(|pack| {
                pack.pack.is_standard
                    || selection
                        .as_ref()
                        .is_none_or(|names| names.contains(&pack.pack.name))
            })
            .map(|pack| &pack.pack)
            .collect();
        let known = compile_rules(&packs, &self.broken, &self.files, &self.sources);
        self.rule_sets.insert(selection, known.clone());
        known
    }

    fn read_config(&mut self) {
        let path = self.root.join("rewardspec.toml");
        if !path.exists() {
            return;
        }
        let (source, text) = match self.read_source(&path) {
            Ok(read) => read,
            Err(diagnostics) => return self.diagnostics.extend(diagnostics),
        };
        match toml::from_str(&text) {
            Ok(config) => self.config = config,
            Err(error) => {
                let at = error.span().unwrap_or(0..0);
                let to = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
                self.diagnostics.push(Diagnostic::at(
                    Span {
                        source,
                        start: to(at.start),
                        end: to(at.end),
                    },
                    error.message(),
                ));
            }
        }
    }

    /// The standard pack, then the project's.
    fn read_packs(&mut self) {
        let directory = self
            .root
            .join(self.config.rules.as_deref().unwrap_or(Path::new("rules")));
        let mut standard: BTreeMap<&str, &[u8]> = BTreeMap::new();
        for (name, bytes) in standard::FILES {
            standard.insert(name, bytes);
            self.files.insert(
                resolve_path(Path::new(standard::DIRECTORY), name),
                Ok(bytes.to_vec()),
            );
        }
        for (name, bytes) in &standard {
            if !is_yaml(Path::new(name)) {
                continue;
            }
            // The project may be the one that the standard pack is made of.
            let in_project = fs::read(directory.join(name)).is_ok_and(|own| own == *bytes);
            let text = String::from_utf8_lossy(bytes).into_owned();
            let home = Path::new(standard::DIRECTORY).join(name);
            let shown = if in_project {
                self.shown(&directory.join(name))
            } else {
                format!("{}/{name}", standard::DIRECTORY)
            };
            let source =
                self.sources
                    .add(shown, home.parent().unwrap_or(Path::new("")), text.as_str());
            self.add_pack(name, source, &text, in_project, true);
        }
        if self.config.rules.is_some() && !directory.is_dir() {
            self.diagnostics.push(Diagnostic::nowhere(format!(
                "`rules` in rewardspec.toml names `{}`, which is no directory",
                self.shown(&directory)
            )));
        }
        for path in yaml_files(&directory, true) {
            let name = path
                .strip_prefix(&directory)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            let (source, text) = match self.read_source(&path) {
                Ok(read) => read,
                Err(diagnostics) => {
                    self.diagnostics.extend(diagnostics);
                    continue;
                }
            };
            if standard
                .get(name.as_str())
                .is_some_and(|bytes| *bytes == text.as_bytes())
            {
                continue;
            }
            self.add_pack(&name, source, &text, true, false);
        }
    }

    fn add_pack(
        &mut self,
        file: &str,
        source: SourceId,
        text: &str,
        in_project: bool,
        is_standard: bool,
    ) {
        let name = file.rsplit_once('.').map_or(file, |(name, _)| name);
        match parse_rules(name, source, text) {
            Ok(mut pack) => {
                pack.is_standard = is_standard;
                for language in &pack.languages {
                    self.read_named_files(&language.node);
                }
                for preset in &pack.presets {
                    self.read_named_files(&preset.node);
                }
                self.packs.push(LoadedPack {
                    pack,
                    source,
                    in_project,
                });
            }
            Err(diagnostics) => {
                self.broken.extend(rule_names(source, text));
                self.diagnostics.extend(diagnostics);
            }
        }
    }

    fn read_source(&mut self, path: &Path) -> Result<(SourceId, Arc<str>), Diagnostics> {
        let shown = self.shown(path);
        let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let bytes = match read_limited(path, crate::syntax::node::FILE_BYTES_MAX as u64) {
            Ok(bytes) => bytes,
            Err(why) => {
                let source = self.sources.add(shown, &directory, "");
                return Err(Diagnostic::at(
                    Span {
                        source,
                        start: 0,
                        end: 0,
                    },
                    format!("cannot read the file: {why}"),
                )
                .into());
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => {
                let text: Arc<str> = text.trim_start_matches('\u{feff}').into();
                Ok((self.sources.add(shown, &directory, Arc::clone(&text)), text))
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let valid = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
                let source = self.sources.add(shown, &directory, valid);
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                Err(Diagnostic::at(
                    Span {
                        source,
                        start: at,
                        end: at,
                    },
                    "the file is not UTF-8 from here on",
                )
                .into())
            }
        }
    }

    /// Reads every `{file: path}` of a tree but files of rows, which are streamed.
    fn read_named_files(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar { .. } => {}
            Kind::List(items) => items.iter().for_each(|item| self.read_named_files(item)),
            Kind::Map(_) if node.get("join").is_some() && node.get("file").is_some() => {}
            Kind::Map(entries) => {
                for (key, value) in entries {
                    match &value.kind {
                        Kind::Scalar { text, .. } if key.text == "file" => {
                            let path =
                                resolve_path(&self.sources.get(value.span.source).directory, text);
                            let named = self.named.entry(value.span.source).or_default();
                            named.insert(text.clone(), path.clone());
                            if !self.files.contains_key(&path) {
                                let content = self
                                    .may_read(&path)
                                    .and_then(|()| read_limited(&path, FILE_BYTES_MAX));
                                self.files.insert(path, content);
                            }
                        }
                        _ if key.text == "dataset" => {}
                        _ => self.read_named_files(value),
                    }
                }
            }
        }
    }

    /// Paths may not leave the project, through links neither.
    fn may_read(&self, path: &Path) -> Result<(), String> {
        let outside = || "it lies outside the project".to_owned();
        if !path.starts_with(&self.root) {
            return Err(outside());
        }
        match (fs::canonicalize(path), fs::canonicalize(&self.root)) {
            (Ok(path), Ok(root)) if !path.starts_with(&root) => Err(outside()),
            (Err(error), _) => Err(why(&error)),
            _ => Ok(()),
        }
    }
}

fn find_root(start: &Path) -> PathBuf {
    let start = std::path::absolute(start).unwrap_or_else(|_| start.to_path_buf());
    let marked = |directory: &Path| ROOT_MARKS.iter().any(|mark| directory.join(mark).exists());
    if let Some(root) = start.ancestors().find(|directory| marked(directory)) {
        return root.to_path_buf();
    }
    // Nothing marks one: it is where the command is called, whatever part of it was named.
    match std::env::current_dir() {
        Ok(here) if start.starts_with(&here) => here,
        _ => start,
    }
}

/// The name of a suite: its file's stem.
pub fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending == "yaml" || ending == "yml")
}

fn yaml_files(directory: &Path, deep: bool) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if deep && path.is_dir() {
            files.extend(yaml_files(&path, deep));
        } else if is_yaml(&path) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Reads a file up to a size.
fn read_limited(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let file = fs::File::open(path).map_err(|error| why(&error))?;
    let data = file.metadata().map_err(|error| why(&error))?;
    if data.is_dir() {
        return Err("it is a directory".to_owned());
    }
    let too_large = |length: u64| {
        format!(
            "it has {} MiB, more than the {} MiB that are read",
            length >> 20,
            bytes_max >> 20
        )
    };
    if data.len() > bytes_max {
        return Err(too_large(data.len()));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| why(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

fn unreadable(written: &Spanned<String>, why: &str) -> Diagnostic {
    Diagnostic::at(
        written.span,
        format!("cannot read `{}`: {why}", written.value),
    )
}

/// An operating system's error in words.
fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission is denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
