//! The Connect protocol as envd speaks it: JSON messages, and for streams envelopes of one byte of
//! flags, four bytes of length (big-endian) and a payload
//! (<https://connectrpc.com/docs/protocol#streaming-rpcs>).

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::Error;

/// The flag of a compressed payload, which is never asked for.
const COMPRESSED: u8 = 0b01;
/// The flag of the last envelope of a stream.
const LAST: u8 = 0b10;
/// The longest payload that is read.
const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One message as an envelope.
pub(super) fn envelope(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a request is far below 4 GiB");
    let mut bytes = vec![0];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// What a stream says next.
#[derive(Debug, PartialEq)]
pub(super) enum Next<T> {
    /// A message.
    Message(T),
    /// The stream is whole and over.
    Over,
    /// More bytes are needed.
    Unfinished,
}

/// Takes a stream of envelopes apart, however its bytes are cut.
#[derive(Debug, Default)]
pub(super) struct Envelopes {
    bytes: Vec<u8>,
    /// Where the next envelope begins.
    at: usize,
}

impl Envelopes {
    /// More bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message.
    ///
    /// # Errors
    /// What the stream ends with, or that it is no such stream.
    pub(super) fn next<T: DeserializeOwned>(
        &mut self,
        attempted: &'static str,
    ) -> Result<Next<T>, Error> {
        let rest = &self.bytes[self.at..];
        let Some((head, payload)) = rest.split_at_checked(5) else {
            return Ok(Next::Unfinished);
        };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if head[0] & COMPRESSED != 0 || length > PAYLOAD_BYTES_MAX {
            return Err(Error::protocol(
                attempted,
                "an envelope is compressed or too long",
            ));
        }
        let Some(payload) = payload.get(..length) else {
            return Ok(Next::Unfinished);
        };
        let broken = |error: serde_json::Error| Error::broken(attempted, &error);
        let next = if head[0] & LAST == 0 {
            Next::Message(serde_json::from_slice(payload).map_err(broken)?)
        } else {
            let end: End = serde_json::from_slice(payload).map_err(broken)?;
            if let Some(error) = end.error {
                return Err(Error::connect(attempted, None, &error.code, &error.message));
            }
            Next::Over
        };
        self.at += 5 + length;
        Ok(next)
    }
}

/// The payload of the last envelope.
#[derive(Debug, Deserialize)]
struct End {
    error: Option<ConnectError>,
}

/// An error of the protocol.
#[derive(Debug, Deserialize)]
struct ConnectError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The error that a call without a stream answers; `None` when the body is not of the protocol, as
/// that of a proxy, whose `code` is a number.
pub(super) fn refused(attempted: &'static str, status: u16, body: &[u8]) -> Option<Error> {
    let error: ConnectError = serde_json::from_slice(body).ok()?;
    (!error.code.is_empty())
        .then(|| Error::connect(attempted, Some(status), &error.code, &error.message))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::error::ErrorKind;
    use super::{Envelopes, Next, envelope, refused};

    fn last(payload: &str) -> Vec<u8> {
        let mut bytes = envelope(payload.as_bytes());
        bytes[0] = 2;
        bytes
    }

    #[test]
    fn a_stream_is_read_however_it_is_cut() {
        let stream = [envelope(b"{\"a\":1}"), envelope(b"{\"b\":2}"), last("{}")].concat();
        for size in 1..stream.len() {
            let mut envelopes = Envelopes::default();
            let mut found = Vec::new();
            for chunk in stream.chunks(size) {
                envelopes.push(chunk);
                loop {
                    let next = envelopes.next::<Value>("try").unwrap();
                    if next == Next::Unfinished {
                        break;
                    }
                    let is_over = next == Next::Over;
                    found.push(next);
                    if is_over {
                        break;
                    }
                }
            }
            let wanted = [
                Next::Message(json!({"a": 1})),
                Next::Message(json!({"b": 2})),
                Next::Over,
            ];
            assert_eq!(found, wanted, "cut every {size} bytes");
        }
    }

    #[test]
    fn the_last_envelope_may_carry_an_error() {
        let mut envelopes = Envelopes::default();
        envelopes.push(&last(
            "{\"error\":{\"code\":\"invalid_argument\",\"message\":\"cwd '/nope' does not exist\"}}",
        ));
        let error = envelopes.next::<Value>("start a process").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.to_string().contains("/nope"));
    }

    #[test]
    fn what_is_no_envelope_is_an_error_and_not_a_wait() {
        let mut envelopes = Envelopes::default();
        envelopes.push(b"<html>bad gateway</html>");
        assert!(envelopes.next::<Value>("try").is_err());
        assert!(refused("try", 502, br#"{"code":502,"message":"gone"}"#).is_none());
        let error = refused("try", 404, br#"{"code":"not_found","message":"no pid"}"#);
        assert_eq!(error.unwrap().kind, ErrorKind::NotFound);
    }
}
