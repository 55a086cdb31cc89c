//! Files in a sandbox.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::control::encoded;
use super::error::{Error, ErrorKind};
use super::sandbox::Sandbox;

const WRITE: &str = "write files";
const READ: &str = "read a file";

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Written {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its path.
    pub path: String,
}

/// What a directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `FILE_TYPE_FILE` or `FILE_TYPE_DIRECTORY`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Its path.
    #[serde(default)]
    pub path: String,
}

#[derive(Serialize)]
struct ListDir<'a> {
    path: &'a str,
    depth: u32,
}

impl Sandbox {
    /// Writes a file; what leads to it is made. A path that does not begin with `/` is below the
    /// user's home. `user` owns it; absent, the template's user.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`] among others.
    pub async fn write_file(
        &self,
        path: &str,
        bytes: Vec<u8>,
        user: Option<&str>,
    ) -> Result<Vec<Written>, Error> {
        let user = user.map_or(String::new(), |user| format!("{}&", owner(user)));
        let address = format!("/files?{user}path={}", encoded(path));
        let request = self
            .envd(WRITE, Method::POST, &address)?
            .header("content-type", "application/octet-stream")
            .body(bytes);
        self.client.json(WRITE, request).await
    }

    /// Writes files in one request; `user` owns them.
    ///
    /// # Errors
    /// As [`write_file`](Self::write_file).
    pub async fn write_files(
        &self,
        files: &[(&str, &[u8])],
        user: Option<&str>,
    ) -> Result<Vec<Written>, Error> {
        let boundary = super::random_word::<16>();
        let user = user.map_or(String::new(), |user| format!("?{}", owner(user)));
        let request = self
            .envd(WRITE, Method::POST, &format!("/files{user}"))?
            .header(
                "content-type",
                format!("multipart/form-data; boundary={boundary}"),
            )
            .body(multipart(&boundary, files));
        self.client.json(WRITE, request).await
    }

    /// Reads a file of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::TooLong`] when it is longer.
    pub async fn read_file(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let address = format!("/files?path={}", encoded(path));
        let request = self
            .envd(READ, Method::GET, &address)?
            .timeout(super::ANSWER_WITHIN);
        let mut response = self.client.send(READ, request).await?;
        let mut bytes = Vec::new();
        loop {
            let chunk = response.chunk().await;
            match chunk.map_err(|error| Error::transport(READ, &error))? {
                None => return Ok(bytes),
                Some(chunk) => bytes.extend_from_slice(&chunk),
            }
            if bytes.len() > bytes_max {
                let message = format!("more than {bytes_max} bytes");
                return Err(Error::new(ErrorKind::TooLong, READ, message));
            }
        }
    }

    /// What a directory holds.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn list_directory(&self, path: &str) -> Result<Vec<Entry>, Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            entries: Vec<Entry>,
        }
        let message = ListDir { path, depth: 1 };
        let list: List = self
            .call(
                "list a directory",
                "/filesystem.Filesystem/ListDir",
                &message,
            )
            .await?;
        Ok(list.entries)
    }
}

fn owner(user: &str) -> String {
    format!("username={}", encoded(user))
}

/// A form with files, each with its whole path as its name (RFC 7578).
fn multipart(boundary: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (path, bytes) in files {
        // As browsers escape names (WHATWG, multipart/form-data encoding algorithm).
        let name = path
            .replace('"', "%22")
            .replace('\r', "%0D")
            .replace('\n', "%0A");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::multipart;

    #[test]
    fn a_form_has_whole_paths_and_raw_bytes() {
        let body = multipart("B", &[("/tmp/a\"b", b"\x00\xff"), ("c", b"")]);
        let wanted =
            b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/tmp/a%22b\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--B\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"c\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n\r\n--B--\r\n";
        assert_eq!(body, wanted);
    }
}
