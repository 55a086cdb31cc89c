//! `rules`: list and show what rules there are, and try them on JSONL rows.

use std::io::{self, BufRead, Write};

use serde_json::{Map, Value, json};

use super::{Exit, open, put_line, refuse, report};
use crate::compile::{RuleSet, UnknownName};
use crate::escape::json_line;
use crate::evaluator::code::{LanguageTags, OTHER_TAG};
use crate::evaluator::compare::{Expected, Params};
use crate::evaluator::expected::ExpectedExtractor;
use crate::project::Project;

#[derive(Debug, clap::Args)]
pub(super) struct RulesArguments {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RulesCommand {
    /// Every rule: its kind, its name, and the pack it comes from
    List,
    /// A rule as its pack writes it
    Show {
        /// The rule's name
        name: String,
    },
    /// Apply a rule to JSONL rows from standard input
    Try {
        /// What to try
        kind: Kind,
        /// The rule; of expected output an extractor, or one rule of `standard` [default: standard]
        #[arg(long, value_name = "NAME")]
        rule: Option<String>,
        /// The wanted language of code, where a row names none [default: python, or that of the
        /// first block where no block is python]
        #[arg(long, value_name = "NAME")]
        language: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Rows `{"id","text"}`: the output that a prompt states, and what lost
    ExpectedOutput,
    /// Rows `{"id","text","language"?}`: the code in a reply
    Code,
    /// Rows `{"id","actual","expected","comparator"?,"params"?}`: a comparison
    Compare,
}

pub(super) fn rules(arguments: &RulesArguments) -> Exit {
    let mut project = open(&[]);
    if !project.diagnostics.is_empty() {
        return report(&project.diagnostics, &project);
    }
    let rules = project.rules();
    let done = match &arguments.command {
        RulesCommand::List => list(&rules),
        RulesCommand::Show { name } => return show(name, &project, &rules),
        RulesCommand::Try {
            kind,
            rule,
            language,
        } => {
            let tried = match kind {
                Kind::ExpectedOutput => Trial::expected_output(&rules, rule.as_deref()),
                Kind::Code => Trial::code(&rules, rule.as_deref(), language.as_deref()),
                Kind::Compare => Trial::compare(&rules, rule.as_deref()),
            };
            match tried {
                Ok(trial) => trial.stream(),
                Err(unknown) => return refuse(&unknown.message, unknown.help.as_deref()),
            }
        }
    };
    match done {
        Ok(()) => Exit::Passed,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Passed,
        Err(error) => refuse(&error.to_string(), None),
    }
}

fn list(rules: &RuleSet) -> io::Result<()> {
    for (kind, name, pack) in rules.list() {
        put_line(&format!("{kind:<16} {name:<20} {pack}"))?;
    }
    Ok(())
}

fn show(name: &str, project: &Project, rules: &RuleSet) -> Exit {
    let found = project.rule_texts(name);
    if found.is_empty() {
        let known: Vec<&str> = rules.list().map(|(_, name, _)| name).collect();
        let help = crate::diagnostic::nearest(name, known)
            .map(|nearest| format!("did you mean `{nearest}`?"));
        return refuse(
            &format!("no rule is named `{name}`"),
            help.as_deref()
                .or(Some("`rewardspec rules list` shows them")),
        );
    }
    for (place, text) in found {
        if put_line(&format!("# {place}\n{text}\n")).is_err() {
            return Exit::Passed;
        }
    }
    Exit::Passed
}

/// From the columns of a row to what the rule says of them.
type Apply<'a> = dyn Fn(&Map<String, Value>) -> Result<Map<String, Value>, String> + 'a;

/// A rule made ready to be applied to rows.
struct Trial<'a> {
    apply: Box<Apply<'a>>,
}

impl<'a> Trial<'a> {
    fn expected_output(
        rules: &'a RuleSet,
        rule: Option<&str>,
    ) -> Result<Self, crate::compile::UnknownName> {
        let (extractor, only) = expected_rule(rules, rule.unwrap_or("standard"))?;
        let apply = move |row: &Map<String, Value>| {
            let explained = extractor.explain(text(row, "text")?, only.as_deref());
            let lost: Vec<Value> = explained
                .lost
                .into_iter()
                .map(|lost| json!({"rule": lost.rule, "value": lost.value, "span": [lost.span.start, lost.span.end], "reason": lost.reason}))
                .collect();
            Ok(object(match explained.stated {
                Some(stated) => {
                    json!({"value": stated.value, "all": stated.all, "rule": stated.rule, "span": [stated.span.start, stated.span.end], "lost": lost})
                }
                None => json!({"value": null, "all": [], "rule": null, "span": null, "lost": lost}),
            }))
        };
        Ok(Trial {
            apply: Box::new(apply),
        })
    }

    fn code(
        rules: &'a RuleSet,
        rule: Option<&str>,
        language: Option<&'a str>,
    ) -> Result<Self, crate::compile::UnknownName> {
        let extractor = rules.extractor(rule.unwrap_or("standard"))?;
        if let Some(language) = language {
            rules.language(language)?;
        }
        let known = rules.tags();
        let apply = move |row: &Map<String, Value>| {
            let name = match row.get("language") {
                None | Some(Value::Null) => language,
                Some(_) => Some(text(row, "language")?),
            };
            let reply = text(row, "text")?;
            let find = |name: &str| match rules.language(name) {
                Ok(language) => extractor.extract(reply, &language.tags, &known),
                // Nothing is run: a language without a rule is known by its name as a tag.
                Err(_) => extractor.extract(reply, &LanguageTags::by_name(name), &known),
            };
            let mut found = find(name.unwrap_or("python"));
            if name.is_none() && found.code.is_none() {
                let is_other = |lost: Option<&str>| lost == Some(OTHER_TAG);
                let mut others = found.blocks.iter().filter(|block| is_other(block.lost));
                let tagged = others.find_map(|block| rules.language(&block.lang).ok());
                if let Some(language) = tagged {
                    found = find(&language.name);
                }
            }
            let blocks: Vec<Value> = found
                .blocks
                .iter()
                .map(|block| {
                    let mut told = json!({"lang": block.lang, "start_line": block.start_line, "end_line": block.end_line, "chosen": block.chosen});
                    if let Some(why) = block.lost {
                        told["lost"] = json!(why);
                    }
                    told
                })
                .collect();
            let mut told = json!({"code": found.code, "language": found.language, "rule": found.rule, "reason": found.reason, "blocks": blocks});
            if extractor.main().is_some() {
                let files = found.files.iter();
                let files = files.map(|file| json!({"path": file.path, "code": file.text}));
                told["files"] = files.collect();
            }
            Ok(object(told))
        };
        Ok(Trial {
            apply: Box::new(apply),
        })
    }

    fn compare(
        rules: &'a RuleSet,
        rule: Option<&str>,
    ) -> Result<Self, crate::compile::UnknownName> {
        let default = rule.unwrap_or("lines").to_owned();
        rules.comparator(&default)?;
        let apply = move |row: &Map<String, Value>| {
            let name = match row.get("comparator") {
                None | Some(Value::Null) => default.as_str(),
                Some(_) => text(row, "comparator")?,
            };
            let comparator = rules.comparator(name).map_err(|unknown| unknown.message)?;
            let params: Params = match row.get("params") {
                None | Some(Value::Null) => Params::default(),
                Some(params) => {
                    serde_json::from_value(params.clone()).map_err(|error| error.to_string())?
                }
            };
            let first = |errors: Vec<crate::evaluator::rule_error::RuleError>| {
                errors
                    .into_iter()
                    .next()
                    .map_or_else(String::new, |error| error.message)
            };
            let comparator = comparator.with(&params).map_err(first)?;
            let expected = match row.get("expected") {
                Some(Value::Array(items)) if comparator.takes_list() => {
                    Expected::List(items.iter().map(as_text).collect())
                }
                Some(Value::Array(_) | Value::Object(_)) => {
                    Expected::Text(row["expected"].to_string())
                }
                _ => Expected::Text(text(row, "expected")?.to_owned()),
            };
            let compared = comparator
                .prepare(&expected)
                .map_err(first)?
                .compare(text(row, "actual")?);
            Ok(object(
                json!({"match": compared.matched, "score": compared.score, "rule": compared.rule, "reason": compared.reason}),
            ))
        };
        Ok(Trial {
            apply: Box::new(apply),
        })
    }

    fn stream(&self) -> io::Result<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        for (index, line) in io::stdin().lock().split(b'\n').enumerate() {
            let line = line?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let (id, result) = match serde_json::from_slice(&line) {
                Ok(Value::Object(row)) => (
                    row.get("id").cloned().unwrap_or(Value::Null),
                    (self.apply)(&row),
                ),
                Ok(_) => (Value::Null, Err("the row is no JSON object".to_owned())),
                Err(error) => (Value::Null, Err(format!("the row is not JSON: {error}"))),
            };
            let mut answer = Map::new();
            answer.insert("id".to_owned(), id);
            match result {
                Ok(result) => answer.extend(result),
                Err(message) => {
                    answer.insert(
                        "error".to_owned(),
                        json!({"kind": "input", "message": message, "line": index + 1}),
                    );
                }
            }
            writeln!(out, "{}", json_line(&answer)?)?;
        }
        out.flush()
    }
}

/// An extractor by its name, or a rule of `standard` alone by the rule's.
fn expected_rule<'a>(
    rules: &'a RuleSet,
    name: &str,
) -> Result<(&'a ExpectedExtractor, Option<String>), UnknownName> {
    let standard = rules.expected("standard");
    let unknown = match rules.expected(name) {
        Ok(extractor) => return Ok((extractor, None)),
        Err(unknown) => unknown,
    };
    let Ok(standard) = standard else {
        return Err(unknown);
    };
    if standard.rule_names().any(|rule| rule == name) {
        return Ok((standard, Some(name.to_owned())));
    }
    let extractors = rules.list().filter(|(kind, ..)| *kind == "expected-output");
    let known = extractors.map(|(_, name, _)| name);
    let near = crate::diagnostic::nearest(name, known.chain(standard.rule_names()));
    Err(UnknownName {
        help: near
            .map(|near| format!("did you mean `{near}`?"))
            .or(unknown.help),
        ..unknown
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn text<'r>(row: &'r Map<String, Value>, key: &str) -> Result<&'r str, String> {
    match row.get(key) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("`{key}` is no text")),
        None => Err(format!("the row has no `{key}`")),
    }
}
