//! `expect` compiled, and rendered for a row: what is compared with what, by which comparator.

use std::sync::Arc;
use std::time::Duration;

use minijinja::value::Value;

use super::cases::Compiler;
use super::render::{Pick, Rendering, Text};
use super::tests::{self, TestDraft};
use super::{validate, warn};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::evaluator::compare::{Comparator, Expected as Wanted, Params};
use crate::evaluator::expected::ExpectedExtractor;
use crate::evaluator::rule_error::RuleError;
use crate::evaluator::{
    Against, Check, CheckCommand, CheckRule, CheckedText, Credit, Expectation, ExpectedText,
    FoundBy, InputCase, InputCases, Language, Matcher, Message, Origin as SaidBy, TextRule,
};
use crate::source::{Span, Spanned};
use crate::syntax::checks::{CheckSpec, Of};
use crate::syntax::expect::{Credit as CreditName, StdinCase, StdinCases, Stop, Subjects};
use crate::syntax::matcher::{Matcher as Written, NamedMatcher, Operand, Origin};
use crate::syntax::suite::Keys;
use crate::syntax::value::{Content, Typed};
use crate::template::{json_of, text_of, value_of};

/// The expectations of a case, and the metrics that they and those of later versions yield.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) list: Vec<Expected>,
    pub(super) metrics: Vec<String>,
}

/// One expectation before there is a row.
#[derive(Debug)]
pub(super) enum Expected {
    Output(Match),
    Stderr(Match),
    StdinCases {
        inputs: Inputs,
        credit: Credit,
        stops_at_failure: bool,
    },
    Tests(TestDraft),
    Runs,
    ExitCode(Match),
    Error(Match),
    Files(Vec<(String, Match)>),
    Duration(Duration),
    Memory(u64),
    Check {
        name: String,
        rule: Asked,
    },
}

/// What a check asks, before there is a row.
#[derive(Debug)]
pub(super) enum Asked {
    Text {
        of: CheckedText,
        matchers: Vec<Match>,
        max_lines: Option<u32>,
        max_chars: Option<u32>,
        empty: Option<bool>,
    },
    Command(CheckCommand),
}

/// How a text is judged, before there is a row.
#[derive(Debug)]
pub(super) enum Match {
    /// Compared by the case's comparator.
    Value(Text),
    /// Compared with what the prompt states.
    FromPrompt {
        extractor: Arc<ExpectedExtractor>,
        span: Span,
    },
    /// Compared with what the reference leaves, by the case's comparator.
    FromReference,
    Not(Box<Match>),
    Named {
        comparator: Arc<Comparator>,
        operand: Wants,
        span: Span,
    },
}

/// What a comparator compares with.
#[derive(Debug)]
pub(super) enum Wants {
    Text(Text),
    List(Vec<serde_json::Value>),
    Json(serde_json::Value),
}

/// Inputs, listed or made from a list.
#[derive(Debug)]
pub(super) enum Inputs {
    List(Vec<Input>),
    Each { each: Text, input: Box<Input> },
}

/// One input.
#[derive(Debug)]
pub(super) struct Input {
    stdin: Option<Text>,
    args: Vec<Text>,
    output: Match,
}

/// Compiles `expect`; absent, the output that the prompt states.
pub(super) fn compile(keys: &Keys, case: Span, compiler: &mut Compiler<'_>) -> Compiled {
    let Some(expect) = &keys.expect else {
        if keys.prompt.is_none() && keys.messages.is_none() {
            compiler.report(
                Diagnostic::at(case, "the case expects nothing, and there is no prompt that could state an output")
                    .help("write the expected output under `expect`, or `expect: {runs: true}` if running is enough"),
            );
        }
        return Compiled {
            list: from_prompt(None, case, compiler)
                .map(Expected::Output)
                .into_iter()
                .collect(),
            metrics: vec!["output_match".to_owned()],
        };
    };
    let subjects = &expect.value.subjects;
    let mut list = Vec::new();
    if let Some(output) = &subjects.output {
        list.extend(matcher(output, compiler).map(Expected::Output));
    }
    if let Some(stderr) = &subjects.stderr {
        list.extend(matcher(stderr, compiler).map(Expected::Stderr));
    }
    if let Some(cases) = &subjects.stdin_cases {
        list.extend(stdin_cases(&cases.value, subjects, compiler));
    }
    if let Some(written) = &subjects.tests {
        list.extend(tests::compile(written, subjects, compiler));
    }
    if let Some(runs) = &subjects.runs {
        if !runs.value {
            let help = "to expect a failure, name it: `exit_code` or `error`";
            compiler.report(Diagnostic::at(runs.span, "`runs` can only be `true`").help(help));
        }
        list.push(Expected::Runs);
    }
    if let Some(code) = &subjects.exit_code {
        list.extend(matcher(code, compiler).map(Expected::ExitCode));
    }
    if let Some(error) = &subjects.error {
        list.extend(matcher(error, compiler).map(Expected::Error));
    }
    if let Some(files) = &subjects.files {
        let files = files.value.0.iter().filter_map(|(path, content)| {
            matcher(content, compiler).map(|content| (path.value.clone(), content))
        });
        list.push(Expected::Files(files.collect()));
    }
    if let Some(duration) = &subjects.duration {
        list.push(Expected::Duration(duration.value.under.value.0));
    }
    if let Some(memory) = &subjects.memory {
        list.push(Expected::Memory(memory.value.under.value.0));
    }
    for (name, written) in subjects.checks.iter().flat_map(|checks| &checks.value.0) {
        list.extend(check(name, &written.value, compiler));
    }
    validate::subjects(subjects, keys, compiler);
    Compiled {
        metrics: metrics(subjects),
        list,
    }
}

/// The metrics that subjects yield, in the order in which they are judged.
fn metrics(subjects: &Subjects) -> Vec<String> {
    let named = [
        ("output_match", subjects.output.is_some()),
        ("stdin_cases", subjects.stdin_cases.is_some()),
        ("tests", subjects.tests.is_some()),
        ("execution_result", subjects.runs.is_some()),
        ("exit_code", subjects.exit_code.is_some()),
        ("error", subjects.error.is_some()),
        ("stderr", subjects.stderr.is_some()),
        ("files", subjects.files.is_some()),
        ("duration", subjects.duration.is_some()),
        ("memory", subjects.memory.is_some()),
    ];
    let checks = subjects.checks.iter().flat_map(|checks| &checks.value.0);
    named
        .into_iter()
        .filter(|(_, is_named)| *is_named)
        .map(|(name, _)| name.to_owned())
        .chain(checks.map(|(name, _)| name.value.clone()))
        .collect()
}

fn stdin_cases(
    written: &StdinCases,
    subjects: &Subjects,
    compiler: &mut Compiler<'_>,
) -> Option<Expected> {
    // What stands beside `each` is said of these inputs alone.
    let (credit, stop) = match written {
        StdinCases::Each(each) => (each.credit.as_ref(), each.stop.as_ref()),
        StdinCases::List(_) => (None, None),
    };
    let (credit, stops_at_failure) = graded((credit, stop), subjects, compiler);
    Some(Expected::StdinCases {
        inputs: inputs(written, compiler)?,
        credit,
        stops_at_failure,
    })
}

/// What of several units counts, and whether they end at the first failure; what is said of these units
/// goes before what is said of all.
pub(super) fn graded(
    own: (Option<&Spanned<CreditName>>, Option<&Spanned<Stop>>),
    subjects: &Subjects,
    compiler: &mut Compiler<'_>,
) -> (Credit, bool) {
    let credit = own.0.or(subjects.credit.as_ref());
    let stop = own.1.or(subjects.stop.as_ref());
    let credit = credit.map_or(Credit::All, |credit| match credit.value {
        CreditName::All => Credit::All,
        CreditName::Fraction => Credit::Fraction,
    });
    if let (Some(stop), Credit::Fraction) = (stop, credit) {
        let message =
            "`stop` stands beside `credit: fraction`, which counts what a stop would not run";
        compiler.report(Diagnostic::at(stop.span, message).help("write one of the two"));
    }
    let stops = stop.is_some_and(|stop| stop.value == Stop::FirstFailure);
    (credit, stops)
}

fn check(
    name: &Spanned<String>,
    written: &CheckSpec,
    compiler: &mut Compiler<'_>,
) -> Option<Expected> {
    let rule = match (&written.command, &written.of) {
        (Some(command), _) if compiler.is_of_row(command.span) => {
            let message = "a row to score runs no command: a suite or a preset may";
            compiler.report(Diagnostic::at(command.span, message));
            return None;
        }
        (Some(command), _) => {
            let words = command.value.iter().map(|word| word.value.clone());
            Asked::Command(CheckCommand {
                name: name.value.clone(),
                words: words.collect(),
                directory: compiler.sources.get(command.span.source).directory.clone(),
            })
        }
        (None, Some(of)) => Asked::Text {
            of: match of.value {
                Of::Code => CheckedText::Code,
                Of::Reply => CheckedText::Reply,
                Of::Stdout => CheckedText::Stdout,
                Of::Stderr => CheckedText::Stderr,
            },
            matchers: written
                .matchers
                .iter()
                .filter_map(|written| matcher(written, compiler))
                .collect(),
            max_lines: written.max_lines.as_ref().map(|most| most.value),
            max_chars: written.max_chars.as_ref().map(|most| most.value),
            empty: written.empty.as_ref().map(|empty| empty.value),
        },
        // Told by what checks the keys.
        (None, None) => return None,
    };
    Some(Expected::Check {
        name: name.value.clone(),
        rule,
    })
}

fn from_prompt(
    rule: Option<&Spanned<String>>,
    span: Span,
    compiler: &mut Compiler<'_>,
) -> Option<Match> {
    let name = rule.map_or("standard", |rule| rule.value.as_str());
    compiler.uses("expected-output", name);
    match compiler.rules.expected(name) {
        Ok(extractor) => Some(Match::FromPrompt {
            extractor: Arc::clone(extractor),
            span,
        }),
        Err(unknown) => {
            compiler.unknown(unknown, rule.map_or(span, |rule| rule.span));
            None
        }
    }
}

/// Where a matcher compares with what the reference leaves.
pub(super) fn takes_reference(matcher: &Spanned<Written>) -> Option<Span> {
    match &matcher.value {
        Written::From(source) if source.origin.value == Origin::Reference => {
            Some(source.origin.span)
        }
        Written::Not(inner) => takes_reference(inner),
        _ => None,
    }
}

/// Where something is compared with the output of the reference.
pub(super) fn from_reference(subjects: &Subjects) -> Option<Span> {
    let inputs = subjects.stdin_cases.as_ref().map(|cases| &cases.value);
    let outputs: Vec<_> = match inputs {
        Some(StdinCases::List(cases)) => cases.iter().map(|case| &case.output).collect(),
        Some(StdinCases::Each(each)) => vec![&each.output],
        None => Vec::new(),
    };
    let plain = [
        &subjects.output,
        &subjects.stderr,
        &subjects.exit_code,
        &subjects.error,
    ];
    let files = subjects.files.iter().flat_map(|files| &files.value.0);
    let mut all = plain
        .into_iter()
        .flatten()
        .chain(outputs)
        .chain(files.map(|(_, matcher)| matcher));
    all.find_map(takes_reference)
}

/// A matcher compiled; none where it is wrong.
pub(super) fn matcher(written: &Spanned<Written>, compiler: &mut Compiler<'_>) -> Option<Match> {
    match &written.value {
        Written::Value(content) => compiler.text(content).map(Match::Value),
        Written::From(source) => match source.origin.value {
            Origin::Prompt => from_prompt(source.rule.as_ref(), source.origin.span, compiler),
            Origin::Reference => Some(Match::FromReference),
        },
        Written::Not(inner) => matcher(inner, compiler).map(|inner| Match::Not(Box::new(inner))),
        Written::Named(named) => by_comparator(named, compiler),
    }
}

fn by_comparator(written: &NamedMatcher, compiler: &mut Compiler<'_>) -> Option<Match> {
    let comparator = compiler.comparator(&written.comparator, &written.params)?;
    let span = written.value.span;
    let operand = match &written.value.value {
        Operand::Content(Content::Expression(text)) if text.span == Span::default() => {
            Wants::Text(compiler.expression(&Spanned::new(text.value.clone(), span))?)
        }
        Operand::Content(Content::Literal(text)) if text.span == Span::default() => {
            Wants::Text(Text::Fixed(Spanned::new(text.value.clone(), span)))
        }
        Operand::Content(content) => {
            Wants::Text(compiler.text(&Spanned::new(content.clone(), span))?)
        }
        Operand::List(items) => Wants::List(items.iter().map(|Typed(item)| item.clone()).collect()),
        Operand::Map(Typed(json)) => Wants::Json(json.clone()),
    };
    match &operand {
        Wants::Text(Text::Fixed(text)) => {
            if let Some(why) = comparator.matches_nothing(&text.value) {
                compiler.report(Diagnostic::at(text.span, why));
            }
            warn::pattern(&comparator, text, compiler);
        }
        Wants::List(items) if comparator.takes_list() && items.is_empty() => {
            let message = "no alternative is given: nothing could match";
            compiler.report(Diagnostic::at(span, message));
        }
        Wants::List(_) | Wants::Json(_)
            if !comparator.takes_list() && !comparator.takes_values() =>
        {
            let message = format!(
                "`{}` compares with text, and this is none",
                comparator.name()
            );
            compiler.report(Diagnostic::at(span, message).help(
                "write text, or take a matcher of values: `json`, `literal`, `unordered`, `one_of`",
            ));
        }
        Wants::Text(_) | Wants::List(_) | Wants::Json(_) => {}
    }
    Some(Match::Named {
        comparator,
        operand,
        span,
    })
}

fn inputs(written: &StdinCases, compiler: &mut Compiler<'_>) -> Option<Inputs> {
    match written {
        StdinCases::List(cases) => {
            let inputs: Vec<Input> = cases
                .iter()
                .filter_map(|case| input(case, compiler))
                .collect();
            (inputs.len() == cases.len()).then_some(Inputs::List(inputs))
        }
        StdinCases::Each(written) => {
            let each = compiler.text(&written.each)?;
            let case = StdinCase {
                stdin: written.stdin.clone(),
                args: written.args.clone(),
                output: written.output.clone(),
            };
            let input = compiler.with_names(&["item"], |compiler| input(&case, compiler))?;
            Some(Inputs::Each {
                each,
                input: Box::new(input),
            })
        }
    }
}

fn input(case: &StdinCase, compiler: &mut Compiler<'_>) -> Option<Input> {
    let stdin = match &case.stdin {
        Some(stdin) => Some(compiler.text(stdin)?),
        None => None,
    };
    let args: Vec<Text> = case
        .args
        .iter()
        .filter_map(|arg| compiler.text(arg))
        .collect();
    let output = matcher(&case.output, compiler)?;
    (args.len() == case.args.len()).then_some(Input {
        stdin,
        args,
        output,
    })
}

/// A comparator with the parameters an author gives it.
pub(super) fn with_params(
    comparator: Arc<Comparator>,
    params: &[(Spanned<String>, Typed)],
    compiler: &mut Compiler<'_>,
) -> Option<Arc<Comparator>> {
    if params.is_empty() {
        return Some(comparator);
    }
    let at = |name: Option<&String>| {
        params
            .iter()
            .find(|(key, _)| Some(&key.value) == name)
            .or(params.first())
            .map_or(Span::default(), |(key, _)| key.span)
    };
    for (key, _) in params {
        if !Params::NAMES.contains(&key.value.as_str()) {
            let help = did_you_mean(&key.value, Params::NAMES.iter().copied());
            compiler.report(
                Diagnostic::at(key.span, format!("unknown parameter `{}`", key.value))
                    .maybe_help(help),
            );
            return None;
        }
    }
    let mut object = serde_json::Map::new();
    for (key, Typed(value)) in params {
        let alone = serde_json::Value::from_iter([(key.value.clone(), value.clone())]);
        if let Err(error) = serde_json::from_value::<Params>(alone) {
            compiler.report(wrong_parameter(key, value, &error.to_string()));
            return None;
        }
        object.insert(key.value.clone(), value.clone());
    }
    let parsed: Params = match serde_json::from_value(object.into()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let message = error.to_string();
            let named = params
                .iter()
                .map(|(key, _)| &key.value)
                .find(|name| message.contains(&format!("`{name}`")));
            compiler.report(Diagnostic::at(at(named), message));
            return None;
        }
    };
    match comparator.with(&parsed) {
        Ok(comparator) => Some(Arc::new(comparator)),
        Err(errors) => {
            for error in errors {
                compiler.report(
                    Diagnostic::at(at(error.path.first()), error.message).maybe_help(error.help),
                );
            }
            None
        }
    }
}

/// A parameter that takes no such value, told by what serde says of it.
fn wrong_parameter(key: &Spanned<String>, value: &serde_json::Value, error: &str) -> Diagnostic {
    let shown = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let message = format!("the parameter `{}` cannot be `{shown}`", key.value);
    let (_, wanted) = error.split_once("expected ").unwrap_or_default();
    let help = if error.starts_with("unknown variant") {
        // "one of `items`, `lines`", "`lines` or `tokens`"
        did_you_mean(&shown, wanted.split('`').skip(1).step_by(2))
    } else {
        match wanted {
            "a boolean" => Some("write `true` or `false`".to_owned()),
            "f64" => Some("write a number such as `0.01`".to_owned()),
            _ => None,
        }
    };
    Diagnostic::at(key.span, message).maybe_help(help)
}

/// Renders the expectations of a row.
pub(super) fn render(
    expected: &[Expected],
    compare: &Pick<Arc<Comparator>>,
    messages: &[Message],
    language: &Language,
    case: Span,
    rendering: &Rendering<'_>,
) -> Result<Vec<Expectation>, Diagnostic> {
    let comparator = match compare {
        Pick::Fixed(comparator) => Arc::clone(comparator),
        Pick::PerRow(text) => {
            let name = rendering.text(text)?;
            let found = rendering.rules.comparator(&name).cloned();
            found.map_err(|unknown| {
                rendering
                    .problem(text.span(), unknown.message)
                    .maybe_help(unknown.help)
            })?
        }
    };
    let context = Context {
        comparator,
        messages,
    };
    expected
        .iter()
        .map(|expected| {
            Ok(match expected {
                Expected::Output(output) => {
                    Expectation::Output(context.matcher(output, rendering)?)
                }
                Expected::ExitCode(code) => {
                    Expectation::ExitCode(context.matcher(code, rendering)?)
                }
                Expected::Error(error) => Expectation::Error(context.matcher(error, rendering)?),
                Expected::Stderr(stderr) => {
                    Expectation::Stderr(context.matcher(stderr, rendering)?)
                }
                Expected::Runs => Expectation::Runs,
                Expected::StdinCases {
                    inputs,
                    credit,
                    stops_at_failure,
                } => Expectation::StdinCases(InputCases {
                    cases: context.inputs(inputs, rendering)?.into(),
                    credit: *credit,
                    stops_at_failure: *stops_at_failure,
                }),
                Expected::Files(files) => {
                    let files = files.iter().map(|(path, content)| {
                        Ok((path.clone(), context.matcher(content, rendering)?))
                    });
                    Expectation::Files(files.collect::<Result<_, Diagnostic>>()?)
                }
                Expected::Duration(under) => Expectation::Duration(*under),
                Expected::Memory(under) => Expectation::Memory(*under),
                Expected::Check { name, rule } => Expectation::Check(Check {
                    name: name.clone(),
                    rule: context.check(rule, rendering)?,
                }),
                Expected::Tests(tests) => {
                    Expectation::Tests(tests.render(case, language, messages, rendering)?)
                }
            })
        })
        .collect()
}

struct Context<'a> {
    comparator: Arc<Comparator>,
    messages: &'a [Message],
}

impl Context<'_> {
    fn check(&self, asked: &Asked, rendering: &Rendering<'_>) -> Result<CheckRule, Diagnostic> {
        Ok(match asked {
            Asked::Command(command) => CheckRule::Command(command.clone()),
            Asked::Text {
                of,
                matchers,
                max_lines,
                max_chars,
                empty,
            } => CheckRule::Text(TextRule {
                of: *of,
                matchers: matchers
                    .iter()
                    .map(|matcher| self.matcher(matcher, rendering))
                    .collect::<Result<_, _>>()?,
                max_lines: *max_lines,
                max_chars: *max_chars,
                empty: *empty,
            }),
        })
    }

    fn matcher(&self, written: &Match, rendering: &Rendering<'_>) -> Result<Matcher, Diagnostic> {
        match written {
            Match::Value(text) => {
                let expected = ExpectedText {
                    text: rendering.text(text)?,
                    origin: SaidBy::Suite,
                };
                self.prepared(&self.comparator, expected, None, text.span(), rendering)
            }
            Match::FromReference => Ok(Matcher {
                against: Against::Reference(Arc::clone(&self.comparator)),
                negated: false,
                expected: ExpectedText {
                    text: String::new(),
                    origin: SaidBy::Reference,
                },
            }),
            Match::FromPrompt { extractor, span } => {
                let users = self
                    .messages
                    .iter()
                    .filter(|message| message.role == "user");
                let Some(stated) = users
                    .filter_map(|message| extractor.find(&message.content))
                    .next()
                else {
                    let (message, help) = match extractor.name() {
                        "standard" => (
                            "the case expects nothing, and its prompt states no output".to_owned(),
                            "write the expected output under `expect`, or state it in the prompt: `Expected output: 15`".to_owned(),
                        ),
                        name => (
                            format!("the extractor `{name}` finds no output in the prompt"),
                            format!("`rewardspec rules try expected-output --rule {name}` says what it passed over"),
                        ),
                    };
                    return Err(rendering.problem(*span, &message).maybe_help(Some(help)));
                };
                let expected = ExpectedText {
                    text: stated.value,
                    origin: SaidBy::Prompt(FoundBy {
                        rule: stated.rule,
                        extractor: Arc::clone(extractor),
                    }),
                };
                self.prepared(&self.comparator, expected, None, *span, rendering)
            }
            Match::Not(inner) => {
                let matcher = self.matcher(inner, rendering)?;
                Ok(Matcher {
                    negated: !matcher.negated,
                    ..matcher
                })
            }
            Match::Named {
                comparator,
                operand,
                span,
            } => match operand {
                Wants::Text(text @ Text::Expression { .. }) => {
                    let value = rendering.value(text)?;
                    match json_of(&value) {
                        serde_json::Value::Array(items) => {
                            self.listed(comparator, &items, *span, rendering)
                        }
                        json @ serde_json::Value::Object(_) => {
                            self.json(comparator, &json, *span, rendering)
                        }
                        _ => self.one(comparator, rendering.text(text)?, *span, rendering),
                    }
                }
                Wants::Text(text) => self.one(comparator, rendering.text(text)?, *span, rendering),
                Wants::List(items) => self.listed(comparator, items, *span, rendering),
                Wants::Json(json) => self.json(comparator, json, *span, rendering),
            },
        }
    }

    fn one(
        &self,
        comparator: &Arc<Comparator>,
        text: String,
        span: Span,
        rendering: &Rendering<'_>,
    ) -> Result<Matcher, Diagnostic> {
        self.prepared(
            comparator,
            ExpectedText {
                text,
                origin: SaidBy::Suite,
            },
            None,
            span,
            rendering,
        )
    }

    fn json(
        &self,
        comparator: &Arc<Comparator>,
        json: &serde_json::Value,
        span: Span,
        rendering: &Rendering<'_>,
    ) -> Result<Matcher, Diagnostic> {
        self.one(comparator, json.to_string(), span, rendering)
    }

    /// A list is alternatives where the comparator takes them, and JSON text everywhere else.
    fn listed(
        &self,
        comparator: &Arc<Comparator>,
        items: &[serde_json::Value],
        span: Span,
        rendering: &Rendering<'_>,
    ) -> Result<Matcher, Diagnostic> {
        let json = serde_json::Value::Array(items.to_vec());
        if !comparator.takes_list() {
            return self.json(comparator, &json, span, rendering);
        }
        let texts: Vec<String> = items
            .iter()
            .map(|item| {
                text_of(&value_of(item)).map_err(|noun| {
                    rendering.problem(span, format!("{noun} stands where text is meant"))
                })
            })
            .collect::<Result<_, _>>()?;
        let expected = ExpectedText {
            text: texts.join("` or `"),
            origin: SaidBy::Suite,
        };
        self.prepared(comparator, expected, Some(texts), span, rendering)
    }

    fn prepared(
        &self,
        comparator: &Arc<Comparator>,
        expected: ExpectedText,
        alternatives: Option<Vec<String>>,
        span: Span,
        rendering: &Rendering<'_>,
    ) -> Result<Matcher, Diagnostic> {
        let wanted = match alternatives {
            Some(list) => Wanted::List(list),
            None => Wanted::Text(expected.text.clone()),
        };
        let prepared = comparator
            .prepare(&wanted)
            .map_err(|errors| match errors.first() {
                Some(error) => rendering.within(span, &expected.text, error),
                None => rendering.problem(span, "the comparator takes no such value"),
            })?;
        Ok(Matcher {
            against: Against::Known(prepared),
            negated: false,
            expected,
        })
    }

    fn inputs(
        &self,
        inputs: &Inputs,
        rendering: &Rendering<'_>,
    ) -> Result<Vec<InputCase>, Diagnostic> {
        match inputs {
            Inputs::List(list) => list
                .iter()
                .map(|input| self.input(input, rendering))
                .collect(),
            Inputs::Each { each, input } => {
                let value = rendering.value(each)?;
                let items = value
                    .try_iter()
                    .map_err(|_| rendering.problem(each.span(), "`each` is no list"))?;
                let cases = items
                    .enumerate()
                    .map(|(index, item)| {
                        self.input(input, &rendering.with("item", indexed(&item, index)))
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                if cases.is_empty() {
                    return Err(rendering.problem(
                        each.span(),
                        "`each` is an empty list: nothing would be tested",
                    ));
                }
                Ok(cases)
            }
        }
    }

    fn input(&self, input: &Input, rendering: &Rendering<'_>) -> Result<InputCase, Diagnostic> {
        Ok(InputCase {
            stdin: input
                .stdin
                .as_ref()
                .map_or(Ok(String::new()), |stdin| rendering.text(stdin))?,
            args: input
                .args
                .iter()
                .map(|arg| rendering.text(arg))
                .collect::<Result<_, _>>()?,
            output: self.matcher(&input.output, rendering)?,
        })
    }
}

/// The entry point and the names of calls are put into code by the runners: nothing but a name may be.
pub(super) fn is_dotted_name(name: &str) -> bool {
    name.split('.').all(|part| {
        !part.is_empty()
            && part
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$')
            && !part.starts_with(|letter: char| letter.is_ascii_digit())
    })
}

/// An item with its index, where it is a map.
fn indexed(item: &Value, index: usize) -> Value {
    if item.kind() == minijinja::value::ValueKind::Map {
        minijinja::context! { index => index, ..item.clone() }
    } else {
        item.clone()
    }
}

impl Rendering<'_> {
    /// A comparator's complaint about what it is to compare with, the caret inside it.
    fn within(&self, span: Span, text: &str, error: &RuleError) -> Diagnostic {
        let span = error
            .at
            .clone()
            .map_or(span, |at| self.place(span, text, at));
        self.problem(span, error.message.clone())
            .maybe_help(error.help.clone())
    }
}
