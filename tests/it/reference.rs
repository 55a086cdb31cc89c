//! docs/reference.md: every key of suites and of rule packs, made from the JSON Schemas and from
//! docs/examples/, each of which is checked and, where this version can, run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use crate::support::{TempProject, assert_golden, root};

/// Examples of what is read and checked, and not run in this version.
const NOT_RUN: &[&str] = &["e2b-reuse", "model", "samples-several"];

/// Maps that have a heading of their own, small as they are.
const OWN: &[&str] = &["StdinCase"];

/// Letters of an enumeration's meanings that still fit into a cell of a table.
const CELL_MAX: usize = 200;

/// Examples of rule packs that this version has no use for.
const PACKS_NOT_USED: &[&str] = &["models", "hacks"];

const INTRODUCTION: &str = "\
# Reference

Every key of suites and of rule packs, with an example of each. The page is made from the schemas in
[schema/](../schema/) and the files in [examples/](examples/), all of which are checked, and run where
this version can. [README.md](../README.md) introduces the language.

## Where keys stand

A **suite** is a YAML file in `suites/`. Most keys may stand on the suite and on each of its
**cases**; what stands on the suite holds for all cases, and a case overrides it. A **preset** of a
rule pack is a partial case that suites and cases `use`. What is not written is the default, over which
presets are laid from left to right, then the suite, then the case. `vars`, `limits`, `files` and
`score` are merged by key; all else is replaced. Of alternatives the nearer one holds: `prompt` or
`messages`, `reply` or `model`, `at_least` or `at_most`.

A **rule pack** is a YAML file in `rules/`. Its maps add rules to the standard ones, or override them
by name.

## How values are written

Unknown and duplicate keys are errors. Paths are relative to the file they stand in and do not leave
the project. `~` removes what is inherited; the word `null` is text where text is meant.

### Text

Where text is meant, a value is the text as written: `1.10`, `no` and `0x10` stay what they are.
Values are typed as YAML types them only under `vars`, `matrix`, `json`, `args`, `kwargs` and `returns`
of a call, and where a number, time or size is meant.

Where a key takes a template, its text may hold `{{ row.COLUMN }}`, variables of `vars` by name,
`{{ language.name }}`, `{{ case.name }}`, in `program` also `{{ code }}`, and in `stdin_cases` also
`{{ item }}`. A name that is not defined is an error, and what is inserted is not rendered again.
Instead of a text, a map may stand:

| form | means |
|---|---|
| `{text: …}` | literal text: braces stay braces |
| `{expr: …}` | an expression such as `row.tests` that yields a value with its type |
| `{file: …}` | a file whose content it is |

### Times

A number is seconds: `5`, `0.5`. With a unit: `500ms`, `5s`, `2m`, `1h`.

### Sizes

Always with a unit: `64KiB`, `256MiB`, `1GiB`, or `kB`, `MB`, `GB` and `B`.
";

fn schema(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("schema").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn examples() -> std::path::PathBuf {
    root().join("docs/examples")
}

/// The YAML files of a directory: stems and texts, in order.
fn yaml_files(directory: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .map(|path| {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            (stem, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Both schemas, and where on the page each of their maps is written.
struct Language {
    suite: Value,
    rules: Value,
    /// Names of maps by the set of their keys: maps of the same keys are one.
    names: BTreeMap<BTreeSet<String>, String>,
    /// In how many places each map may stand.
    places: BTreeMap<String, BTreeSet<String>>,
    /// Headings of maps.
    homes: BTreeMap<String, String>,
    /// Maps whose heading is theirs alone, and not that of a key.
    alone: BTreeSet<String>,
}

impl Language {
    fn read() -> Self {
        let mut language = Language {
            suite: schema("suite.schema.json"),
            rules: schema("rules.schema.json"),
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            homes: BTreeMap::new(),
            alone: BTreeSet::new(),
        };
        for schema in [&language.suite, &language.rules] {
            for (name, definition) in schema["definitions"].as_object().unwrap() {
                let keys = keys(definition);
                if keys.len() > 1 {
                    language.names.entry(keys).or_insert_with(|| name.clone());
                }
            }
        }
        let mut places = BTreeMap::new();
        for schema in [&language.suite, &language.rules] {
            language.count("", schema, &mut places);
            for (name, definition) in schema["definitions"].as_object().unwrap() {
                if !["Case", "Preset"].contains(&name.as_str()) {
                    let own = language.name(definition).unwrap_or_else(|| name.clone());
                    language.count(&own, definition, &mut places);
                }
            }
        }
        language.places = places;
        language.settle_homes();
        language
    }

    fn count(&self, at: &str, schema: &Value, places: &mut BTreeMap<String, BTreeSet<String>>) {
        let below = ["items", "additionalProperties"].map(|keyword| ("", &schema[keyword]));
        let properties = schema["properties"].as_object().into_iter().flatten();
        let properties = properties.map(|(key, property)| (key.as_str(), property));
        for (key, schema) in properties.chain(below) {
            let at = format!("{at}/{key}");
            if let Some(name) = self.name(schema) {
                places.entry(name).or_default().insert(at.clone());
            }
            if schema["$ref"].is_null() && schema.is_object() {
                self.count(&at, schema, places);
            }
        }
    }

    /// The map under a top-level key has that key's heading, any other that is large or may stand
    /// in several places a heading of its own.
    fn settle_homes(&mut self) {
        for (key, property) in self.suite["properties"].as_object().unwrap() {
            if let Some(name) = self.core(property).and_then(|schema| self.name(schema)) {
                self.homes.entry(name).or_insert_with(|| key.clone());
            }
        }
        for (key, property) in self.rules["properties"].as_object().unwrap() {
            if let Some(name) = self.core(property).and_then(|schema| self.name(schema)) {
                self.homes.entry(name).or_insert_with(|| anchor_of_map(key));
            }
        }
        for (name, heading) in [("Text", "text"), ("Time", "times"), ("Size", "sizes")] {
            self.homes.insert(name.to_owned(), heading.to_owned());
        }
        let names: Vec<String> = self.names.values().cloned().collect();
        for name in names {
            let is_large = keys(self.definition(&name)).len() > 5;
            let is_shared = self.places.get(&name).is_some_and(|at| at.len() > 1);
            let has_heading = is_large || is_shared || OWN.contains(&name.as_str());
            if has_heading && !self.homes.contains_key(&name) {
                self.homes.insert(name.clone(), name.to_lowercase());
                self.alone.insert(name);
            }
        }
    }

    /// The map that a top-level key holds, through lists and maps by name.
    fn core<'s>(&'s self, schema: &'s Value) -> Option<&'s Value> {
        let mut schema = self.resolve(schema);
        loop {
            if !keys(schema).is_empty() || schema["enum"].is_array() {
                return Some(schema);
            }
            let inner = ["items", "additionalProperties"].map(|keyword| &schema[keyword]);
            schema = self.resolve(inner.into_iter().find(|inner| inner.is_object())?);
        }
    }

    fn definition(&self, name: &str) -> &Value {
        match &self.suite["definitions"][name] {
            Value::Null => &self.rules["definitions"][name],
            definition => definition,
        }
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(path) => self.definition(path.trim_start_matches("#/definitions/")),
            None => schema,
        }
    }

    /// What a schema is called: by its reference, or as the definition that has the same keys.
    fn name(&self, schema: &Value) -> Option<String> {
        let named = schema["$ref"].as_str();
        let named = named.map(|path| path.trim_start_matches("#/definitions/").to_owned());
        let same = self.names.get(&keys(self.resolve(schema))).cloned();
        same.or(named)
    }

    /// How a value is written.
    fn form(&self, schema: &Value) -> String {
        let resolved = self.resolve(schema);
        let title = schema["title"].as_str().or(resolved["title"].as_str());
        let Some(title) = title else {
            return "any value".to_owned();
        };
        let home = self.name(schema).and_then(|name| self.homes.get(&name));
        let mut form = match home {
            Some(heading) => format!("[{title}](#{heading})"),
            None => title.to_owned(),
        };
        let takes_list = resolved["type"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "array"));
        if takes_list && !title.contains("list") {
            form += ", or a list";
        }
        let each = match title {
            "a list" => &resolved["items"],
            "a map" if keys(resolved).is_empty() => &resolved["additionalProperties"],
            _ => &Value::Null,
        };
        match self.resolve(each)["title"].as_str() {
            Some("text") => form += " of texts",
            Some("a number") => form += " of numbers",
            Some(_) if !self.words(each).is_empty() => form += " of words",
            Some(_) => {
                let _ = write!(form, "; each {}", self.form(each));
            }
            None => {}
        }
        form
    }

    /// The same under a key's own heading, where nothing but texts is linked.
    fn form_here(&self, schema: &Value, is_text: bool) -> String {
        let form = self.form(schema);
        match form
            .strip_prefix('[')
            .and_then(|form| form.split_once("](#"))
        {
            Some((title, rest)) if !is_text => {
                let after = rest.split_once(')').map_or("", |(_, after)| after);
                format!("{title}{after}")
            }
            _ => form,
        }
    }

    /// The words that a key takes, or a list in it, with what they mean.
    fn words(&self, schema: &Value) -> Vec<(String, String)> {
        let resolved = self.resolve(schema);
        match words_of(resolved) {
            words if words.is_empty() => words_of(self.resolve(&resolved["items"])),
            words => words,
        }
    }
}

fn words_of(schema: &Value) -> Vec<(String, String)> {
    let words = schema["enum"].as_array().into_iter().flatten();
    let meanings = schema["enumDescriptions"].as_array().into_iter().flatten();
    words
        .zip(meanings)
        .filter_map(|(word, meaning)| Some((word.as_str()?.to_owned(), joined(meaning.as_str()?))))
        .collect()
}

/// The keys of a map that are named.
fn keys(schema: &Value) -> BTreeSet<String> {
    let properties = schema["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect()
}

fn is_comparator(property: &Value) -> bool {
    property["$ref"] == "#/definitions/Compared"
        || property["title"] == "a map of the comparator's parameters"
}

/// Descriptions have line breaks in the middle of sentences.
fn joined(text: &str) -> String {
    let paragraphs = text.split("\n\n");
    let paragraphs = paragraphs.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn cell(text: &str) -> String {
    text.replace("\n\n", " ").replace('|', "\\|")
}

/// A value as YAML writes it on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn default(schema: &Value) -> Option<String> {
    let default = schema.get("default")?;
    let is_nothing = default.is_null() || *default == "" || *default == Value::Array(Vec::new());
    (!is_nothing).then(|| format!("`{}`", flow(default)))
}

fn anchor_of_map(key: &str) -> String {
    format!("{key}-of-a-rule-pack")
}

struct Page<'l> {
    language: &'l Language,
    text: String,
    /// Maps whose table is written.
    written: BTreeSet<String>,
    /// Maps that a table refers to, in order.
    waiting: Vec<String>,
    /// Enumerations too long for a cell.
    long: Vec<(String, Vec<(String, String)>)>,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    /// The table of a map's keys.
    fn table(&mut self, schema: &Value) {
        let mut rows = Vec::new();
        let mut comparators = Vec::new();
        self.rows("", schema, &mut rows, &mut comparators);
        let has_default = rows.iter().any(|row: &[String; 4]| !row[2].is_empty());
        if !rows.is_empty() {
            self.line(if has_default {
                "| key | form | default | means |\n|---|---|---|---|"
            } else {
                "| key | form | means |\n|---|---|---|"
            });
        }
        for [key, form, default, means] in rows {
            let [form, default, means] = [form, default, means].map(|text| cell(&text));
            self.line(&match has_default {
                true => format!("| `{key}` | {form} | {default} | {means} |"),
                false => format!("| `{key}` | {form} | {means} |"),
            });
        }
        self.text.push('\n');
        for (key, words) in std::mem::take(&mut self.long) {
            self.line(&format!("Words of `{key}`:\n"));
            self.words(words);
        }
        if comparators.is_empty() {
            return;
        }
        if self
            .language
            .name(schema)
            .is_some_and(|name| name == "Matcher")
        {
            self.waiting.push("Compared".to_owned());
            self.line("And each comparator, with what is expected, [plainly or with parameters](#compared); those of the project's rule packs too:\n");
            self.line("| comparator | means |\n|---|---|");
            for (key, means) in comparators {
                self.line(&format!("| `{key}` | {} |", cell(&means)));
            }
        } else {
            self.line("And each comparator that a [matcher](#matcher) has.");
        }
        self.text.push('\n');
    }

    fn words(&mut self, words: Vec<(String, String)>) {
        for (word, meaning) in words {
            self.line(&format!("- `{word}`: {meaning}"));
        }
        self.text.push('\n');
    }

    fn rows(
        &mut self,
        before: &str,
        schema: &Value,
        rows: &mut Vec<[String; 4]>,
        comparators: &mut Vec<(String, String)>,
    ) {
        let language = self.language;
        let required = |key: &str| {
            let required = schema["required"].as_array();
            required.is_some_and(|keys| keys.iter().any(|one| one == key))
        };
        let named = schema["properties"].as_object().into_iter().flatten();
        let named = named.map(|(key, property)| (key.clone(), property));
        let patterns = schema["patternProperties"]
            .as_object()
            .into_iter()
            .flatten();
        // `^pass@[1-9][0-9]{0,8}$` is `pass@K`.
        let patterns = patterns.filter_map(|(pattern, property)| {
            let (before, _) = pattern.strip_prefix('^')?.split_once('[')?;
            Some((format!("{before}K"), property))
        });
        for (key, property) in named.chain(patterns) {
            let mut means = joined(property["description"].as_str().unwrap_or_default());
            if is_comparator(property) {
                comparators.push((key, means));
                continue;
            }
            if required(&key) && keys(schema).len() > 1 {
                means += " Required.";
            }
            let words = language.words(property);
            let key = format!("{before}{key}");
            let length: usize = words.iter().map(|(_, meaning)| meaning.len()).sum();
            if length > CELL_MAX {
                means += " The words are below.";
                self.long.push((key.clone(), words));
            } else {
                for (word, meaning) in words {
                    let _ = write!(means, " `{word}`: {meaning}");
                }
            }
            let resolved = language.resolve(property);
            let default = default(property).unwrap_or_default();
            let is_word = !words_of(resolved).is_empty();
            let form = match is_word {
                true => "a word".to_owned(),
                false => language.form(property),
            };
            rows.push([key.clone(), form, default, means]);
            // What it holds: a map with a heading elsewhere, or with rows right here.
            let steps = ["items", "additionalProperties"];
            let inner = steps
                .iter()
                .find(|step| resolved[**step].is_object() && keys(resolved).is_empty());
            for (mark, schema) in [
                (".", Some(property)),
                (
                    if resolved["type"] == "object" {
                        ".*."
                    } else {
                        "[]."
                    },
                    inner.map(|step| &resolved[*step]),
                ),
                (
                    "[].",
                    (resolved["items"].is_object() && inner.is_none())
                        .then_some(&resolved["items"]),
                ),
            ] {
                let Some(schema) = schema else { continue };
                let name = language.name(schema);
                if let Some(name) = name.filter(|name| language.homes.contains_key(name)) {
                    self.waiting.push(name);
                } else if !keys(language.resolve(schema)).is_empty() {
                    let before = format!("{key}{mark}");
                    self.rows(&before, language.resolve(schema), rows, comparators);
                }
            }
        }
    }

    /// The maps that were referred to and have no section of a key, each written once.
    fn maps(&mut self) {
        let language = self.language;
        while !self.waiting.is_empty() {
            let name = self.waiting.remove(0);
            if !language.alone.contains(&name) || !self.written.insert(name.clone()) {
                continue;
            }
            let definition = language.definition(&name);
            self.line(&format!("#### {name}\n"));
            let mut told = joined(definition["description"].as_str().unwrap_or_default());
            let title = definition["title"].as_str().unwrap_or_default();
            if !told.is_empty() {
                told += " ";
            }
            self.line(&format!("{told}Form: {title}.\n"));
            self.table(definition);
        }
    }

    fn example(&mut self, path: &str, text: &str, is_run: bool) {
        let text = text.split_once('\n').unwrap().1.trim_end();
        let longest = text.split(|letter| letter != '`').map(str::len).max();
        let fence = "`".repeat((longest.unwrap_or(0) + 1).max(3));
        let note = if is_run {
            ""
        } else {
            " Read and checked; not run in this version."
        };
        self.line(&format!("[{path}]({path}).{note}\n"));
        self.line(&format!("{fence}yaml\n{text}\n{fence}\n"));
    }

    /// What stands under the heading of a key, but its examples.
    fn section(&mut self, heading: &str, place: Option<String>, property: &Value) {
        let language = self.language;
        self.line(&format!("### {heading}\n"));
        self.line(&format!(
            "{}\n",
            joined(property["description"].as_str().unwrap_or_default())
        ));
        let resolved = language.resolve(property);
        let is_text = language.core(property).is_none_or(|core| {
            let name = language.name(core);
            name.is_some_and(|name| name == "Text")
        });
        let mut facts = Vec::new();
        facts.extend(place.map(|place| format!("Stands on {place}.")));
        facts.push(format!("Form: {}.", language.form_here(property, is_text)));
        facts.extend(default(property).map(|default| format!("Default: {default}.")));
        self.line(&format!("{}\n", facts.join(" ")));
        if is_text {
            return;
        }
        let words = language.words(property);
        if !words.is_empty() {
            self.words(words);
            return;
        }
        let Some(core) = language.core(property) else {
            return;
        };
        let name = language.name(core).unwrap_or_default();
        let home = language.homes.get(&name);
        match (name.as_str(), home) {
            ("Preset", _) => self.line("The keys are those of [cases](#cases), but for `name` and `use`.\n"),
            ("Case", _) => self.line("A case has the keys that stand on cases: `name`, and those from [`description`](#description) on.\n"),
            (_, Some(home)) if *home != anchor(heading) => {
                self.line(&format!("The keys are those of [{home}](#{home}).\n"));
            }
            _ => {
                if keys(resolved).is_empty() {
                    self.line("The keys of each:\n");
                }
                self.table(core);
                self.maps();
            }
        }
    }
}

/// Where a heading is linked.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace('`', "").replace(' ', "-")
}

/// The page.
fn page(language: &Language) -> String {
    let mut page = Page {
        language,
        text: INTRODUCTION.to_owned(),
        written: BTreeSet::new(),
        waiting: Vec::new(),
        long: Vec::new(),
    };
    let suites = yaml_files(&examples());
    let packs = yaml_files(&examples().join("rules"));
    let of_suites = language.suite["properties"].as_object().unwrap();
    let of_rules = language.rules["properties"].as_object().unwrap();
    let of_cases = &language.suite["definitions"]["Case"]["properties"];

    let links = of_suites.keys().map(|key| format!("[`{key}`](#{key})"));
    let of_suites_linked = links.collect::<Vec<_>>().join(" · ");
    let links = of_rules
        .keys()
        .map(|key| format!("[`{key}`](#{})", anchor_of_map(key)));
    let of_rules_linked = links.collect::<Vec<_>>().join(" · ");
    page.line("\n## Contents\n");
    page.line(&format!("Suites: {of_suites_linked}\n"));
    page.line("MAPS\n");
    page.line(&format!("Rule packs: {of_rules_linked}\n"));

    page.line("## Suites\n");
    for (key, property) in of_suites {
        let place = match of_cases[key].is_object() {
            true if key == "name" => "suites and cases",
            true if key == "use" => "suites and cases",
            true => "suites, cases and presets",
            false => "suites",
        };
        page.section(&format!("`{key}`"), Some(place.to_owned()), property);
        for (stem, text) in &suites {
            if stem == key || stem.starts_with(&format!("{key}-")) {
                let is_run = !NOT_RUN.contains(&stem.as_str());
                page.example(&format!("examples/{stem}.yaml"), text, is_run);
            }
        }
    }
    page.line("## Rule packs\n");
    for (key, property) in of_rules {
        page.section(&format!("`{key}` of a rule pack"), None, property);
        let text = packs
            .get(key)
            .unwrap_or_else(|| panic!("docs/examples/rules/{key}.yaml is missing"));
        let is_run = !PACKS_NOT_USED.contains(&key.as_str());
        page.example(&format!("examples/rules/{key}.yaml"), text, is_run);
    }
    let maps = page
        .written
        .iter()
        .map(|name| format!("[{name}](#{})", name.to_lowercase()));
    let maps = format!("Maps within them: {}", maps.collect::<Vec<_>>().join(" · "));
    page.text.replacen("MAPS", &maps, 1).trim_end().to_owned() + "\n"
}

#[test]
fn the_reference_is_current() {
    let text = page(&Language::read());
    assert_golden(&root().join("docs/reference.md"), &text);
}

#[test]
fn links_of_the_reference_lead_somewhere() {
    let text = page(&Language::read());
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchors = headings.map(|line| {
        let line = line.trim_start_matches('#').trim().to_lowercase();
        anchor(&line)
    });
    let mut seen = BTreeSet::new();
    for anchor in anchors.filter(|anchor| !anchor.starts_with("yaml-language-server")) {
        seen.insert(anchor);
    }
    for (at, _) in text.match_indices("](#") {
        let link = text[at + 3..].split(')').next().unwrap();
        assert!(seen.contains(link), "no heading for #{link}");
    }
}

/// A project with every example, its data and its packs.
fn project() -> TempProject {
    let project = TempProject::new(&[]);
    for (stem, text) in yaml_files(&examples()) {
        project.write(&format!("suites/{stem}.yaml"), text);
    }
    for (stem, text) in yaml_files(&examples().join("rules")) {
        project.write(&format!("rules/{stem}.yaml"), text);
    }
    for entry in std::fs::read_dir(examples().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        project.write(&format!("suites/data/{name}"), std::fs::read(path).unwrap());
    }
    project
}

#[test]
fn every_example_is_accepted() {
    for (stem, text) in yaml_files(&examples()) {
        let modeline = "# yaml-language-server: $schema=../../schema/suite.schema.json\n# ";
        assert!(text.starts_with(modeline), "{stem}.yaml");
    }
    for (stem, text) in yaml_files(&examples().join("rules")) {
        let modeline = "# yaml-language-server: $schema=../../../schema/rules.schema.json\n# ";
        assert!(text.starts_with(modeline), "rules/{stem}.yaml");
    }
    project().run(&["check"]).expect_status(0);
}

#[test]
fn examples_of_this_version_pass() {
    let stems = yaml_files(&examples()).into_keys();
    let paths: Vec<String> = stems
        .filter(|stem| !NOT_RUN.contains(&stem.as_str()))
        .map(|stem| format!("suites/{stem}.yaml"))
        .collect();
    let mut arguments = vec!["run"];
    arguments.extend(paths.iter().map(String::as_str));
    project().run(&arguments).expect_status(0);
}

#[test]
fn examples_of_later_versions_say_so() {
    let project = project();
    for stem in NOT_RUN {
        let path = format!("suites/{stem}.yaml");
        let ran = project.run(&["run", &path]).expect_status(2);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains("is not in this version"), "{stem}:\n{told}");
    }
}

#[test]
fn examples_of_rules_hold() {
    project().run(&["test", "rules::"]).expect_status(0);
}

/// Maps that are one on the page count as one; those of a suite, a case and a preset do too.
fn seat(language: &Language, at: &str, schema: &Value) -> String {
    if language.resolve(schema)["properties"]["prompt"].is_object() {
        return "a case".to_owned();
    }
    language.name(schema).unwrap_or_else(|| at.to_owned())
}

/// Every key that a schema names.
fn named(
    language: &Language,
    at: &str,
    schema: &Value,
    seen: &mut BTreeSet<String>,
    found: &mut BTreeSet<(String, String)>,
) {
    let resolved = language.resolve(schema);
    let at = seat(language, at, schema);
    if !seen.insert(at.clone()) {
        return;
    }
    for (key, property) in resolved["properties"].as_object().into_iter().flatten() {
        if is_comparator(property) && at != "Matcher" {
            continue;
        }
        found.insert((at.clone(), key.clone()));
        named(language, &format!("{at}/{key}"), property, seen, found);
    }
    for keyword in ["items", "additionalProperties"] {
        if resolved[keyword].is_object() {
            named(
                language,
                &format!("{at}[]"),
                &resolved[keyword],
                seen,
                found,
            );
        }
    }
}

/// Every key that a value has.
fn used(
    language: &Language,
    at: &str,
    schema: &Value,
    value: &Value,
    found: &mut BTreeSet<(String, String)>,
) {
    let resolved = language.resolve(schema);
    let at = seat(language, at, schema);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let property = &resolved["properties"][key];
                if property.is_object() {
                    found.insert((at.clone(), key.clone()));
                    used(language, &format!("{at}/{key}"), property, value, found);
                } else if resolved["additionalProperties"].is_object() {
                    used(
                        language,
                        &format!("{at}[]"),
                        &resolved["additionalProperties"],
                        value,
                        found,
                    );
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                used(
                    language,
                    &format!("{at}[]"),
                    &resolved["items"],
                    value,
                    found,
                );
            }
        }
        _ => {}
    }
}

#[test]
fn every_key_has_an_example() {
    let language = Language::read();
    let mut wanted = BTreeSet::new();
    let mut seen = BTreeSet::new();
    named(&language, "", &language.suite, &mut seen, &mut wanted);
    named(&language, "", &language.rules, &mut seen, &mut wanted);
    assert!(wanted.len() > 200, "{}", wanted.len());
    let mut found = BTreeSet::new();
    for (schema, directory) in [
        (&language.suite, examples()),
        (&language.rules, examples().join("rules")),
    ] {
        for (stem, text) in yaml_files(&directory) {
            let value: Value =
                serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{stem}: {error}"));
            used(&language, "", schema, &value, &mut found);
        }
    }
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(missing.is_empty(), "no example has {missing:#?}");
    let suites = yaml_files(&examples());
    for key in language.suite["properties"].as_object().unwrap().keys() {
        assert!(
            suites.contains_key(key),
            "docs/examples/{key}.yaml is missing"
        );
    }
    let properties: &Map<String, Value> = language.suite["properties"].as_object().unwrap();
    for stem in suites.keys() {
        let key = stem.split('-').next().unwrap();
        assert!(properties.contains_key(key), "{stem}.yaml shows no key");
    }
}
