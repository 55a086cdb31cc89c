//! The written rule: how a prompt states the output it wants, as a person writes it in a rule pack.
//! What the words do is in `mod.rs` (matching), `block.rs` and `clean.rs`.

use schemars::JsonSchema;
use serde::Deserialize;

/// One way in which a prompt states an output. An extractor is an ordered list of them; the first that
/// finds a value decides, and every further value that the same rule finds belongs to the answer too.
///
/// A match goes through the keys in this order: `pattern`, `unless`, `unless_above`, `block`, `clean`, `followed_by`, `not`.
/// Of a value beside the label, a closing bracket, quotation mark or emphasis that opened before it ends it,
/// and a bracket that it opens may close on later lines.
///
/// Where a later pack has an extractor of the same name, it adds to it: its rules come first, and a rule
/// with the `name` of an earlier one takes its place in the order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "a map with `name` and `pattern`")]
pub struct ExpectedRule {
    /// What the rule is called in results and on the command line. A rule of a later pack with the same
    /// name takes this one's place.
    #[schemars(example = &"stated")]
    pub name: String,
    /// What the rule is for, in a sentence.
    #[schemars(example = &"Stated after a label.")]
    #[serde(default)]
    pub description: Option<String>,
    /// A regular expression (the syntax of Rust's `regex`: no look-around) with a group `value`.
    /// White space around the value is not part of it.
    #[schemars(example = &"(?im)^expected output: (?P<value>.+)$")]
    pub pattern: String,
    /// Where the value stands when the group `value` is empty: the first of these that is there, after
    /// the line of the match. Without it an empty group means that empty output is stated.
    #[schemars(example = serde_json::json!(["fence"]))]
    #[serde(default)]
    pub block: Vec<Block>,
    /// A line that matches this pattern ends a block of `lines` and is no part of it.
    #[schemars(example = &"^Input")]
    #[serde(default)]
    pub stop: Option<String>,
    /// What is taken away from the value, in this order.
    #[schemars(example = serde_json::json!(["quotes"]))]
    #[serde(default)]
    pub clean: Vec<Cleaner>,
    /// What is taken away from a value of one line that stands below the label, in `lines` or `paragraph`.
    #[schemars(example = serde_json::json!(["code"]))]
    #[serde(default)]
    pub clean_below: Vec<Cleaner>,
    /// A pattern that the text right after the cleaned value must match, at most 80 characters of its line.
    #[schemars(example = &"^\\s*$")]
    #[serde(default)]
    pub followed_by: Option<String>,
    /// A cleaned value that matches this pattern is a description, not a value: "a list of tuples".
    #[schemars(example = &"^(a|the) ")]
    #[serde(default)]
    pub not: Option<String>,
    /// A match is passed over when the line around it, at most 200 characters to each side, matches this
    /// pattern: "my code prints".
    #[schemars(example = &"(?i)my code prints")]
    #[serde(default)]
    pub unless: Option<String>,
    /// A match is passed over when the lines above it, back to a blank line and at most 800 bytes, match this
    /// pattern: the head of a `match` above an arm. Use `(?m)`.
    #[schemars(example = &"(?m)^match .*\\{$")]
    #[serde(default)]
    pub unless_above: Option<String>,
    /// Texts with the value that this rule alone finds in them.
    #[schemars(example = serde_json::json!([{"text": "Expected output: 15", "value": "15"}]))]
    #[serde(default)]
    pub examples: Vec<ExpectedExample>,
}

/// A text and what is found in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedExample {
    /// The prompt.
    #[schemars(example = &"Expected output: 15 (for [1,2,3,4,5])")]
    pub text: String,
    /// The first stated output; `~` when the text states none.
    #[schemars(example = &"15")]
    #[serde(default)]
    pub value: Option<String>,
}

/// A place after a label where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// A fenced block that follows, at most two blank lines between; its content, dedented like its fence.
    /// Also what HTML's `<pre>` and a `verbatim` or `lstlisting` of LaTeX hold.
    /// Of this and the others: where the label and the line below it start with the same marks of a
    /// quotation or a comment (`>`, `#`, `//`, `--`, `;`), these are no part of it.
    Fence,
    /// Lines that follow a blank line and stand further right than the label, until a blank line; dedented.
    Indented,
    /// The very next lines, until a blank line, a fence, or a line that `stop` matches.
    Lines,
    /// As `lines`, but one blank line stands between, as after a heading.
    Paragraph,
    /// The cells below in the same column of a table with bars; each of them is a value, and `clean` holds.
    Table,
}

/// Something that is taken away from a value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cleaner {
    /// Everything from the first match of this pattern on. A literal in quotes or brackets at the start of
    /// the value is never cut.
    Cut(String),
    /// Everything after the literals at the start, when this pattern matches what follows them.
    AfterLiteral(String),
    /// The full stop of the sentence: one dot (`.`, `。`, `．`, `।`) at the end, but not an ellipsis.
    FullStop,
    /// Markdown's emphasis marks when they enclose the whole value.
    Emphasis,
    /// Backticks: a value that starts with inline code is that code alone.
    Code,
    /// Quotation marks of any language, when one pair encloses the whole value.
    Quotes,
    /// Everything after a literal in quotes at the start; such a literal is all that was quoted.
    Quoted,
    /// Everything but the literal at the start: a number, something quoted or in balanced brackets,
    /// a constructor's call, `true`, `None`, …. Without such a literal there is no value.
    Literal,
    /// As `literal`, for several with blanks or commas between them.
    Literals,
    /// `\n` and `\t` written out become what they stand for.
    Escapes,
}
