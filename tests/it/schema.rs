//! The JSON Schemas: current, complete, and of one mind with `check`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::support::{TempProject, root};
use rewardspec::source::Sources;
use rewardspec::syntax::parse_suite;
use rewardspec::syntax::rules::parse_rules;

fn committed(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("schema").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_committed_schemas_are_current() {
    let project = TempProject::new(&[]);
    project.run(&["schema", "--write", "out"]).expect_status(0);
    for name in ["suite.schema.json", "rules.schema.json"] {
        let made = std::fs::read_to_string(project.path().join("out").join(name)).unwrap();
        let kept = std::fs::read_to_string(root().join("schema").join(name)).unwrap();
        assert!(
            made == kept,
            "schema/{name} is not current: `cargo run -- schema --write schema`"
        );
    }
}

#[test]
fn a_projects_own_rules_are_offered() {
    let project = TempProject::new(&[(
        "rules/own.yaml",
        "comparators: {same_sum: {description: By sum., then: [exact]}}\npresets: {quick: {timeout: 1}}\nmodels: {tiny: {url: 'http://localhost:1/v1', model: m}}\n",
    )]);
    let ran = project.run(&["schema", "suite"]).expect_status(0);
    let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
    let matchers = &schema["definitions"]["Matcher"]["properties"];
    assert_eq!(matchers["same_sum"]["description"], "By sum.");
    assert_eq!(schema["properties"]["use"]["examples"], json!(["quick"]));
    assert_eq!(schema["properties"]["model"]["examples"], json!(["tiny"]));
    let ran = project.run(&["schema", "rules"]).expect_status(0);
    assert!(ran.stdout.contains("\"comparators\""));
}

/// Every schema within a schema, with the way to it.
fn within<'s>(at: &str, schema: &'s Value, found: &mut Vec<(String, &'s Map<String, Value>)>) {
    let Value::Object(keywords) = schema else {
        return;
    };
    found.push((at.to_owned(), keywords));
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            ("properties" | "definitions", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    within(&format!("{at}/{name}"), schema, found);
                }
            }
            ("items" | "additionalProperties", schema) => {
                within(&format!("{at}/{keyword}"), schema, found)
            }
            _ => {}
        }
    }
}

#[test]
fn every_key_is_described_with_an_example_and_unknown_keys_are_refused() {
    // Maps whose keys the author chooses.
    let open: BTreeSet<&str> = ["vars", "files", "weights", "gates", "matrix", "extra"].into();
    for name in ["suite.schema.json", "rules.schema.json"] {
        let schema = committed(name);
        let mut found = Vec::new();
        within("", &schema, &mut found);
        assert!(found.len() > 200, "{}", found.len());
        for (at, keywords) in &found {
            for banned in ["anyOf", "oneOf"] {
                // At the root of a value an editor would say one thing for each alternative.
                assert!(!keywords.contains_key(banned), "{name}{at}: {banned}");
            }
            let Some(Value::Object(properties)) = keywords.get("properties") else {
                continue;
            };
            for (key, property) in properties {
                let told = property["description"].as_str().unwrap_or_default();
                assert!(
                    told.ends_with(['.', '`']),
                    "{name}{at}/{key} is not described: {told:?}"
                );
                let has_example = ["examples", "defaultSnippets"].iter().any(|keyword| {
                    property[keyword]
                        .as_array()
                        .is_some_and(|list| !list.is_empty())
                });
                let is_comparator = property["$ref"] == "#/definitions/Compared"
                    || property["title"] == "a map of the comparator's parameters";
                assert!(
                    has_example || is_comparator,
                    "{name}{at}/{key} has no example"
                );
            }
            let last = at.rsplit('/').next().unwrap_or_default();
            let is_open = open.contains(last)
                || keywords
                    .get("additionalProperties")
                    .is_some_and(Value::is_object)
                || last == "Compared";
            if !is_open {
                assert_eq!(
                    keywords.get("additionalProperties"),
                    Some(&json!(false)),
                    "{name}{at}"
                );
            }
        }
    }
}

#[test]
fn check_and_the_schema_say_yes_and_no_to_the_same() {
    for (name, rounds) in [("suite.schema.json", 6000), ("rules.schema.json", 3000)] {
        let schema = committed(name);
        let validator = jsonschema::draft7::new(&schema).unwrap();
        let mut verdicts = [0, 0];
        for seed in 0..rounds {
            let mut writer = Writer {
                schema: &schema,
                random: seed * 2 + 1,
                mistakes: u64::from(seed % 4 != 0),
            };
            let value = writer.value(&schema, 0);
            let text = yaml(&value);
            let by_schema = validator.is_valid(&value);
            let source = Sources::default().add("s.yaml", std::path::Path::new("."), text.as_str());
            let told = match name {
                "suite.schema.json" => match parse_suite(source, &text) {
                    Ok((_, of_cases)) => of_cases,
                    Err(diagnostics) => diagnostics,
                },
                _ => parse_rules("s", source, &text).err().unwrap_or_default(),
            };
            let said: Vec<&str> = told.list.iter().map(|one| one.message.as_str()).collect();
            let by_check = said.is_empty();
            assert_eq!(
                by_check,
                by_schema,
                "{name}, seed {seed}: check says {said:?}, the schema {:?}:\n{text}",
                validator
                    .iter_errors(&value)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect::<Vec<_>>()
            );
            verdicts[usize::from(by_check)] += 1;
        }
        assert!(
            verdicts.iter().all(|count| *count > rounds / 10),
            "one-sided: {verdicts:?}"
        );
    }
}

/// Writes values that a schema takes, with a mistake now and then.
struct Writer<'s> {
    schema: &'s Value,
    random: u64,
    mistakes: u64,
}

impl Writer<'_> {
    /// A number below `bound` (splitmix64).
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if self.mistakes > 0 && depth > 0 && self.below(60) == 0 {
            self.mistakes -= 1;
            let odd = [
                json!("odd"),
                json!(-1),
                json!(1.5),
                json!(true),
                json!([]),
                json!({}),
                json!([[1]]),
                json!({"odd": 1}),
            ];
            return odd[self.below(odd.len())].clone();
        }
        if let Some(name) = schema["$ref"].as_str() {
            let definition = &self.schema["definitions"][name.trim_start_matches("#/definitions/")];
            return self.value(definition, depth);
        }
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<_> = words.iter().filter(|word| !word.is_null()).collect();
            return words[self.below(words.len())].clone();
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            Value::String(kind) => vec![kind],
            _ => vec!["string", "number", "array", "object"],
        };
        // `~` removes what is inherited, and the tree has no word for it apart from `null`.
        let kinds: Vec<&str> = kinds.into_iter().filter(|kind| *kind != "null").collect();
        let nested = |kind: &&str| !["array", "object"].contains(kind);
        let shallow: Vec<&str> = kinds.iter().copied().filter(|kind| nested(kind)).collect();
        let kinds = if depth > 7 && !shallow.is_empty() {
            shallow
        } else {
            kinds
        };
        match kinds[self.below(kinds.len())] {
            "array" => {
                let least = usize::from(schema["minItems"].is_u64() && self.below(30) != 0);
                let count = least + self.below(3);
                let items = &schema["items"];
                (0..count).map(|_| self.value(items, depth + 1)).collect()
            }
            "object" => self.map(schema, depth),
            "integer" => json!(self.below(9)),
            "number" => json!(self.below(9) as f64 / 2.0 + 0.5),
            "boolean" => json!(self.below(2) == 0),
            _ => self.text(schema),
        }
    }

    fn text(&mut self, schema: &Value) -> Value {
        let offered: Vec<&Value> = schema["examples"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|value| value.is_string())
            .collect();
        if !offered.is_empty() {
            return offered[self.below(offered.len())].clone();
        }
        match schema["title"].as_str() {
            Some(title) if title.starts_with("a time") => {
                json!(["5s", "500ms", "2m", "1.5"][self.below(4)])
            }
            Some(title) if title.starts_with("a size") => {
                json!(["1MiB", "64 KiB", "2GB"][self.below(3)])
            }
            _ => json!(["a", "row.x", "print(1)", "null", "0x10", "no"][self.below(6)]),
        }
    }

    fn map(&mut self, schema: &Value, depth: usize) -> Value {
        let mut map = Map::new();
        let properties: Vec<(&String, &Value)> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .collect();
        if depth == 0 && schema["properties"]["cases"].is_object() {
            let cases = self.value(&schema["properties"]["cases"], depth + 1);
            map.insert("cases".to_owned(), cases);
        }
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if self.below(40) != 0 {
                let value = self.value(&schema["properties"][name], depth + 1);
                map.insert(name.to_owned(), value);
            }
        }
        let more = if depth < 2 { 3 } else { 1 };
        for _ in 0..1 + self.below(more) {
            let is_enough = depth > 1 && !map.is_empty() && self.below(6) != 0;
            if !properties.is_empty() && !is_enough {
                let (name, property) = properties[self.below(properties.len())];
                let value = self.value(property, depth + 1);
                map.insert(name.clone(), value);
            }
        }
        if schema["additionalProperties"].is_object() && self.below(3) == 0 {
            let value = self.value(&schema["additionalProperties"], depth + 1);
            map.insert("own".to_owned(), value);
        }
        if self.mistakes > 0 && self.below(40) == 0 {
            self.mistakes -= 1;
            map.insert("unknwon".to_owned(), json!(1));
        }
        map.into()
    }
}

/// JSON is YAML, but for words that YAML would take for something else without quotes.
fn yaml(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}
