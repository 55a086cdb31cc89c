//! The JSON Schemas of suites and rule packs, made from the types that decode them.
//!
//! Every schema is one flat object: where YAML takes several forms, `type` lists them and each form's
//! keywords stand side by side, so that an editor says one thing about a mistake and not one thing
//! for each alternative. `title` is what was expected, as messages say it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::rules::{HackRule, LanguageRule};
use super::suite::{Keys, RequireSpec};
use crate::evaluator::code::CodeRule;
use crate::evaluator::compare::ComparatorRule;
use crate::evaluator::expected::ExpectedRule;
use crate::syntax::model::ModelSpec;

/// The names that a project's rules offer, with what each is for, by kind: `languages`, `code`,
/// `comparators`, `presets`, `models`.
pub type Names = BTreeMap<&'static str, Vec<(String, String)>>;

/// Marks where names of rules are offered; replaced by the names.
const NAMES_KEY: &str = "x-names";
/// The name of a schema's parts in draft 7, which is what editors know best.
const DEFINITIONS: &str = "definitions";
/// Before the name of a definition, to refer to it.
const REFERENCE: &str = "#/definitions/";

/// The schema of suites.
pub fn suite(names: &Names) -> Value {
    let mut generator = generator();
    let keys = object_of::<Keys>(&mut generator);
    let require = generator.subschema_for::<RequireSpec>();
    let case = with_keys(
        &keys,
        "Case",
        "a case: a map with keys such as `prompt`, `reply` and `expect`",
        json!({
            "name": {"type": "string", "description": "What the case is called in its id; absent, its number.", "examples": ["sum of a list"]},
        }),
    );
    let mut suite = with_keys(
        &keys,
        "rewardspec suite",
        "a suite: a map with the keys `cases` or `dataset`",
        json!({
            "name": {"type": "string", "description": "The suite's title, for people; its name is the file's.", "examples": ["Sums"]},
            "rules": {"type": "array", "items": {"type": "string"}, "description": "Rule packs to load beside the standard one; absent, every file in the project's `rules/`.", "examples": [["own"]]},
            "cases": {"title": "a list of cases", "type": "array", "minItems": 1, "items": {"$ref": "#/definitions/Case"}, "description": "What is scored.", "examples": [[{"name": "prints 42", "reply": "print(42)", "expect": "42"}]]},
            "require": {"$ref": require.get("$ref"), "description": "What the suite as a whole must reach; it is then judged as one.", "examples": [{"pass@1": 0.6, "mean": 0.8}]},
        }),
    );
    suite["allOf"] = json!([any_key(
        &["cases", "dataset"],
        "the suite has no cases\nwrite them under `cases`, or name a file of rows under `dataset`",
    )]);
    finish(suite, BTreeMap::from([("Case", case)]), generator, names)
}

/// The schema of rule packs.
pub fn pack(names: &Names) -> Value {
    let mut generator = generator();
    let keys = object_of::<Keys>(&mut generator);
    let mut preset = with_keys(
        &keys,
        "Preset",
        "a preset: a map of keys of a case",
        json!({}),
    );
    preset["properties"]["use"] = json!({
        "description": "No key of a preset.", "examples": [[]], "not": {}, "doNotSuggest": true,
        "errorMessage": "a preset cannot use another preset",
    });
    let of = |title: &str, rule: &Schema, description: &str, example: Value| json!({"title": title, "type": "object", "additionalProperties": rule, "description": description, "examples": [example]});
    let rule = generator.subschema_for::<ExpectedRule>();
    let list = schemars::json_schema!({"title": "a list of rules", "type": "array", "items": rule});
    let language = generator.subschema_for::<LanguageRule>();
    let code = generator.subschema_for::<CodeRule>();
    let comparator = generator.subschema_for::<ComparatorRule>();
    let model = generator.subschema_for::<ModelSpec>();
    let hack = generator.subschema_for::<HackRule>();
    let presets = schemars::json_schema!({"$ref": "#/definitions/Preset"});
    let title = "a map of rules by name";
    let root = json!({
        "title": "a rule pack: a map with keys such as `languages` and `comparators`",
        "type": "object",
        "properties": {
            "languages": of(title, &language, "Languages, by name: how their programs are found, built and run.", json!({"ruby": {"aliases": ["rb"], "file": "main.rb", "find": {"command": "ruby"}, "run": ["{{ interpreter }}", "{{ file }}"]}})),
            "code": of(title, &code, "Code extractors, by name: how the program is found in a reply.", json!({"last-block": {"tags": ["language", "untagged"], "pick": "last"}})),
            "expected_output": of("a map of lists of rules by name", &list, "Extractors of stated outputs, by name: ordered patterns, of which the first that finds something decides. What stands under the name of an extractor of an earlier pack, such as `standard`, is added to it: it comes first, and a pattern with the name of an earlier one takes its place.", json!({"standard": [{"name": "stated", "pattern": "(?im)^expected: (?P<value>.+)$"}]})),
            "comparators": of(title, &comparator, "Comparators, by name: normalisers for both sides, then what decides.", json!({"trimmed": {"steps": ["newlines", "trim"], "then": ["exact"]}})),
            "presets": of(title, &presets, "Presets, by name: keys of a case, for `use`.", json!({"contest": {"timeout": 5, "compare": "whitespace"}})),
            "models": of(title, &model, "Models, by name: where they are asked, and how.", json!({"small": {"url": "http://localhost:8000/v1", "model": "qwen2.5-coder"}})),
            "hacks": of(title, &hack, "Replies that try to earn points without solving anything, for `audit`.", json!({"exit-early": {"language": "python", "reply": "import os; os._exit(0)", "why": "passes graders that trust the exit status"}})),
        },
        "additionalProperties": false,
    });
    finish(root, BTreeMap::from([("Preset", preset)]), generator, names)
}

/// The schema of a layer of keys that came as JSON.
pub(super) fn layer() -> Value {
    let mut generator = generator();
    let keys = object_of::<Keys>(&mut generator);
    let root = with_keys(&keys, "Keys", "a map of keys", json!({}));
    finish(root, BTreeMap::new(), generator, &Names::new())
}

fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft07();
    // What stands beside a `$ref` says what the key is for; editors show it.
    settings.transforms.clear();
    settings.inline_subschemas = false;
    settings.into_generator()
}

fn object_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

/// The keys of a case, with more of them.
fn with_keys(keys: &Value, name: &str, title: &str, more: Value) -> Value {
    let mut schema = keys.clone();
    schema["title"] = json!(title);
    schema["description"] = json!(name);
    if let (Some(Value::Object(properties)), Value::Object(more)) =
        (schema.get_mut("properties"), more)
    {
        let own = std::mem::take(properties);
        properties.extend(more);
        properties.extend(own);
    }
    schema
}

/// Lets a schema take another of YAML's kinds too.
pub(super) fn add_type(schema: &mut Schema, kind: &str) {
    let mut kinds = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    if !kinds.iter().any(|known| known == kind) {
        kinds.push(kind.into());
    }
    schema.insert("type".to_owned(), kinds.into());
}

/// Adds a key to a map's schema.
pub(super) fn add_property(
    schema: &mut Schema,
    name: &str,
    description: &str,
    example: Value,
    of: Schema,
) {
    let mut of = of.to_value();
    if let Value::Object(keywords) = &mut of {
        keywords.insert("description".to_owned(), description.into());
        keywords.insert("examples".to_owned(), json!([example]));
    }
    let properties = schema
        .ensure_object()
        .entry("properties")
        .or_insert_with(|| Map::new().into());
    properties[name] = of;
}

/// Offers the names of rules of a kind; other names are not refused.
pub(super) fn names(kind: &str, mut schema: Schema) -> Schema {
    schema.insert(NAMES_KEY.to_owned(), kind.into());
    schema
}

/// Lets a schema take a list too.
pub(super) fn add_list(schema: &mut Schema, items: &Schema) {
    add_type(schema, "array");
    schema.insert("items".to_owned(), items.as_value().clone());
}

/// That each two of some keys exclude each other.
pub(super) fn exclusive(names: &[&str]) -> Vec<Value> {
    let pairs = names.iter().enumerate().flat_map(|(at, one)| {
        let later = names[at + 1..].iter();
        later.map(move |other| one_of(one, other))
    });
    pairs.collect()
}

/// That two keys exclude each other.
pub(super) fn one_of(one: &str, other: &str) -> Value {
    json!({"dependencies": {one: {
        "properties": {other: false},
        "errorMessage": format!("`{other}` stands beside `{one}`\nwrite one of the two"),
    }}})
}

/// That one of some keys must stand there. Editors look for the words beside each.
pub(super) fn any_key(names: &[&str], message: &str) -> Value {
    let named = names
        .iter()
        .map(|name| json!({"required": [name], "errorMessage": message}));
    json!({"anyOf": named.collect::<Vec<_>>(), "errorMessage": message})
}

/// The finished schema: definitions inside, forms flat, text takes what YAML may make of it.
fn finish(
    mut root: Value,
    own: BTreeMap<&str, Value>,
    mut generator: SchemaGenerator,
    names: &Names,
) -> Value {
    let mut definitions: Map<String, Value> =
        generator.take_definitions(true).into_iter().collect();
    definitions.extend(
        own.into_iter()
            .map(|(name, schema)| (name.to_owned(), schema)),
    );
    root[DEFINITIONS] = definitions.into();
    let mut removable = BTreeSet::new();
    visit(&mut root, &mut |schema| flatten(schema, &mut removable));
    if let Some(Value::Object(definitions)) = root.get_mut(DEFINITIONS) {
        for name in &removable {
            if let Some(Value::Object(definition)) = definitions.get_mut(name) {
                allow_nothing(definition);
            }
        }
    }
    visit(&mut root, &mut |schema| offer(schema, names));
    visit(&mut root, &mut take_text);
    visit(&mut root, &mut give_title);
    visit(&mut root, &mut put_pattern_into_words);
    visit(&mut root, &mut most_keys_apart);
    visit(&mut root, &mut snippets);
    let mut schema = Map::new();
    schema.insert(
        "$schema".to_owned(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    if let Value::Object(keywords) = root {
        schema.extend(keywords);
    }
    schema.into()
}

/// Calls back for each schema within a schema, inner ones first.
fn visit(schema: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(keywords) = schema else {
        return;
    };
    for (keyword, value) in keywords.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties" | DEFINITIONS, Value::Object(schemas)) => {
                schemas
                    .values_mut()
                    .for_each(|schema| visit(schema, change));
            }
            ("items" | "additionalProperties", schema) => visit(schema, change),
            ("anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(|schema| visit(schema, change));
            }
            _ => {}
        }
    }
    change(keywords);
}

/// Alternatives that are words become an `enum`; "or nothing" becomes a property of what is meant.
fn flatten(schema: &mut Map<String, Value>, removable: &mut BTreeSet<String>) {
    if let Some(Value::Array(alternatives)) = schema.get("oneOf") {
        let variants = Variants::of(alternatives);
        schema.remove("oneOf");
        variants.put_into(schema);
    }
    let Some(Value::Array(forms)) = schema.get("anyOf") else {
        return;
    };
    let is_nothing = |form: &Value| form.get("type") == Some(&json!("null"));
    if forms.len() != 2 || !forms.iter().any(is_nothing) {
        return;
    }
    let Some(Value::Object(meant)) = forms.iter().find(|form| !is_nothing(form)).cloned() else {
        return;
    };
    schema.remove("anyOf");
    let named = meant.get("$ref").and_then(Value::as_str).map(str::to_owned);
    for (keyword, value) in meant {
        match (schema.get_mut(&keyword), value) {
            (Some(Value::Array(own)), Value::Array(more)) if keyword == "examples" => {
                own.extend(more)
            }
            (Some(_), _) => {}
            (None, value) => drop(schema.insert(keyword, value)),
        }
    }
    match named {
        Some(name) => removable.extend(name.strip_prefix(REFERENCE).map(str::to_owned)),
        None => allow_nothing(schema),
    }
}

/// The variants of a type: words, with what each means, and maps of one key.
#[derive(Default)]
struct Variants {
    words: Vec<String>,
    told: Vec<Value>,
    keys: Map<String, Value>,
}

impl Variants {
    fn of(alternatives: &[Value]) -> Variants {
        let mut variants = Variants::default();
        for alternative in alternatives {
            let means = alternative
                .get("description")
                .cloned()
                .unwrap_or_else(|| "".into());
            let listed = match (alternative.get("const"), alternative.get("enum")) {
                (Some(word), _) => std::slice::from_ref(word),
                (None, Some(Value::Array(words))) => words.as_slice(),
                _ => &[],
            };
            for word in listed.iter().filter_map(Value::as_str) {
                variants.words.push(word.to_owned());
                variants.told.push(means.clone());
            }
            let keys = alternative.get("properties").and_then(Value::as_object);
            for (key, value) in keys.into_iter().flatten() {
                let mut value = value.clone();
                value["description"] = means.clone();
                value["examples"] = json!(["…"]);
                variants.keys.insert(key.clone(), value);
            }
        }
        variants
    }

    fn put_into(self, schema: &mut Map<String, Value>) {
        let takes_list = schema
            .get("type")
            .and_then(Value::as_array)
            .is_some_and(|kinds| kinds.contains(&json!("array")));
        if !takes_list && self.keys.is_empty() {
            schema.insert("type".to_owned(), "string".into());
            schema.insert("enum".to_owned(), self.words.into());
            schema.insert("enumDescriptions".to_owned(), self.told.into());
            return;
        }
        // An `enum` would refuse the other forms.
        let quoted: Vec<String> = self.words.iter().map(|word| format!("`{word}`")).collect();
        let mut title = format!("one of {}", quoted.join(", "));
        let mut kinds = vec!["string"];
        if takes_list {
            title.push_str(", or a list of such");
            kinds.push("array");
        }
        if !self.keys.is_empty() {
            let keys: Vec<String> = self
                .keys
                .keys()
                .map(|key| format!("`{{{key}: …}}`"))
                .collect();
            title = format!("{title} or {}", keys.join(", "));
            kinds.push("object");
            schema.insert("properties".to_owned(), self.keys.into());
            schema.insert("additionalProperties".to_owned(), false.into());
            schema.insert("minProperties".to_owned(), 1.into());
            schema.insert("maxProperties".to_owned(), 1.into());
        }
        schema.insert(
            "pattern".to_owned(),
            format!("^({})$", self.words.join("|")).into(),
        );
        schema.insert("title".to_owned(), title.into());
        schema.insert("type".to_owned(), kinds.into());
        schema.insert("examples".to_owned(), self.words.into());
    }
}

/// Examples that are no scalars are offered as snippets: editors show nothing useful of them else.
fn snippets(schema: &mut Map<String, Value>) {
    let Some(Value::Array(examples)) = schema.remove("examples") else {
        return;
    };
    let is_scalar = |example: &Value| !example.is_object() && !example.is_array();
    let (plain, bodies): (Vec<Value>, Vec<Value>) = examples.into_iter().partition(is_scalar);
    if !plain.is_empty() {
        schema.insert("examples".to_owned(), plain.into());
    }
    if !bodies.is_empty() {
        let snippets = bodies
            .into_iter()
            .map(|body| json!({"label": body.to_string(), "body": body}));
        schema.insert("defaultSnippets".to_owned(), snippets.collect());
    }
}

/// Lets a schema take `~`, which removes what is inherited.
fn allow_nothing(schema: &mut Map<String, Value>) {
    let mut kinds = match schema.remove("type") {
        Some(Value::Array(kinds)) => kinds,
        Some(one) => vec![one],
        None => return,
    };
    if !kinds.contains(&json!("null")) {
        kinds.push("null".into());
    }
    schema.insert("type".to_owned(), kinds.into());
    if let Some(Value::Array(words)) = schema.get_mut("enum")
        && !words.contains(&Value::Null)
    {
        words.push(Value::Null);
        if let Some(Value::Array(told)) = schema.get_mut("enumDescriptions") {
            told.push("Removes what is inherited.".into());
        }
    }
}

/// Where text is meant, YAML's numbers and words are the text that was written.
fn take_text(schema: &mut Map<String, Value>) {
    if ["enum", "const", "pattern"]
        .iter()
        .any(|keyword| schema.contains_key(*keyword))
    {
        return;
    }
    let text = ["string", "number", "boolean", "null"];
    let kinds: Vec<Value> = match schema.get("type") {
        Some(Value::Array(kinds)) if kinds.contains(&json!("string")) => kinds.clone(),
        Some(Value::String(kind)) if kind == "string" => vec!["string".into()],
        _ => return,
    };
    let others = kinds
        .into_iter()
        .filter(|kind| !text.iter().any(|text| kind == text));
    let kinds: Vec<Value> = text.into_iter().map(Value::from).chain(others).collect();
    schema.insert("type".to_owned(), kinds.into());
}

/// Every schema says what it expects.
fn give_title(schema: &mut Map<String, Value>) {
    if schema
        .get("format")
        .is_some_and(|format| format == "uint32")
    {
        schema.insert("maximum".to_owned(), u32::MAX.into());
    }
    schema.remove("format");
    schema.remove(NAMES_KEY);
    // A default that is nothing says nothing, and editors stumble over it.
    let is_nothing =
        |default: &Value| [json!(null), json!([]), json!({}), json!("")].contains(default);
    if schema.get("default").is_some_and(is_nothing) {
        schema.remove("default");
    }
    let is_from_zero = schema.get("minimum") == Some(&json!(0));
    let takes_list = schema.contains_key("items");
    if schema.contains_key("title") || schema.contains_key("$ref") {
        return;
    }
    let title = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.iter().find_map(Value::as_str).unwrap_or_default(),
        _ => return,
    };
    let words = schema.get("enum").and_then(Value::as_array).map(|words| {
        let words: Vec<String> = words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        format!("one of {}", words.join(", "))
    });
    let title = words.unwrap_or_else(|| {
        match title {
            "integer" if is_from_zero => "a whole number of 0 or more",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "array" => "a list",
            "object" => "a map",
            _ if takes_list => "text, or a list of texts",
            _ => "text",
        }
        .to_owned()
    });
    schema.insert("title".to_owned(), title.into());
}

/// Editors offer no key where no more than one may stand, even before there is one, so that rule stands
/// beside the keys.
fn most_keys_apart(schema: &mut Map<String, Value>) {
    if let Some(most) = schema.remove("maxProperties") {
        let rules = schema.entry("allOf").or_insert_with(|| json!([]));
        if let Value::Array(rules) = rules {
            rules.push(json!({"maxProperties": most}));
        }
    }
}

/// Editors show a pattern that does not match; what was expected says more.
fn put_pattern_into_words(schema: &mut Map<String, Value>) {
    if let (true, Some(Value::String(title))) =
        (schema.contains_key("pattern"), schema.get("title"))
    {
        let message = format!("expected {title}");
        schema.insert("patternErrorMessage".to_owned(), message.into());
    }
}

/// Puts the names of rules where they are offered.
fn offer(schema: &mut Map<String, Value>, names: &Names) {
    let Some(kind) = schema
        .get(NAMES_KEY)
        .and_then(Value::as_str)
        .map(str::to_owned)
    else {
        return;
    };
    let known = names.get(kind.as_str()).map_or(&[][..], Vec::as_slice);
    let is_map_by_name = kind == "comparators";
    let each = schema.get("additionalProperties").cloned();
    if let (true, Some(each)) = (is_map_by_name, &each) {
        let properties = schema
            .entry("properties")
            .or_insert_with(|| Map::new().into());
        for (name, told) in known {
            if properties.get(name).is_some() {
                continue;
            }
            let mut property = each.clone();
            property["description"] = if told.is_empty() {
                format!("The comparator `{name}`.").into()
            } else {
                told.clone().into()
            };
            properties[name.as_str()] = property;
        }
    }
    let words: Vec<Value> = known.iter().map(|(name, _)| name.as_str().into()).collect();
    if words.is_empty()
        || kind == "comparators" && each.as_ref().is_some_and(|each| each.get("$ref").is_some())
    {
        return;
    }
    if let Some(Value::Object(items)) = schema.get_mut("items")
        && !items.contains_key("$ref")
    {
        items.insert("examples".to_owned(), words.clone().into());
    }
    schema.insert("examples".to_owned(), words.into());
}
