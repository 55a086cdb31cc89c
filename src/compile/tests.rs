//! `tests` compiled, and rendered for a row: texts and calls.

use super::cases::Compiler;
use super::expectations::{self, Expected, is_dotted_name};
use super::render::{Rendering, Text};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::evaluator::code::prelude;
use crate::evaluator::{Call, CallValue, Credit, Language, Message, Outcome, Place, TestCode};
use crate::reward::Judged;
use crate::source::{Span, Spanned};
use crate::syntax::argument::Argument;
use crate::syntax::expect::Subjects;
use crate::syntax::test_code::{Call as WrittenCall, Outcome as WrittenOutcome, Test, Tests};
use crate::syntax::value::Content;
use crate::template::{json_of, text_of};

/// Tests before there is a row.
#[derive(Debug)]
pub(super) struct TestDraft {
    tests: Vec<OneDraft>,
    entry_point: Option<Text>,
    prelude: Option<Text>,
    /// Where they are to be judged, and where that is written, or else the first test is.
    judged: Option<Judged>,
    span: Span,
    credit: Credit,
    stops_at_failure: bool,
}

#[derive(Debug)]
enum OneDraft {
    /// A text, or an expression that yields texts and calls.
    Code(Text),
    Call(CallDraft),
}

#[derive(Debug)]
struct CallDraft {
    name: String,
    args: Option<Given>,
    kwargs: Option<Given>,
    outcome: OutcomeDraft,
}

#[derive(Debug)]
enum OutcomeDraft {
    Returns(Given),
    Raises(String),
}

/// A value of a call.
#[derive(Debug)]
enum Given {
    Value(CallValue),
    Expression(Text),
    /// Arguments, some of which are computed.
    List(Vec<Given>),
    Map(Vec<(String, Given)>),
}

/// Compiles tests; `credit` and `stop` of the whole `expect` are theirs unless they have their own.
pub(super) fn compile(
    written: &Spanned<Tests>,
    subjects: &Subjects,
    compiler: &mut Compiler<'_>,
) -> Option<Expected> {
    let (written, span) = (&written.value, written.span);
    let mut tests = Vec::new();
    for test in &written.code {
        tests.push(match test {
            Test::Code(text) => OneDraft::Code(compiler.text(text)?),
            Test::Call(call) => OneDraft::Call(self::call(call, compiler)?),
        });
    }
    let mut text =
        |written: &Option<Spanned<Content>>| written.as_ref().map(|text| compiler.text(text));
    let entry_point = text(&written.entry_point);
    let prelude = text(&written.prelude);
    let own = (written.credit.as_ref(), written.stop.as_ref());
    let (credit, stops_at_failure) = expectations::graded(own, subjects, compiler);
    Some(Expected::Tests(TestDraft {
        tests,
        entry_point: entry_point.unwrap_or_default(),
        prelude: prelude.unwrap_or_default(),
        judged: written.judged.as_ref().map(|judged| judged.value),
        span: written.judged.as_ref().map_or(span, |judged| judged.span),
        credit,
        stops_at_failure,
    }))
}

fn call(written: &WrittenCall, compiler: &mut Compiler<'_>) -> Option<CallDraft> {
    let mut given = |written: &Option<Spanned<Argument>>| match written {
        None => Some(None),
        Some(written) => arguments(&written.value, compiler).map(Some),
    };
    let args = given(&written.args)?;
    let kwargs = given(&written.kwargs)?;
    Some(CallDraft {
        name: written.call.value.clone(),
        args,
        kwargs,
        outcome: match &written.outcome {
            WrittenOutcome::Returns(value) => OutcomeDraft::Returns(one(&value.value, compiler)?),
            WrittenOutcome::Raises(name) => OutcomeDraft::Raises(name.value.clone()),
        },
    })
}

/// The arguments of a call; each may be computed.
fn arguments(written: &Argument, compiler: &mut Compiler<'_>) -> Option<Given> {
    if written.expression().is_some() {
        return one(written, compiler);
    }
    match written {
        Argument::List(items) => items
            .iter()
            .map(|item| one(&item.value, compiler))
            .collect::<Option<_>>()
            .map(Given::List),
        Argument::Map(entries) => entries
            .iter()
            .map(|(name, value)| Some((name.value.clone(), one(&value.value, compiler)?)))
            .collect::<Option<_>>()
            .map(Given::Map),
        _ => one(written, compiler),
    }
}

fn one(written: &Argument, compiler: &mut Compiler<'_>) -> Option<Given> {
    match written.expression() {
        Some(expression) => compiler.expression(&expression).map(Given::Expression),
        None => Some(Given::Value(value(written))),
    }
}

fn value(written: &Argument) -> CallValue {
    match written {
        Argument::Nothing => CallValue::Nothing,
        Argument::Bool(value) => CallValue::Bool(*value),
        Argument::Number(token) => CallValue::number(token),
        Argument::NotFinite(value) => CallValue::Float(value.to_string().to_lowercase()),
        Argument::Text(text) => CallValue::Text(text.clone()),
        Argument::List(items) => {
            CallValue::List(items.iter().map(|item| value(&item.value)).collect())
        }
        Argument::Map(entries) => CallValue::Map(
            entries
                .iter()
                .map(|(key, item)| (CallValue::Text(key.value.clone()), value(&item.value)))
                .collect(),
        ),
    }
}

impl TestDraft {
    /// The tests of a row; `case` is where the case is written.
    pub(super) fn render(
        &self,
        case: Span,
        language: &Language,
        messages: &[Message],
        rendering: &Rendering<'_>,
    ) -> Result<TestCode, Diagnostic> {
        let mut texts = Vec::new();
        let mut calls = Vec::new();
        for test in &self.tests {
            match test {
                OneDraft::Code(code) => add(code, rendering, &mut texts, &mut calls)?,
                OneDraft::Call(call) => calls.push(call.render(rendering)?),
            }
        }
        if calls.is_empty() && texts.iter().all(|text| text.trim().is_empty()) {
            return Err(rendering.problem(case, "the tests are empty: nothing would be tested"));
        }
        let place = Place::of(self.judged, !texts.is_empty(), language)
            .map_err(|(message, help)| rendering.problem(self.span, message).help(help))?;
        if let (Place::Apart(_), Some(word)) = (place, texts.iter().find_map(|text| reach(text))) {
            let message =
                format!("tests that use `{word}` cannot be judged apart from the program");
            let problem = rendering.problem(self.span, message);
            return Err(problem.help(Place::WRITE_BESIDE));
        }
        let entry_point = match &self.entry_point {
            None => None,
            Some(text) => {
                let name = rendering.text(text)?;
                if !is_dotted_name(&name) {
                    let message = format!("the entry point `{name}` is no name");
                    return Err(rendering.problem(text.span(), message));
                }
                Some(name)
            }
        };
        let prelude = match (&self.prelude, place, &entry_point) {
            (Some(text), ..) => Some(rendering.text(text)?),
            // Beside the program its own are in reach.
            (None, Place::Apart(_), Some(name)) => messages
                .iter()
                .rev()
                .find_map(|message| prelude(&message.content, name, &language.tags)),
            _ => None,
        };
        Ok(TestCode {
            texts,
            calls,
            entry_point,
            prelude_is_found: self.prelude.is_none(),
            prelude,
            place,
            credit: self.credit,
            stops_at_failure: self.stops_at_failure,
        })
    }
}

/// What a test reaches into the program with: it works on the process that it is in.
fn reach(text: &str) -> Option<&'static str> {
    const WORDS: [&str; 4] = ["monkeypatch", "capsys", "capfd", "mock.method"];
    let has = |word: &str| text.contains(word);
    if has("mock") && has("patch") {
        return Some("mock.patch");
    }
    WORDS.into_iter().find(|word| has(word))
}

/// Adds what a text yields: itself, or a list of texts and calls.
fn add(
    code: &Text,
    rendering: &Rendering<'_>,
    texts: &mut Vec<String>,
    calls: &mut Vec<Call>,
) -> Result<(), Diagnostic> {
    let value = rendering.value(code)?;
    let wrong = |message: String| rendering.problem(code.span(), message);
    match text_of(&value) {
        Ok(text) => texts.push(text),
        Err("a map") => calls.push(call_of(&json_of(&value)).map_err(wrong)?),
        Err("a list") => {
            for item in value.try_iter().into_iter().flatten() {
                match text_of(&item) {
                    Ok(text) => texts.push(text),
                    Err("a map") => calls.push(call_of(&json_of(&item)).map_err(wrong)?),
                    Err(noun) => {
                        return Err(wrong(format!("a test is {noun} where text is meant")));
                    }
                }
            }
        }
        Err(noun) => return Err(wrong(format!("the tests are {noun} where text is meant"))),
    }
    Ok(())
}

impl CallDraft {
    fn render(&self, rendering: &Rendering<'_>) -> Result<Call, Diagnostic> {
        let given = |given: &Option<Given>| {
            given
                .as_ref()
                .map(|given| given.render(rendering))
                .transpose()
        };
        let problem = |written: &Option<Given>, message| {
            let span = written.as_ref().map_or(Span::default(), Given::span);
            rendering.problem(span, message)
        };
        Ok(Call {
            name: self.name.clone(),
            args: list_of(given(&self.args)?).map_err(|message| problem(&self.args, message))?,
            kwargs: map_of(given(&self.kwargs)?)
                .map_err(|message| problem(&self.kwargs, message))?,
            outcome: match &self.outcome {
                OutcomeDraft::Returns(value) => Outcome::Returns(value.render(rendering)?),
                OutcomeDraft::Raises(name) => Outcome::Raises(name.clone()),
            },
        })
    }
}

impl Given {
    fn span(&self) -> Span {
        match self {
            Given::Expression(text) => text.span(),
            Given::Value(_) | Given::List(_) | Given::Map(_) => Span::default(),
        }
    }

    fn render(&self, rendering: &Rendering<'_>) -> Result<CallValue, Diagnostic> {
        Ok(match self {
            Given::Value(value) => value.clone(),
            Given::Expression(text) => CallValue::of_json(&json_of(&rendering.value(text)?)),
            Given::List(items) => CallValue::List(
                items
                    .iter()
                    .map(|item| item.render(rendering))
                    .collect::<Result<_, _>>()?,
            ),
            Given::Map(entries) => CallValue::Map(
                entries
                    .iter()
                    .map(|(name, item)| {
                        Ok((CallValue::Text(name.clone()), item.render(rendering)?))
                    })
                    .collect::<Result<_, Diagnostic>>()?,
            ),
        })
    }
}

fn list_of(args: Option<CallValue>) -> Result<Vec<CallValue>, String> {
    match args {
        None => Ok(Vec::new()),
        Some(CallValue::List(args)) => Ok(args),
        Some(_) => Err("`args` is no list of arguments".to_owned()),
    }
}

fn map_of(kwargs: Option<CallValue>) -> Result<Vec<(String, CallValue)>, String> {
    let wrong = || "`kwargs` is no map from names to values".to_owned();
    match kwargs {
        None => Ok(Vec::new()),
        Some(CallValue::Map(entries)) => entries
            .into_iter()
            .map(|(key, value)| match key {
                CallValue::Text(name) => Ok((name, value)),
                _ => Err(wrong()),
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

/// A call as a row holds it, with the keys that a suite's call has.
fn call_of(json: &serde_json::Value) -> Result<Call, String> {
    const KEYS: [&str; 5] = ["call", "args", "kwargs", "returns", "raises"];
    let no_call = || "a test is a map without `call`, and text or a call is meant".to_owned();
    let entries = json.as_object().ok_or_else(no_call)?;
    if let Some(unknown) = entries.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let nearest =
            did_you_mean(unknown, KEYS).map_or(String::new(), |nearest| format!(" ({nearest})"));
        return Err(format!("a call has no key `{unknown}`{nearest}"));
    }
    let name = match entries.get("call") {
        Some(serde_json::Value::String(name)) => name.clone(),
        Some(_) => return Err("the `call` of a test is no name of a function".to_owned()),
        None => return Err(no_call()),
    };
    if !is_dotted_name(&name) {
        return Err(format!("`{name}` is no name of a function"));
    }
    let value = |key: &str| entries.get(key).map(CallValue::of_json);
    let outcome = match (entries.get("returns"), entries.get("raises")) {
        (Some(returns), None) => Outcome::Returns(CallValue::of_json(returns)),
        (None, Some(serde_json::Value::String(raises))) if !raises.trim().is_empty() => {
            Outcome::Raises(raises.clone())
        }
        (None, Some(_)) => return Err(format!("the `raises` of a call of `{name}` is no name")),
        (Some(_), Some(_)) => return Err("a call returns or raises, not both".to_owned()),
        (None, None) => {
            return Err(format!("a call of `{name}` needs `returns` or `raises`"));
        }
    };
    Ok(Call {
        name,
        args: list_of(value("args").filter(|args| *args != CallValue::Nothing))?,
        kwargs: map_of(value("kwargs").filter(|kwargs| *kwargs != CallValue::Nothing))?,
        outcome,
    })
}
