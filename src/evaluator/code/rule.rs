//! An extractor as a rule pack writes it.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the code in a reply is found.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "a map such as `{pick: last}`")]
pub struct CodeRule {
    /// What it is for, for people.
    #[schemars(example = &"The last block of the language.")]
    pub description: Option<String>,
    /// How blocks are found, instead of by CommonMark: patterns, of which the first that matches
    /// anything decides. To read replies as another tool does.
    #[schemars(example = serde_json::json!([{"pattern": "(?s)```(?P<tag>\\w*)\n(?P<code>.*?)\n```"}]))]
    pub blocks: Vec<BlockPattern>,
    /// Other marks of blocks, looked for outside of those that CommonMark sees.
    #[schemars(example = serde_json::json!([{"pattern": "(?s)\\[(?P<tag>PYTHON)\\](?P<code>.*?)\\[/PYTHON\\]"}]))]
    pub marks: Vec<BlockPattern>,
    /// Which blocks count, in order of preference: the first kind of which there is a block. Absent,
    /// `[language, untagged]`.
    #[schemars(example = serde_json::json!(["language", "untagged"]))]
    pub tags: Vec<Preference>,
    /// Whether a language's aliases name it in a tag, as its own name does.
    #[schemars(example = true)]
    pub aliases: bool,
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
    /// Whether inline code is the program where there is nothing else.
    #[schemars(example = &"when_it_parses")]
    pub spans: Spans,
    /// Keys under which a call of a tool in JSON holds code: `code` finds
    /// `{"name": "run", "arguments": {"code": "print(1)"}}`. Asked where no block is the program; what
    /// stands under another key than `code` must parse or hold a fence.
    #[schemars(example = serde_json::json!(["code", "script"]))]
    pub json: Vec<String>,
    /// Elements that hold the answer, by name: `answer` finds `<answer>…</answer>`. Fences in one of
    /// them are the only ones that count; without a fence, what stands in it is a block, tagged by its
    /// `class="language-…"`, else by its name.
    #[schemars(example = serde_json::json!(["answer", "code"]))]
    pub inside: Vec<String>,
    /// Patterns of what ends a reply: what follows is another turn that a model made up. Where one
    /// begins a reply, it is passed over.
    #[schemars(example = serde_json::json!(["<\\|im_end\\|>"]))]
    pub end: Vec<String>,
    /// Sections that are no part of the answer, by their tag: `think` removes `<think>…</think>` and
    /// `[think]…[/think]`; with three dots, by what opens and what closes it: `<!--...-->`.
    #[schemars(example = serde_json::json!(["think"]))]
    pub remove: Vec<String>,
    /// Patterns that are taken out of the code, but for what a group `keep` holds: always, or where
    /// `mend` names `noise`, only where that leaves fewer syntax errors.
    #[schemars(example = serde_json::json!(["(?m)^%.*$"]))]
    pub remove_inside: Vec<String>,
    /// Whether white space at both ends of the code is taken away.
    #[schemars(example = true)]
    pub trim: bool,
    /// Damage that is mended, in this order, where it makes code parse better.
    #[schemars(example = serde_json::json!(["html_entities"]))]
    pub mend: Vec<Mend>,
    /// Blocks that are no program.
    #[schemars(example = serde_json::json!({"tags": ["sh", "console"]}))]
    pub ignore: IgnoreRule,
    /// What the text before a block says of it, for `pick: policy`.
    #[schemars(example = serde_json::json!({"correction": ["(?i)\\bcorrected\\b"]}))]
    pub words: WordRule,
    /// Several files: how the file of a block is known.
    #[schemars(example = &"by_name")]
    pub files: Option<FilesBy>,
    /// With `files`: patterns of names. Absent, those of the rule `standard`.
    #[schemars(example = serde_json::json!({"comment": ["^# (\\S+\\.py)$"]}))]
    pub names: NameRule,
    /// With `files`: the file that runs.
    #[schemars(example = &"main.py")]
    pub main: Option<String>,
    /// Replies and the code in them.
    #[schemars(example = serde_json::json!([{"reply": "print(1)", "language": "python", "code": "print(1)"}]))]
    pub examples: Vec<CodeExample>,
}

impl Default for CodeRule {
    fn default() -> Self {
        CodeRule {
            description: None,
            blocks: Vec::new(),
            marks: Vec::new(),
            tags: vec![Preference::Language, Preference::Untagged],
            aliases: true,
            untagged: Untagged::default(),
            pick: Pick::default(),
            join: Join::default(),
            unclosed: Unclosed::default(),
            no_fence: NoFence::default(),
            spans: Spans::default(),
            json: Vec::new(),
            inside: Vec::new(),
            end: Vec::new(),
            remove: Vec::new(),
            remove_inside: Vec::new(),
            trim: false,
            mend: Vec::new(),
            ignore: IgnoreRule::default(),
            words: WordRule::default(),
            files: None,
            names: NameRule::default(),
            main: None,
            examples: Vec::new(),
        }
    }
}

/// A pattern that finds blocks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "a map with `pattern`")]
pub struct BlockPattern {
    /// A regular expression with a group `code` and, perhaps, one named `tag`. The search goes on
    /// where the code ends.
    #[schemars(example = &"(?s)```python(?P<code>.*?)```")]
    pub pattern: String,
    /// Which of its blocks is taken, instead of the rule's `pick`.
    #[schemars(example = &"last")]
    #[serde(default)]
    pub pick: Option<Pick>,
    /// Whether the search goes on behind the whole match, as most regular expressions do.
    #[schemars(example = true)]
    #[serde(default)]
    pub whole_match: bool,
}

/// What the text between a block and the one before says of it: patterns, each asked of the last
/// paragraphs of that text.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "a map such as `{correction: ['(?i)corrected']}`")]
pub struct WordRule {
    /// It is the one to use, and what came before is not.
    #[schemars(example = serde_json::json!(["(?i)\\bcorrected\\b"]))]
    pub correction: Vec<String>,
    /// It is another way to do the same.
    #[schemars(example = serde_json::json!(["(?i)\\balternatively\\b"]))]
    pub alternative: Vec<String>,
    /// It repeats what was asked about: the code with the mistake.
    #[schemars(example = serde_json::json!(["(?i)\\byour code\\b"]))]
    pub quoted: Vec<String>,
    /// It shows what a program prints.
    #[schemars(example = serde_json::json!(["(?i)\\boutput:?\\s*$"]))]
    pub output: Vec<String>,
    /// It is a sketch, not to be run.
    #[schemars(example = serde_json::json!(["(?i)\\bpseudocode\\b"]))]
    pub sketch: Vec<String>,
}

/// Where the name of a block's file stands: patterns, of which the first that matches decides; the name
/// is the first of its groups that takes part.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "a map such as `{comment: ['^# (\\S+\\.py)$']}`")]
pub struct NameRule {
    /// Patterns of info strings, which stand behind the fence.
    #[schemars(example = serde_json::json!(["title=\"([^\"]+)\""]))]
    pub info: Vec<String>,
    /// Patterns of the line before the block.
    #[schemars(example = serde_json::json!(["^\\*\\*(\\S+)\\*\\*$"]))]
    pub before: Vec<String>,
    /// Patterns of the code's first line, which stays in the file.
    #[schemars(example = serde_json::json!(["^# (\\S+\\.py)$"]))]
    pub comment: Vec<String>,
}

/// Damage that can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// The first line of the code is the language's name once more.
    RepeatedTag,
    /// `&lt;` and other entities stand where characters should.
    HtmlEntities,
    /// Blanks that are no spaces, and characters without width.
    NoBreakSpaces,
    /// What `remove_inside` finds stands in the code.
    Noise,
    /// The code is the record of an interactive session: what stands behind `>>>` is the program.
    Prompts,
}

/// Whether inline code counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spans {
    /// Never.
    #[default]
    Never,
    /// The only one that parses as the wanted language and ends its line.
    WhenItParses,
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
    /// Tagged with the wanted language, or without a tag.
    LanguageOrUntagged,
    /// Any, whatever its tag.
    Any,
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
    /// Patterns of lines: a block of nothing else is no program, unless a language of `tags` is wanted.
    #[schemars(example = serde_json::json!(["^pip install "]))]
    pub commands: Vec<String>,
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
