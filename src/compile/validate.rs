//! What can be said of keys before anything runs, beyond their form.

use super::cases::Compiler;
use super::plan::{CasePlan, Requirement};
use super::{expectations, matrix};
use crate::diagnostic::Diagnostic;
use crate::evaluator::Need;
use crate::evaluator::aggregate::Aggregate;
use crate::evaluator::code::CodeRule;
use crate::source::{Span, Spanned};
use crate::syntax::argument::Argument;
use crate::syntax::checks::CheckSpec;
use crate::syntax::expect::Subjects;
use crate::syntax::matcher::{Matcher as Written, Pairs};
use crate::syntax::model::{ModelChoice, ModelSpec};
use crate::syntax::suite::{Condition, DatasetSpec, Keys, ReplySpec, RequireSpec, SamplesSpec};
use crate::syntax::test_code::{Call, Outcome, Test};
use crate::syntax::value::Content;

/// The metrics that no check may be named after.
const METRICS: &[&str] = &[
    "extracted_code",
    "expected_output",
    "execution_result",
    "output_match",
    "stderr",
    "exit_code",
    "error",
    "files",
    "stdin_cases",
    "tests",
    "duration",
    "memory",
];

/// The names that templates have of themselves.
pub(super) const TAKEN: &[&str] = &["row", "code", "case", "language", "item"];

/// Keys that must fit each other.
pub(super) fn keys(keys: &Keys, compiler: &mut Compiler<'_>) {
    let models = keys.model.iter().flat_map(|models| &models.0.0);
    models.for_each(|model| choice_of_model(model, compiler));
    let has_models = matrix::has_models(keys);
    if let (Some(reply), Some(_), false) = (&keys.reply, &keys.model, has_models) {
        compiler.report(
            Diagnostic::at(reply.span, "`reply` stands beside `model`")
                .help("write one of the two"),
        );
    }
    if let Some(messages) = keys
        .messages
        .as_ref()
        .filter(|messages| messages.value.is_empty())
    {
        compiler.report(Diagnostic::at(
            messages.span,
            "`messages` is empty: nothing would be asked",
        ));
    }
    for (name, value) in keys.vars.iter().flatten() {
        if TAKEN.contains(&name.as_str()) {
            compiler.report(taken(name, value.span));
        }
    }
    if let Some(written) = &keys.samples {
        samples(&written.value, compiler);
    }
    if let Some(written) = &keys.dataset {
        dataset(&written.value, compiler);
    }
    if let Some(ReplySpec::Samples(saved)) = keys.reply.as_ref().map(|reply| &reply.value)
        && keys.dataset.is_none()
    {
        compiler.report(
            Diagnostic::at(
                saved.join.span,
                "saved samples are joined with the rows of a `dataset`, and there is none",
            )
            .help("name the file of rows under `dataset`, or write the reply itself"),
        );
    }
    for (name, condition) in [("skip", &keys.skip), ("only", &keys.only)] {
        if let Some(condition) = condition
            && let Condition::Reason(reason) = &condition.value
            && ["", "true", "false", "yes", "no"].contains(&reason.trim().to_lowercase().as_str())
        {
            let message = format!("`{name}` is a reason, and `{reason}` is none");
            compiler.report(Diagnostic::at(condition.span, message).help(format!(
                "say why, such as `{name}: needs a GPU`, or leave the key out"
            )));
        }
    }
}

/// That a variable has a name which every template knows.
pub(super) fn taken(name: &str, span: Span) -> Diagnostic {
    let message = format!("`{name}` means something in every template, and no variable can");
    Diagnostic::at(span, message).help("give it another name")
}

/// A model that a case names.
pub(super) fn choice_of_model(model: &ModelChoice, compiler: &mut Compiler<'_>) {
    match model {
        ModelChoice::Name(name) => {
            compiler.uses("model", &name.value);
            if let Err(unknown) = compiler.rules.model(&name.value) {
                compiler.unknown(unknown, name.span);
            }
        }
        ModelChoice::Inline(written) => {
            model_errors(written)
                .into_iter()
                .for_each(|diagnostic| compiler.report(diagnostic));
        }
    }
}

/// What is wrong with a model.
pub(super) fn model_errors(model: &ModelSpec) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    if !["http://", "https://"]
        .iter()
        .any(|begin| model.url.value.starts_with(begin))
    {
        let message = format!("`{}` is no address", model.url.value);
        wrong.push(
            Diagnostic::at(model.url.span, message)
                .help("write one such as `http://localhost:8000/v1`"),
        );
    }
    if let Some(key) = &model.key_env {
        let is_name = !key.value.is_empty()
            && key.value.chars().all(|letter| {
                letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'
            });
        if !is_name {
            wrong.push(
                Diagnostic::at(key.span, "`key_env` is the name of a variable, in capitals")
                    .help("a key stands in no file: put it into a variable, such as `MODEL_KEY`"),
            );
        }
    }
    let bounds = [
        ("temperature", &model.temperature, 2.0),
        ("top_p", &model.top_p, 1.0),
    ];
    for (name, number, most) in bounds {
        if let Some(number) = number
            .as_ref()
            .filter(|number| !(0.0..=most).contains(&number.value))
        {
            wrong.push(Diagnostic::at(
                number.span,
                format!("`{name}` is between 0 and {most}"),
            ));
        }
    }
    wrong
}

fn samples(samples: &SamplesSpec, compiler: &mut Compiler<'_>) {
    if samples.n.value == 0 {
        compiler.report(Diagnostic::at(
            samples.n.span,
            "no samples: nothing would be scored",
        ));
    }
    let Some(need) = &samples.need else { return };
    match need.value {
        Need::Count(0) => compiler.report(
            Diagnostic::at(need.span, "no sample would have to pass")
                .help("write `any`, `all` or a number from 1 on"),
        ),
        Need::Count(count) if count > samples.n.value => {
            let message = format!("{count} of {} samples cannot pass", samples.n.value);
            compiler.report(Diagnostic::at(need.span, message));
        }
        _ => {}
    }
}

fn dataset(dataset: &DatasetSpec, compiler: &mut Compiler<'_>) {
    if let Some(limit) = dataset.limit.as_ref().filter(|limit| limit.value == 0) {
        compiler.report(Diagnostic::at(limit.span, "no row would count"));
    }
    let is_shuffled = dataset
        .shuffle
        .as_ref()
        .is_some_and(|shuffle| shuffle.value);
    if let (Some(seed), false) = (&dataset.seed, is_shuffled) {
        compiler.report(
            Diagnostic::at(seed.span, "`seed` stands without `shuffle: true`")
                .help("a seed makes a random order repeatable: write both, or neither"),
        );
    }
}

/// An extractor that is written in a case.
pub(super) fn extractor(rule: &CodeRule, keys: &Keys, compiler: &mut Compiler<'_>) {
    let Some(code) = &keys.code else { return };
    if let Some(diagnostic) = files_of_rule(rule, code.span) {
        compiler.report(diagnostic);
    }
    let main = rule.files.and(rule.main.as_ref());
    let given = keys.files.iter().flat_map(|Pairs(files)| files);
    for (path, _) in given.filter(|(path, _)| Some(&path.value) == main) {
        let message = format!("`{}` is the file of the reply that runs", path.value);
        compiler.report(
            Diagnostic::at(path.span, message).help("give this one, or `main`, another name"),
        );
    }
}

/// What is wrong with how an extractor tells files.
pub(super) fn files_of_rule(rule: &CodeRule, span: Span) -> Option<Diagnostic> {
    match (rule.files, &rule.main) {
        (Some(_), None) => Some(
            Diagnostic::at(span, "the key `main` is missing")
                .help("name the file that runs: `main: main.py`"),
        ),
        (None, Some(_)) => Some(
            Diagnostic::at(span, "`main` stands without `files`")
                .help("several files are `{files: by_name, main: …}`"),
        ),
        (Some(_), Some(main)) if !super::cases::is_inside(main) => Some(Diagnostic::at(
            span,
            format!("`{main}` is no path in the program's directory"),
        )),
        _ => None,
    }
}

/// What fits together, and what not, of what is looked at.
pub(super) fn subjects(subjects: &Subjects, keys: &Keys, compiler: &mut Compiler<'_>) {
    if let Some(Written::Value(code)) = subjects.exit_code.as_ref().map(|code| &code.value)
        && let Content::Template(text) = &code.value
        && !text.contains('{')
    {
        let number = text.trim().parse::<i64>();
        let (message, help) = match &number {
            Err(_) => (
                format!("the exit code `{text}` is no whole number"),
                "write one such as `1`, or a matcher such as `{not: 0}`",
            ),
            Ok(number) => (
                format!("no program ends with the exit code {number}"),
                "exit codes are 0 to 255",
            ),
        };
        if !number.is_ok_and(|number| (0..=255).contains(&number)) {
            compiler.report(Diagnostic::at(code.span, message).help(help));
        }
    }
    let files = subjects.files.as_ref();
    let files = files.map(|files| ("files", files.value.0.is_empty(), files.span));
    let checks = subjects.checks.as_ref();
    let checks = checks.map(|checks| ("checks", checks.value.0.is_empty(), checks.span));
    for (name, is_empty, span) in files.into_iter().chain(checks) {
        if is_empty {
            let message = format!("`{name}` is empty: nothing would be tested");
            compiler.report(Diagnostic::at(span, message));
        }
    }
    for (path, _) in subjects.files.iter().flat_map(|files| &files.value.0) {
        if !super::cases::is_inside(&path.value) {
            compiler.report(super::cases::outside(path));
        }
    }
    for (name, written) in subjects.checks.iter().flat_map(|checks| &checks.value.0) {
        if METRICS.contains(&name.value.as_str()) {
            let message = format!(
                "`{}` is a metric of its own, and no name for a check",
                name.value
            );
            compiler.report(Diagnostic::at(name.span, message));
        }
        check(name, &written.value, compiler);
        let mut matchers = written.value.matchers.iter();
        if let Some(span) = matchers.find_map(expectations::takes_reference) {
            compiler.report(
                Diagnostic::at(
                    span,
                    "a check compares with nothing that the reference leaves",
                )
                .help("write it under a subject, such as `output: {from: reference}`"),
            );
        }
    }
    for test in subjects.tests.iter().flat_map(|tests| &tests.value.code) {
        if let Test::Call(written) = test {
            call(written, compiler);
        }
    }
    let is_graded = subjects.stdin_cases.is_some() || subjects.tests.is_some();
    let credit = subjects
        .credit
        .as_ref()
        .map(|credit| ("credit", credit.span));
    let stop = subjects.stop.as_ref().map(|stop| ("stop", stop.span));
    for (name, span) in credit.into_iter().chain(stop).filter(|_| !is_graded) {
        let message = format!("`{name}` belongs to `stdin_cases` or `tests`, and there are none");
        compiler.report(Diagnostic::at(span, message));
    }
    let error = subjects.error.as_ref();
    if let Some(span) = error.and_then(expectations::takes_reference) {
        compiler.report(
            Diagnostic::at(
                span,
                "the reference has no error: one that ends with one is bad",
            )
            .help("name the exception, such as `error: ValueError`"),
        );
    }
    let from = super::expectations::from_reference(subjects);
    if let (Some(span), None) = (from, &keys.reference) {
        compiler.report(
            Diagnostic::at(span, "`from: reference` stands without a `reference`")
                .help("write the trusted program under `reference: {code: …}`"),
        );
    }
    if let (None, Some(reference)) = (from, &keys.reference) {
        compiler.report(
            Diagnostic::at(reference.span, "nothing is compared with the reference")
                .help("write `expect: {output: {from: reference}}`"),
        );
    }
}

fn check(name: &Spanned<String>, check: &CheckSpec, compiler: &mut Compiler<'_>) {
    let asks = !check.matchers.is_empty()
        || check.max_lines.is_some()
        || check.max_chars.is_some()
        || check.empty.is_some();
    match (&check.command, asks) {
        (Some(command), false) if command.value.is_empty() => {
            compiler.report(
                Diagnostic::at(command.span, "the command is empty")
                    .help("write its words, such as `[./check.py]`"),
            );
        }
        (Some(command), true) => compiler.report(
            Diagnostic::at(command.span, "`command` stands beside other rules")
                .help("give it a check of its own"),
        ),
        (None, false) => compiler.report(
            Diagnostic::at(
                name.span,
                format!("the check `{}` asks nothing", name.value),
            )
            .help("write a rule such as `max_lines: 40` or `not: {contains: eval}`"),
        ),
        (None, true) if check.of.is_none() => compiler.report(
            Diagnostic::at(
                name.span,
                format!("the check `{}` does not say what it looks at", name.value),
            )
            .help("write `of: code`, `reply`, `stdout` or `stderr`"),
        ),
        _ => {}
    }
}

fn call(call: &Call, compiler: &mut Compiler<'_>) {
    if !expectations::is_dotted_name(&call.call.value) {
        let message = format!("`{}` is no name of a function", call.call.value);
        compiler.report(
            Diagnostic::at(call.call.span, message)
                .help("write the name alone; arguments stand under `args` and `kwargs`"),
        );
    }
    let is_list = |args: &Argument| matches!(args, Argument::List(_));
    if let Some(args) = call
        .args
        .as_ref()
        .filter(|args| !is_list(&args.value) && args.value.expression().is_none())
    {
        compiler.report(
            Diagnostic::at(args.span, "`args` is no list of arguments")
                .help("one argument is a list too: `args: [5]`"),
        );
    }
    if let Some(kwargs) = call
        .kwargs
        .as_ref()
        .filter(|kwargs| !matches!(kwargs.value, Argument::Map(_)))
    {
        compiler.report(
            Diagnostic::at(kwargs.span, "`kwargs` is no map from names to values")
                .help("write one such as `{base: 2}`; arguments without a name stand under `args`"),
        );
    }
    if let Outcome::Raises(exception) = &call.outcome
        && exception.value.trim().is_empty()
    {
        compiler.report(
            Diagnostic::at(exception.span, "the exception has no name")
                .help("write one such as `ValueError`"),
        );
    }
}

/// What the suite as a whole must reach, which can be reached.
pub(super) fn require(
    require: &Spanned<RequireSpec>,
    cases: &[CasePlan],
    compiler: &mut Compiler<'_>,
) -> Vec<Requirement> {
    if require.value.0.is_empty() {
        compiler.report(
            Diagnostic::at(require.span, "`require` names nothing")
                .help("write what must be reached, such as `{pass@1: 0.6, mean: 0.8}`"),
        );
    }
    for (metric, bound) in &require.value.0 {
        if !(0.0..=1.0).contains(&bound.value) {
            compiler.report(Diagnostic::at(bound.span, "a score is between 0 and 1"));
        }
        let Aggregate::PassAt(count) = metric.value else {
            continue;
        };
        let short = cases.iter().find_map(|case| {
            let samples = case.samples()?;
            (samples < count).then_some((case, samples))
        });
        if let Some((case, samples)) = short {
            let message = format!(
                "`pass@{count}` needs {count} samples, and `{}` has {samples}",
                case.id
            );
            compiler.report(
                Diagnostic::at(metric.span, message).help(format!("write `samples: {count}`")),
            );
        }
    }
    let required = require.value.0.iter().map(|(metric, bound)| Requirement {
        aggregate: metric.value,
        least: bound.value,
        written_at: compiler.sources.line(metric.span),
    });
    required.collect()
}
