//! When this process is asked to end.

use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks this process to end: the terminal, another process, or the terminal's being gone.
#[derive(Debug)]
pub struct Interrupts(Vec<Signal>);

impl Interrupts {
    /// Listens from now on, so before anything is begun that must be ended. What asked before ends
    /// the process at once, as usual. Must be called within a runtime.
    pub fn listen() -> Self {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        // A signal that cannot be listened to ends the process, as usual.
        Interrupts(
            kinds
                .into_iter()
                .filter_map(|kind| signal(kind).ok())
                .collect(),
        )
    }

    /// Waits for the next that was not waited for yet; nothing is lost when the wait is given up.
    pub async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let asked = self
                .0
                .iter_mut()
                .any(|signal| signal.poll_recv(context) == Poll::Ready(Some(())));
            if asked {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
