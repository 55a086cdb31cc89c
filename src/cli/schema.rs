//! `schema`: the JSON Schemas of suites and rule packs, with the names of the project's own rules.

use std::path::PathBuf;

use serde_json::Value;

use super::{Exit, open, put_line, refuse, report};
use crate::syntax::schema;

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArguments {
    /// Which schema is printed
    #[arg(default_value = "suite")]
    which: Which,
    /// Write both schemas into this directory instead
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Which {
    /// Of suites
    Suite,
    /// Of rule packs
    Rules,
}

pub(super) fn schema(arguments: &SchemaArguments) -> Exit {
    let mut project = open(&[]);
    if !project.diagnostics.is_empty() {
        return report(&project.diagnostics, &project);
    }
    let names = project.rules().names();
    let Some(directory) = &arguments.write else {
        let schema = match arguments.which {
            Which::Suite => schema::suite(&names),
            Which::Rules => schema::pack(&names),
        };
        // A closed pipe is the reader's choice.
        let _ = put_line(&text_of(&schema));
        return Exit::Passed;
    };
    let files = [
        ("suite.schema.json", schema::suite(&names)),
        ("rules.schema.json", schema::pack(&names)),
    ];
    for (name, schema) in files {
        let path = directory.join(name);
        let written = std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(&path, text_of(&schema) + "\n"));
        if let Err(error) = written {
            return refuse(&format!("cannot write `{}`: {error}", path.display()), None);
        }
        let _ = put_line(&format!("wrote {}", path.display()));
    }
    let _ = put_line(&format!(
        "begin a suite with the line `# yaml-language-server: $schema=PATH/suite.schema.json`, where PATH leads from the suite to {}",
        directory.display()
    ));
    Exit::Passed
}

fn text_of(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap_or_default()
}
