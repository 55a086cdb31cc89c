//! Templates: minijinja with strict names, compiled once a suite, rendered once a row.
//!
//! Pure. What a template inserts is never rendered again. Where text is meant, a list, a map or
//! null is an error and not their printed form.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior};

/// The templates of a suite while it is compiled.
pub struct TemplateSet {
    environment: Environment<'static>,
    count: usize,
}

/// A template of a [`Templates`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateId {
    name: Arc<str>,
    expression: bool,
}

/// Compiled templates, shared by all evaluators of a suite.
#[derive(Debug, Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
}

/// Why a template could not be compiled or rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Lower case, no full stop.
    pub message: String,
    /// The bytes of the template's text that are meant.
    pub at: Option<Range<usize>>,
    /// The top-level or dotted names that the template uses and the scope may lack.
    pub undefined: bool,
}

impl Default for TemplateSet {
    fn default() -> Self {
        TemplateSet {
            environment: environment(),
            count: 0,
        }
    }
}

impl TemplateSet {
    /// Compiles a template.
    ///
    /// # Errors
    /// A syntax error, with its place in the text.
    pub fn template(&mut self, text: &str) -> Result<TemplateId, TemplateError> {
        self.add(text.to_owned(), false)
    }

    /// Compiles an expression that yields a typed value.
    ///
    /// # Errors
    /// A syntax error, with its place in the text.
    pub fn expression(&mut self, text: &str) -> Result<TemplateId, TemplateError> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(TemplateError::too_long(0..1));
        }
        self.environment
            .compile_expression(text)
            .map_err(|error| TemplateError::of(&error, 0))?;
        // A template around it is kept too: only templates tell the names they use.
        let id = self
            .add(format!("{{{{ {text} }}}}"), true)
            .map_err(|error| error.shifted(EXPRESSION_OFFSET))?;
        Ok(id)
    }

    fn add(&mut self, text: String, expression: bool) -> Result<TemplateId, TemplateError> {
        if let Some(at) = too_long(&text) {
            return Err(TemplateError::too_long(at));
        }
        self.count += 1;
        let name = self.count.to_string();
        self.environment
            .add_template_owned(name.clone(), text)
            .map_err(|error| TemplateError::of(&error, 0))?;
        Ok(TemplateId {
            name: name.into(),
            expression,
        })
    }

    /// The names a template needs from its scope, dotted as far as they are known.
    pub fn names(&self, id: &TemplateId) -> BTreeSet<String> {
        names(&self.environment, id)
    }

    /// Whether a name is one that every template knows, such as `range`.
    pub fn is_global(&self, name: &str) -> bool {
        self.environment.globals().any(|(global, _)| global == name)
    }

    /// No more templates are added.
    pub fn finish(self) -> Templates {
        Templates {
            environment: Arc::new(self.environment),
        }
    }
}

/// Bytes before an expression in the template around it.
const EXPRESSION_OFFSET: usize = 3;

impl Templates {
    /// Renders a template, or an expression whose value becomes text.
    ///
    /// # Errors
    /// An undefined name, or a value that is no text.
    pub fn text(&self, id: &TemplateId, scope: &Value) -> Result<String, TemplateError> {
        let template = self
            .environment
            .get_template(&id.name)
            .expect("a template's id is of this set");
        let shift = if id.expression { EXPRESSION_OFFSET } else { 0 };
        let mut text = Bounded::default();
        template
            .render_captured_to(scope, &mut text)
            .map_err(|error| TemplateError::of(&error, shift))?;
        Ok(String::from_utf8(text.0).expect("templates write text"))
    }

    /// Evaluates an expression.
    ///
    /// # Errors
    /// An undefined name, or whatever else the expression fails with.
    pub fn value(&self, id: &TemplateId, scope: &Value) -> Result<Value, TemplateError> {
        let template = self
            .environment
            .get_template(&id.name)
            .expect("a template's id is of this set");
        let source = template.source();
        let text = source
            .get(EXPRESSION_OFFSET..source.len() - EXPRESSION_OFFSET)
            .unwrap_or(source);
        let evaluate = || {
            let value = self.environment.compile_expression(text)?.eval(scope)?;
            if value.is_undefined() {
                return Err(minijinja::Error::new(
                    ErrorKind::UndefinedError,
                    "the expression is undefined",
                ));
            }
            Ok(value)
        };
        evaluate().map_err(|error| TemplateError::of(&error, 0))
    }

    /// The names a template needs from its scope, dotted as far as they are known.
    pub fn names(&self, id: &TemplateId) -> BTreeSet<String> {
        names(&self.environment, id)
    }
}

fn names(environment: &Environment<'_>, id: &TemplateId) -> BTreeSet<String> {
    environment
        .get_template(&id.name)
        .map(|template| template.undeclared_variables(true).into_iter().collect())
        .unwrap_or_default()
}

impl TemplateError {
    fn too_long(at: Range<usize>) -> Self {
        TemplateError {
            message: format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes"),
            at: Some(at),
            undefined: false,
        }
    }

    fn of(error: &minijinja::Error, shift: usize) -> Self {
        let mut message = match error.detail() {
            Some(detail) => detail.to_owned(),
            None => error.kind().to_string(),
        };
        if error.kind() == ErrorKind::OutOfFuel {
            message = format!("the template does more than {STEPS_MAX} steps");
        }
        if error.kind() == ErrorKind::WriteFailure {
            message = format!(
                "the template makes more than {} MiB of text",
                RENDERED_BYTES_MAX >> 20
            );
        }
        if error.kind() == ErrorKind::UndefinedError {
            "a name is undefined".clone_into(&mut message);
        }
        // "filter uper is unknown"
        if let Some((kind, name)) = message
            .strip_suffix(" is unknown")
            .and_then(|words| words.split_once(' '))
        {
            message = format!("unknown {kind} `{name}`");
        }
        let error_at = error.range();
        TemplateError {
            message,
            at: error_at,
            undefined: error.kind() == ErrorKind::UndefinedError,
        }
        .shifted(shift)
    }

    fn shifted(mut self, shift: usize) -> Self {
        self.at = self
            .at
            .map(|at| at.start.saturating_sub(shift)..at.end.saturating_sub(shift));
        self
    }
}

/// Steps of one rendering; a loop without end is a mistake, and not a hang.
const STEPS_MAX: u64 = 20_000_000;
/// Bytes that one rendering makes.
const RENDERED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of one expression. The parser goes deeper with each operator.
const EXPRESSION_BYTES_MAX: usize = 8 * 1024;

/// Text up to a limit.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::Error::other("too much text"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first expression that is too long to be read, by its place.
fn too_long(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(open) = text[at..]
        .find("{{")
        .into_iter()
        .chain(text[at..].find("{%"))
        .min()
    {
        let begin = at + open;
        let close = text[begin..]
            .find("}}")
            .into_iter()
            .chain(text[begin..].find("%}"))
            .min();
        let end = close.map_or(text.len(), |close| begin + close + 2);
        if end - begin > EXPRESSION_BYTES_MAX {
            return Some(begin..begin + 2);
        }
        at = end;
    }
    None
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .build()
        .expect("the default syntax is valid");
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(format_value);
    environment.set_fuel(Some(STEPS_MAX));
    // What authors know of Jinja in Python: `row.id.split("/")`, `row.map.get(key)`.
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("fromjson", from_json);
    environment.add_filter("zip", zip);
    environment.add_filter("lines", split_lines);
    environment
}

fn format_value(
    output: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let text = text_of(value).map_err(|noun| {
        let kind = if value.is_undefined() {
            ErrorKind::UndefinedError
        } else {
            ErrorKind::InvalidOperation
        };
        minijinja::Error::new(kind, format!("{noun} stands where text is meant"))
    })?;
    output.write_str(&text).map_err(minijinja::Error::from)
}

/// A value as text: text as it is, numbers and booleans as JSON writes them.
///
/// # Errors
/// What the value is, when it is no text.
pub fn text_of(value: &Value) -> Result<String, &'static str> {
    match value.kind() {
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::None => Err("null"),
        ValueKind::Undefined => Err("an undefined value"),
        ValueKind::Map => Err("a map"),
        ValueKind::Seq | ValueKind::Iterable => Err("a list"),
        _ => Err("a value that is no text"),
    }
}

fn from_json(text: &str) -> Result<Value, minijinja::Error> {
    serde_json::from_str(text)
        .map(|value| value_of(&value))
        .map_err(|error| {
            minijinja::Error::new(
                ErrorKind::InvalidOperation,
                format!("`fromjson`: not JSON: {error}"),
            )
        })
}

fn zip(left: &Value, right: &Value) -> Result<Value, minijinja::Error> {
    let left: Vec<Value> = left.try_iter()?.collect();
    let right: Vec<Value> = right.try_iter()?.collect();
    if left.len() != right.len() {
        let detail = format!(
            "`zip`: the lists have {} and {} items",
            left.len(),
            right.len()
        );
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, detail));
    }
    Ok(left
        .into_iter()
        .zip(right)
        .map(|(left, right)| Value::from(vec![left, right]))
        .collect())
}

fn split_lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// JSON as a template's value. A number whose digits a double would change is text, marked as safe,
/// which nothing else here is: [`json_of`] makes it a number again.
pub fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => number_of(&number.to_string()),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(value_of).collect(),
        serde_json::Value::Object(entries) => Value::from_pairs(
            entries
                .iter()
                .map(|(key, value)| (key.as_str(), value_of(value))),
        ),
    }
}

fn number_of(digits: &str) -> Value {
    if let Ok(integer) = digits.parse::<i128>() {
        return i64::try_from(integer).map_or_else(|_| Value::from(integer), Value::from);
    }
    match digits.parse::<f64>() {
        Ok(float) if Value::from(float).to_string() == digits => Value::from(float),
        _ => Value::from_safe_string(digits.to_owned()),
    }
}

/// A template's value as JSON, numbers with all the digits that they had in JSON.
pub fn json_of(value: &Value) -> serde_json::Value {
    let items = |value: &Value| value.try_iter().map(|items| items.collect::<Vec<_>>());
    let json = match value.kind() {
        ValueKind::String if value.is_safe() => digits_of(value).map(serde_json::Value::Number),
        ValueKind::Seq | ValueKind::Iterable => items(value)
            .ok()
            .map(|items| items.iter().map(json_of).collect()),
        ValueKind::Map => items(value).ok().map(|keys| {
            let entry = |key: &Value| {
                let item = value.get_item(key).unwrap_or_default();
                (key.to_string(), json_of(&item))
            };
            serde_json::Value::Object(keys.iter().map(entry).collect())
        }),
        _ => None,
    };
    json.unwrap_or_else(|| serde_json::to_value(value).unwrap_or(serde_json::Value::Null))
}

/// The number that a text stands for because a double would change its digits.
fn digits_of(text: &Value) -> Option<serde_json::Number> {
    let digits = text.as_str()?;
    let is_plain = number_of(digits).kind() == ValueKind::Number;
    if is_plain {
        return None;
    }
    serde_json::from_str(digits).ok()
}

#[cfg(test)]
mod tests {
    use minijinja::value::Value;

    use super::{TemplateSet, value_of};

    fn render(text: &str, scope: serde_json::Value) -> Result<String, String> {
        let mut set = TemplateSet::default();
        let id = set.template(text).map_err(|error| error.message)?;
        set.finish()
            .text(&id, &value_of(&scope))
            .map_err(|error| error.message)
    }

    #[test]
    fn numbers_and_booleans_are_their_json_text() {
        let scope = serde_json::from_str(
            r#"{"a": 1.10, "b": true, "c": 12345678901234567890123456789012345678901, "d": 2}"#,
        )
        .unwrap();
        assert_eq!(
            render("{{ a }} {{ b }} {{ c }} {{ d + 1 }}", scope).unwrap(),
            "1.10 true 12345678901234567890123456789012345678901 3"
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for scope in [
            serde_json::json!({"a": [1]}),
            serde_json::json!({"a": null}),
            serde_json::json!({"a": {}}),
            serde_json::json!({}),
        ] {
            assert!(render("{{ a }}", scope).is_err());
        }
    }

    #[test]
    fn what_is_inserted_is_not_rendered_again_and_newlines_stay() {
        assert_eq!(
            render("{{ a }}\n", serde_json::json!({"a": "{{ b }}"})).unwrap(),
            "{{ b }}\n"
        );
    }

    #[test]
    fn methods_of_python_are_known() {
        let scope = serde_json::json!({"id": "HumanEval/12", "why": {"a": 1}});
        let text = "{{ id.split('/')[1] }} {{ why.get('b', 'none') }} {{ id.lower() }}";
        assert_eq!(render(text, scope).unwrap(), "12 none humaneval/12");
    }

    #[test]
    fn expressions_are_typed_and_lists_zip() {
        let mut set = TemplateSet::default();
        let id = set.expression("row.a | zip(row.b)").unwrap();
        let names = set.names(&id);
        assert!(
            names.contains("row.a") && names.contains("row.b"),
            "{names:?}"
        );
        let templates = set.finish();
        let scope = value_of(&serde_json::json!({"row": {"a": [1, 2], "b": ["x", "y"]}}));
        let zipped: Vec<Value> = templates
            .value(&id, &scope)
            .unwrap()
            .try_iter()
            .unwrap()
            .collect();
        assert_eq!(
            zipped,
            [
                value_of(&serde_json::json!([1, "x"])),
                value_of(&serde_json::json!([2, "y"]))
            ]
        );
        let uneven = value_of(&serde_json::json!({"row": {"a": [1], "b": []}}));
        assert!(
            templates
                .value(&id, &uneven)
                .unwrap_err()
                .message
                .contains("1 and 0 items")
        );
    }
}
