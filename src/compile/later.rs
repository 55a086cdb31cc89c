//! What the language has and this version does not run. It is validated like all else, and a case
//! that uses it is never run as if it were absent.

use crate::source::{Span, Spanned};
use crate::syntax::suite::{Keys, Reuse};

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

/// What a case asks for that this version does not have; `asked` is the model that would give the
/// reply.
pub(super) fn of_case(keys: &Keys, asked: Option<&Spanned<String>>) -> Vec<Spanned<String>> {
    let mut used = Used(Vec::new());
    used.note("model", asked);
    if let Some(cloud) = &keys.e2b {
        used.note(
            "reuse: shared",
            cloud
                .reuse
                .as_ref()
                .filter(|reuse| reuse.value == Reuse::Shared),
        );
    }
    used.0
}
