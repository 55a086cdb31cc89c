//! Reads a program's output streams while it runs: both ends of a stream are kept, the middle of
//! a flood is not.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Notify;

use crate::execution::Captured;

/// Reads a stream to its end. Past `bytes_max` it says so once to `flooded` and goes on reading, so
/// that the program is not held up until it is ended.
pub(super) async fn capture(
    mut stream: impl AsyncRead + Unpin,
    kept: &mut Kept,
    bytes_max: u64,
    flooded: &Notify,
) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let before = kept.total;
                kept.add(&chunk[..count]);
                if before <= bytes_max && kept.total > bytes_max {
                    flooded.notify_one();
                }
            }
        }
    }
}

/// What is kept of a stream.
pub(super) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    half: usize,
}

impl Kept {
    /// Keeps up to so many bytes, half of them from each end.
    pub(super) fn new(bytes_max: u64) -> Self {
        Kept {
            head: Vec::new(),
            tail: VecDeque::new(),
            total: 0,
            half: usize::try_from(bytes_max / 2).unwrap_or(usize::MAX).max(1),
        }
    }

    /// Bytes seen, kept or not.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.half - self.head.len().min(self.half);
        let (head, tail) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        // Of a chunk larger than the tail only its end can stay.
        let tail = &tail[tail.len().saturating_sub(self.half)..];
        let surplus = (self.tail.len() + tail.len()).saturating_sub(self.half);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend(tail);
    }

    pub(super) fn finish(self, bytes_max: u64) -> Captured {
        let tail: Vec<u8> = self.tail.into();
        let missing = self.total - (self.head.len() + tail.len()) as u64;
        let truncated = self.total > bytes_max;
        let mut bytes = self.head;
        if missing > 0 {
            bytes.extend_from_slice(
                format!("\n[… {missing} bytes are missing here …]\n").as_bytes(),
            );
        }
        bytes.extend_from_slice(&tail);
        match String::from_utf8(bytes) {
            Ok(text) => Captured {
                text,
                truncated,
                lossy: false,
            },
            Err(error) => Captured {
                text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                truncated,
                lossy: true,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::Kept;
    use crate::execution::Captured;

    async fn capture(stream: &[u8], bytes_max: u64, flooded: &Notify) -> Captured {
        let mut kept = Kept::new(bytes_max);
        super::capture(stream, &mut kept, bytes_max, flooded).await;
        kept.finish(bytes_max)
    }

    #[tokio::test]
    async fn both_ends_of_a_flood_are_kept() {
        let flooded = Notify::new();
        let stream = [&b"begin"[..], &vec![b'x'; 300_000], b"end"].concat();
        let captured = capture(stream.as_slice(), 1000, &flooded).await;
        assert!(captured.truncated && captured.text.len() < 1100);
        assert!(captured.text.starts_with("begin") && captured.text.ends_with("end"));
        assert!(
            captured.text.contains("299008 bytes are missing"),
            "{}",
            captured.text
        );
        flooded.notified().await;
    }

    #[tokio::test]
    async fn what_fits_is_whole() {
        let stream = vec![b'y'; 1000];
        let captured = capture(stream.as_slice(), 1000, &Notify::new()).await;
        assert_eq!(
            (captured.text.len(), captured.truncated, captured.lossy),
            (1000, false, false)
        );
        let captured = capture(&b"a\xffb"[..], 1000, &Notify::new()).await;
        assert_eq!(
            (captured.text.as_str(), captured.lossy),
            ("a\u{fffd}b", true)
        );
    }
}
