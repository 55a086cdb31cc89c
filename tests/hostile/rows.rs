//! The attempts, as rows to score.

use serde_json::{Map, Value, json};

const TEXT: &str = include_str!("../data/hostile/programs.jsonl");

/// One attempt and what must come of it.
pub(crate) struct Attempt(Value);

/// All of them.
pub(crate) fn all() -> Vec<Attempt> {
    TEXT.lines()
        .map(|line| Attempt(serde_json::from_str(line).unwrap()))
        .collect()
}

impl Attempt {
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().unwrap()
    }

    pub(crate) fn language(&self) -> &str {
        self.0["language"].as_str().unwrap()
    }

    pub(crate) fn setup(&self, key: &str) -> Option<&Value> {
        self.0["setup"].get(key)
    }

    pub(crate) fn detect(&self, key: &str) -> Option<&Value> {
        self.0["detect"].get(key)
    }

    /// Texts of a detection that may be one or several.
    pub(crate) fn texts(&self, key: &str) -> Vec<&str> {
        match self.detect(key) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text],
            _ => Vec::new(),
        }
    }

    /// Whether it leaves something for the program after it.
    pub(crate) fn is_about_the_next(&self) -> bool {
        self.detect("repeat").is_some() || self.detect("next_run_ok").is_some()
    }

    /// A program of its language that does no harm.
    pub(crate) fn benign(&self) -> &'static str {
        match self.language() {
            "python" => "print('benign')",
            _ => "console.log('benign')",
        }
    }

    /// The row to score.
    pub(crate) fn row(&self, id: &str) -> Value {
        let limit = |key: &str| self.0["limits"][key].clone();
        let mebibytes = |key: &str| format!("{}MiB", limit(key));
        let kibibytes = limit("output_bytes").as_u64().unwrap() / 1024;
        let mut row = Map::new();
        row.insert("id".to_owned(), json!(id));
        row.insert("language".to_owned(), self.0["language"].clone());
        row.insert("code".to_owned(), self.0["code"].clone());
        row.insert("timeout".to_owned(), limit("wall_s"));
        row.insert(
            "limits".to_owned(),
            json!({
                "cpu": limit("cpu_s"),
                "memory": mebibytes("memory_mb"),
                "processes": limit("tasks"),
                "output": format!("{kibibytes}KiB"),
                "disk": mebibytes("disk_mb"),
                "inodes": limit("inodes"),
                "open_files": limit("open_files"),
            }),
        );
        let task = &self.0["task"];
        let expect = match task["kind"].as_str() {
            None => json!({"runs": true}),
            Some("stdio") => {
                row.insert("stdin".to_owned(), task["stdin"].clone());
                json!({"output": task["expected_stdout"]})
            }
            Some(_) => json!({"tests": task["tests"]}),
        };
        row.insert("expect".to_owned(), expect);
        Value::Object(row)
    }
}
