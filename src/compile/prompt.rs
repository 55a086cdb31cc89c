//! The chat of a case: `prompt` or `messages`, and the reply that a chat may end with.

use super::cases::Compiler;
use super::render::Text;
use crate::diagnostic::Diagnostic;
use crate::source::Spanned;
use crate::syntax::suite::{Keys, MessageSpec, Role};
use crate::syntax::value::Content;

/// The chat, and the assistant's message that ends it.
#[derive(Debug, Clone, Default)]
pub(super) struct Chat {
    pub(super) messages: Vec<(&'static str, Text)>,
    pub(super) reply: Option<Spanned<String>>,
}

pub(super) fn chat(keys: &Keys, compiler: &mut Compiler<'_>) -> Chat {
    match (&keys.prompt, &keys.messages) {
        (Some(prompt), Some(messages)) => {
            compiler.report(
                Diagnostic::at(messages.span, "`messages` stands beside `prompt`")
                    .help("write one of the two"),
            );
            Chat {
                messages: compiler
                    .text(prompt)
                    .map(|text| ("user", text))
                    .into_iter()
                    .collect(),
                reply: None,
            }
        }
        (Some(prompt), None) => Chat {
            messages: compiler
                .text(prompt)
                .map(|text| ("user", text))
                .into_iter()
                .collect(),
            reply: None,
        },
        (None, Some(messages)) => from_messages(&messages.value, compiler),
        (None, None) => Chat::default(),
    }
}

fn from_messages(messages: &[MessageSpec], compiler: &mut Compiler<'_>) -> Chat {
    let mut chat = Chat::default();
    for (index, message) in messages.iter().enumerate() {
        let is_last = index + 1 == messages.len();
        if is_last && message.role == Role::Assistant {
            chat.reply = match &message.content.value {
                // A reply is never a template: braces stay braces.
                Content::Template(text) => Some(Spanned::new(text.clone(), message.content.span)),
                Content::Literal(text) => Some(text.clone()),
                Content::File(_) | Content::Expression(_) => {
                    compiler.report(
                        Diagnostic::at(message.content.span, "expected the reply's text")
                            .help("write `reply: {file: …}` or `reply: {expr: …}` instead"),
                    );
                    None
                }
            };
            continue;
        }
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        chat.messages
            .extend(compiler.text(&message.content).map(|text| (role, text)));
    }
    chat
}
