//! An extractor as a rule pack writes it.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the code in a reply is found.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "a map such as `{pick: last}`")]
pub struct CodeRule {
    /// What it is for, for people.
    #[schemars(example = &"The last block of the language.")]
    pub description: Option<String>,
    /// Which fences count, in order of preference.
    #[schemars(example = serde_json::json!(["language", "untagged"]))]
    pub tags: Vec<Preference>,
    /// Which untagged fences count.
    #[schemars(example = &"when_it_parses")]
    pub untagged: Untagged,
    /// Which of several blocks is the program.
    #[schemars(example = &"last")]
    pub pick: Pick,
    /// Which blocks are joined.
    #[schemars(example = &"definition_then_usage")]
    pub join: Join,
    /// What a last fence means that is never closed.
    #[schemars(example = &"accept")]
    pub unclosed: Unclosed,
    /// What a reply without a fence means.
    #[schemars(example = &"whole_when_it_parses")]
    pub no_fence: NoFence,
    /// Sections that are no part of the answer, by their tag: `think` removes `<think>…</think>`.
    #[schemars(example = serde_json::json!(["think"]))]
    pub remove: Vec<String>,
    /// Blocks that are no program.
    #[schemars(example = serde_json::json!({"tags": ["sh", "console"]}))]
    pub ignore: IgnoreRule,
    /// Several files: how the file of a block is known.
    #[schemars(example = &"by_name")]
    pub files: Option<FilesBy>,
    /// With `files`: the file that runs.
    #[schemars(example = &"main.py")]
    pub main: Option<String>,
    /// Replies and the code in them.
    #[schemars(example = serde_json::json!([{"reply": "print(1)", "language": "python", "code": "print(1)"}]))]
    pub examples: Vec<CodeExample>,
}

/// How the file of a block is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilesBy {
    /// By its info string's `title=`, `file=` or path, else by the path alone on the line before it,
    /// else by a first comment that is a path.
    ByName,
}

/// A kind of fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// Tagged with the wanted language or an alias.
    Language,
    /// Without a tag.
    Untagged,
    /// With another tag, where the content is of the wanted language.
    Mistagged,
}

/// Which untagged fences count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Untagged {
    /// Those that parse as the wanted language.
    #[default]
    WhenItParses,
    /// All.
    Always,
    /// None.
    Never,
}

/// Which of several blocks is the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The first, unless the text calls a later one the correction or the complete program.
    #[default]
    Policy,
    /// The first.
    First,
    /// The last.
    Last,
    /// The longest.
    Longest,
    /// All, joined.
    All,
    /// The whole reply, fences or not.
    Whole,
}

/// Which blocks are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// None.
    #[default]
    Never,
    /// A definition and the blocks after it that use what it defines.
    DefinitionThenUsage,
}

/// What a fence means that is never closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unclosed {
    /// It runs to the end of the reply.
    #[default]
    Accept,
    /// It is no block.
    Refuse,
}

/// What a reply without a fence means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoFence {
    /// The reply, or the part of it between prose, is the code where it parses.
    #[default]
    WholeWhenItParses,
    /// The whole reply is the code.
    Whole,
    /// There is no code.
    Nothing,
}

/// Blocks that are no program.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "a map such as `{tags: [sh]}`")]
pub struct IgnoreRule {
    /// Tags, unless the wanted language is one of them.
    #[schemars(example = serde_json::json!(["sh", "console", "output"]))]
    pub tags: Vec<String>,
    /// A pattern in the content.
    #[schemars(example = &"^\\s*\\$ ")]
    pub when: Option<String>,
}

/// A reply and the code in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeExample {
    /// The reply.
    #[schemars(example = &"```py\nprint(1)\n```")]
    pub reply: String,
    /// The wanted language.
    #[schemars(example = &"python")]
    pub language: String,
    /// The code; `~` for none.
    #[schemars(example = &"print(1)")]
    pub code: Option<String>,
}
