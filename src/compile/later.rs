//! What the language has and this version does not run. It is validated like all else, and a case
//! that uses it is never run as if it were absent.

use crate::source::{Span, Spanned};
use crate::syntax::expect::Subjects;
use crate::syntax::model::ModelChoice;
use crate::syntax::suite::{
    BadRow, Choice, Condition, DatasetSpec, Format, Keys, ReplySpec, Reuse, Tags, TimeOrExpression,
};
use crate::syntax::test_code::{Judged, Tests};

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

/// What a dataset asks for that this version does not have.
pub(super) fn of_dataset(dataset: &Spanned<DatasetSpec>) -> Vec<Spanned<String>> {
    let DatasetSpec {
        file,
        format,
        r#where,
        limit,
        shuffle,
        seed,
        name: _,
        on_bad_row,
    } = &dataset.value;
    let mut used = Used(Vec::new());
    let is_other = |format: &&Spanned<Format>| format.value != Format::Jsonl;
    used.note("format", format.as_ref().filter(is_other));
    if format.is_none()
        && [".csv", ".json", ".gz"]
            .iter()
            .any(|ending| file.value.ends_with(ending))
    {
        let ending = file.value.rsplit('.').next().unwrap_or_default();
        used.at(&format!("dataset: {ending}"), file.span);
    }
    used.note("where", r#where.as_ref());
    used.note("limit", limit.as_ref());
    used.note("shuffle", shuffle.as_ref().filter(|shuffle| shuffle.value));
    used.note("seed", seed.as_ref());
    used.note(
        "on_bad_row",
        on_bad_row.as_ref().filter(|on| on.value == BadRow::Skip),
    );
    used.0
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
    if let Some(ReplySpec::Samples(saved)) = keys.reply.as_ref().map(|reply| &reply.value) {
        used.note("join", Some(&saved.join));
    }
    if let Some(expect) = &keys.expect {
        subjects(&expect.value.subjects, &mut used);
    }
    if let Some(dataset) = &keys.dataset {
        used.0.extend(of_dataset(dataset));
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

fn tests(tests: &Tests, used: &mut Used) {
    used.note(
        "judged: apart",
        tests
            .judged
            .as_ref()
            .filter(|judged| judged.value == Judged::Apart),
    );
}
