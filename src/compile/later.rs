//! What the language has and this version does not run. It is validated like all else, and a case
//! that uses it is never run as if it were absent.

use crate::source::{Span, Spanned};
use crate::syntax::expect::{Credit, Subjects};
use crate::syntax::model::ModelChoice;
use crate::syntax::suite::{Choice, CodeSpec, Condition, Keys, Reuse, Tags, TimeOrExpression};
use crate::syntax::test_code::{Judged, Test, Tests};

/// What is used, and where.
struct Used(Vec<Spanned<String>>);

impl Used {
    fn note<T>(&mut self, what: &str, written: Option<&Spanned<T>>) {
        if let Some(written) = written {
            self.at(what, written.span);
        }
    }

    fn at(&mut self, what: &str, span: Span) {
        self.0.push(Spanned::new(what.to_owned(), span));
    }
}

/// What is said of it.
pub(super) fn message(what: &str) -> String {
    format!("`{what}` is not in this version")
}

/// What a case asks for that this version does not have.
pub(super) fn of_case(keys: &Keys) -> Vec<Spanned<String>> {
    let mut used = Used(Vec::new());
    used.note("matrix", keys.matrix.as_ref());
    used.note("only", keys.only.as_ref());
    if let (Some(models), None) = (&keys.model, &keys.reply) {
        let span = match models.0.0.first() {
            Some(ModelChoice::Name(name)) => name.span,
            Some(ModelChoice::Inline(model)) => model.url.span,
            None => Span::default(),
        };
        used.at("model", span);
    }
    if let Some(Tags::Expression(expression)) = &keys.tags {
        used.note("tags: {expr}", Some(expression));
    }
    if let Some(Spanned {
        value: Condition::Expression(expression),
        ..
    }) = &keys.skip
    {
        used.note("skip: {expr}", Some(expression));
    }
    if let Some(TimeOrExpression::Expression(expression)) = &keys.timeout {
        used.note("timeout: {expr}", Some(expression));
    }
    languages(keys, &mut used);
    if let Some(cloud) = &keys.e2b {
        used.note(
            "reuse: shared",
            cloud
                .reuse
                .as_ref()
                .filter(|reuse| reuse.value == Reuse::Shared),
        );
    }
    if let Some(Spanned {
        value: CodeSpec::Rule(rule),
        span,
    }) = &keys.code
        && rule.files.is_some()
    {
        used.at("code: files", *span);
    }
    if let Some(expect) = &keys.expect {
        subjects(&expect.value.subjects, &mut used);
    }
    used.0
}

fn languages(keys: &Keys, used: &mut Used) {
    let choices = keys
        .language
        .as_ref()
        .map_or(&[][..], |languages| &languages.0.0);
    for choice in choices {
        if let Choice::With(choice) = choice {
            used.note("preload", choice.preload.as_ref());
        }
    }
    if let [_, second, ..] = choices {
        let span = match second {
            Choice::Name(name) => Some(name.span),
            Choice::With(choice) => choice.name.as_ref().map(|name| name.span),
            Choice::Expression(expression) => Some(expression.span),
        };
        used.at("language: a list", span.unwrap_or_default());
    }
}

fn subjects(subjects: &Subjects, used: &mut Used) {
    if let Some(written) = &subjects.tests {
        tests(&written.value, used);
    }
}

fn partly(credit: Option<&Spanned<Credit>>, used: &mut Used) {
    used.note(
        "credit: fraction",
        credit.filter(|credit| credit.value == Credit::Fraction),
    );
}

fn tests(tests: &Tests, used: &mut Used) {
    partly(tests.credit.as_ref(), used);
    used.note("stop", tests.stop.as_ref());
    used.note(
        "judged: apart",
        tests
            .judged
            .as_ref()
            .filter(|judged| judged.value == Judged::Apart),
    );
    for test in &tests.code {
        if let Test::Call(call) = test {
            used.note("call", Some(&call.call));
        }
    }
}
