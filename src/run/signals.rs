//! When this process is asked to end.

/// Waits until this process is asked to end, by the terminal or by another process.
pub async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let asked = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = asked(SignalKind::interrupt()) => {}
        () = asked(SignalKind::terminate()) => {}
        // The terminal is gone.
        () = asked(SignalKind::hangup()) => {}
    }
}
