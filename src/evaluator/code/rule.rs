//! An extractor as a rule pack writes it.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the code in a reply is found.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CodeRule {
    /// What it is for, for people.
    pub description: Option<String>,
    /// Which fences count, in order of preference.
    pub tags: Vec<Preference>,
    /// Which untagged fences count.
    pub untagged: Untagged,
    /// Which of several blocks is the program.
    pub pick: Pick,
    /// Which blocks are joined.
    pub join: Join,
    /// What a last fence means that is never closed.
    pub unclosed: Unclosed,
    /// What a reply without a fence means.
    pub no_fence: NoFence,
    /// Sections that are no part of the answer, by their tag: `think` removes `<think>…</think>`.
    pub remove: Vec<String>,
    /// Blocks that are no program.
    pub ignore: IgnoreRule,
    /// Replies and the code in them.
    pub examples: Vec<CodeExample>,
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
pub struct IgnoreRule {
    /// Tags, unless the wanted language is one of them.
    pub tags: Vec<String>,
    /// A pattern in the content.
    pub when: Option<String>,
}

/// A reply and the code in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeExample {
    /// The reply.
    pub reply: String,
    /// The wanted language.
    pub language: String,
    /// The code; `~` for none.
    pub code: Option<String>,
}
