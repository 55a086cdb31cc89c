//! A language, compiled: how its programs are named, built, run, and judged by tests.

use std::sync::Arc;

use super::lazy_regex::LazyRegex;

use super::apart::Channel;
use super::code::LanguageTags;
use crate::program::{Cloud, ForkServer, Interpreter, Limits, Program, SourceFile, Word};

/// A programming language.
#[derive(Debug, Clone)]
pub struct Language {
    /// Its name in rule packs.
    pub name: String,
    /// How its code is known in a reply.
    pub tags: LanguageTags,
    /// The file a program is put into.
    pub file: FileNameRule,
    /// How its interpreter or compiler is found.
    pub interpreter: Arc<Interpreter>,
    /// The build command.
    pub build: Option<CommandTemplate>,
    /// The command that runs a program.
    pub run: CommandTemplate,
    /// Limits where a suite sets none.
    pub limits: Limits,
    /// Files put beside every program.
    pub helpers: Vec<SourceFile>,
    /// Finds the exception on standard error: groups `name` and, perhaps, `message`.
    pub exception: Option<LazyRegex>,
    /// How tests run in the program's own interpreter.
    pub beside: Option<Beside>,
    /// The channel over which its tests are judged apart.
    pub apart: Option<Channel>,
    /// How its programs run in E2B's cloud, where a suite does not say otherwise.
    pub cloud: Cloud,
    /// The warmed interpreter that its programs may be forks of.
    pub fork_server: Option<Arc<ForkServer>>,
}

impl Language {
    /// A program of one file with the rule's helpers beside it, its limits and no network; more files
    /// may follow.
    pub fn program(&self, file: &str, code: &str) -> Program {
        let mut files = vec![SourceFile {
            path: file.to_owned(),
            bytes: Arc::from(code.as_bytes()),
        }];
        files.extend(self.helpers.iter().cloned());
        Program {
            interpreter: Arc::clone(&self.interpreter),
            files,
            build: self.build.as_ref().map(|build| build.words(file)),
            limits: self.limits,
            network: false,
            cloud: self.cloud.clone(),
            fork_server: self.fork_server.clone(),
        }
    }
}

/// The runner that judges tests in the program's own interpreter.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Its file.
    pub file: String,
    /// Its text.
    pub code: Arc<[u8]>,
    /// The command.
    pub run: CommandTemplate,
}

/// The name of a program's file.
#[derive(Debug, Clone)]
pub enum FileNameRule {
    /// Always this.
    Fixed(String),
    /// With the class that the code declares in place of `{{ class }}`.
    Class {
        /// The name, such as `{{ class }}.java`.
        name: String,
        /// The first of its groups that takes part is the class.
        pattern: LazyRegex,
    },
}

impl FileNameRule {
    /// The file of this program.
    ///
    /// # Errors
    /// A sentence, when the code declares no class.
    pub fn name(&self, program: &str) -> Result<String, String> {
        match self {
            FileNameRule::Fixed(name) => Ok(name.clone()),
            FileNameRule::Class { name, pattern } => {
                let class = pattern
                    .captures(program)
                    .and_then(|groups| groups.iter().skip(1).flatten().next())
                    .map(|group| group.as_str());
                let class = class.ok_or_else(|| {
                    format!(
                        "the code declares nothing that `{}` finds, so its file has no name",
                        pattern.as_str()
                    )
                })?;
                Ok(name.replace("{{ class }}", class))
            }
        }
    }
}

/// A command as a rule states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTemplate {
    words: Vec<WordTemplate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum WordTemplate {
    Interpreter,
    /// Text in which `{{ file }}` and `{{ stem }}` stand for the program's file.
    Text(String),
}

/// Which word of a command is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// Its index.
    pub word: usize,
    /// What is wrong.
    pub message: String,
}

impl CommandTemplate {
    /// Reads a command; `names` are the placeholders that it may use beside `interpreter`,
    /// `file` and `stem`, with their values.
    ///
    /// # Errors
    /// An unknown placeholder.
    pub fn new<'a>(
        words: impl Iterator<Item = &'a str>,
        names: &[(&str, &str)],
    ) -> Result<Self, CommandError> {
        let words = words
            .enumerate()
            .map(|(index, word)| read_word(index, word, names))
            .collect::<Result<_, _>>()?;
        Ok(CommandTemplate { words })
    }

    /// The command for a program in this file.
    pub fn words(&self, file: &str) -> Vec<Word> {
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        self.words
            .iter()
            .map(|word| match word {
                WordTemplate::Interpreter => Word::Interpreter,
                WordTemplate::Text(text) => {
                    Word::Text(text.replace("{{ file }}", file).replace("{{ stem }}", stem))
                }
            })
            .collect()
    }
}

fn read_word(
    index: usize,
    word: &str,
    names: &[(&str, &str)],
) -> Result<WordTemplate, CommandError> {
    if word.trim() == "{{ interpreter }}" {
        return Ok(WordTemplate::Interpreter);
    }
    let mut text = word.to_owned();
    for (name, value) in names {
        text = text.replace(&format!("{{{{ {name} }}}}"), value);
    }
    let unknown = text.replace("{{ file }}", "").replace("{{ stem }}", "");
    if unknown.contains("{{") {
        let mut known: Vec<String> = names
            .iter()
            .map(|(name, _)| format!("`{{{{ {name} }}}}`"))
            .collect();
        known.extend(
            [
                "`{{ interpreter }}` (a word of its own)",
                "`{{ file }}`",
                "`{{ stem }}`",
            ]
            .map(str::to_owned),
        );
        return Err(CommandError {
            word: index,
            message: format!(
                "unknown placeholder in `{word}`; known are {}",
                known.join(", ")
            ),
        });
    }
    Ok(WordTemplate::Text(text))
}

#[cfg(test)]
mod tests {
    use crate::evaluator::LazyRegex;

    use super::FileNameRule;

    #[test]
    fn a_file_is_named_after_the_first_group_that_takes_part() {
        let rule = FileNameRule::Class {
            name: "{{ class }}.java".to_owned(),
            pattern: LazyRegex::new(r"(?s)\A(?:.*?public class (\w+)|.*?class (\w+))").unwrap(),
        };
        assert_eq!(
            rule.name("class A {}\npublic class B {}").unwrap(),
            "B.java"
        );
        assert_eq!(rule.name("class A {}\nclass B {}").unwrap(), "A.java");
        assert!(rule.name("interface C {}").is_err());
    }
}
