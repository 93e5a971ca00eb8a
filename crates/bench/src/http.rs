//! A lean HTTP/1.1 client: prebuilt request bytes out, status and body in, one request at a time per connection.
//!
//! It exists so that the generator costs little beside the server on the same machine. It never pipelines, follows
//! redirects or decodes bodies; an answer without `Content-Length` is refused.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::BenchError;
use crate::target::Target;

/// The longest wait for one answer, unless it may take long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The most headers an answer may have.
const HEADERS_MAX: usize = 64;
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_s: Option<u64>,
    /// What stands between the quotes of its `ETag`.
    pub(crate) etag: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The answer's JSON, if its status says that all went well.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, what: &'static str) -> Result<T, BenchError> {
        if self.status != 200 {
            let body = String::from_utf8_lossy(&self.body).chars().take(500).collect();
            return Err(BenchError::Refused { what, status: self.status, body });
        }
        serde_json::from_slice(&self.body).map_err(|error| BenchError::BadAnswer(format!("{what}: {error}")))
    }
}

/// The bytes of a POST.
pub(crate) fn post(target: &Target, path: &str, content_type: &str, body: &[u8]) -> Bytes {
    let (host, length, token) = (&target.authority, body.len(), target.authorization());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n{token}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat().into()
}

/// The bytes of a GET.
pub(crate) fn get(target: &Target, path: &str) -> Bytes {
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{}\r\n", target.authority, target.authorization()).into()
}

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    unread: BytesMut,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Self, BenchError> {
        let address = target.address;
        let stream = TcpStream::connect(address).await.map_err(|source| BenchError::Connect { address, source })?;
        stream.set_nodelay(true).map_err(BenchError::io("setting up a connection"))?;
        Ok(Self { stream, unread: BytesMut::with_capacity(4 << 10) })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer, BenchError> {
        self.ask_within(ANSWER_TIMEOUT, request).await
    }

    /// The same for what may take long.
    pub(crate) async fn ask_within(&mut self, limit: Duration, request: &[u8]) -> Result<Answer, BenchError> {
        let exchange = async {
            self.stream.write_all(request).await.map_err(BenchError::io("sending a request"))?;
            loop {
                if let Some((answer, length)) = read_answer(&self.unread)? {
                    // What follows belongs to nobody: one request is out at a time.
                    let _read = self.unread.split_to(length);
                    return Ok(answer);
                }
                if self.unread.len() > ANSWER_BYTES_MAX {
                    return Err(BenchError::BadAnswer("it is too long".to_owned()));
                }
                let read = self.stream.read_buf(&mut self.unread).await;
                if read.map_err(BenchError::io("reading an answer"))? == 0 {
                    return Err(BenchError::BadAnswer("the server closed the connection".to_owned()));
                }
            }
        };
        let timeout = |_| BenchError::Timeout { what: "an answer of the server", limit_s: limit.as_secs() };
        tokio::time::timeout(limit, exchange).await.map_err(timeout)?
    }
}

/// The answer at the start of `bytes` and its length, or nothing if it is not whole yet.
fn read_answer(bytes: &[u8]) -> Result<Option<(Answer, usize)>, BenchError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(BenchError::BadAnswer(error.to_string())),
    };
    let text = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    // An answer without news has no body and need not say so.
    let without = (response.code == Some(304)).then_some(0);
    let length = without.or_else(|| number("content-length")).and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| BenchError::BadAnswer("it has no Content-Length".to_owned()))?;
    let Some(body) = bytes.get(head..head.saturating_add(length)) else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let body = Bytes::copy_from_slice(body);
    let etag = text("etag").and_then(|tag| tag.split('"').nth(1)).map(str::to_owned);
    Ok(Some((Answer { status, retry_after_s: number("retry-after"), etag, body }, head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            address: ([127, 0, 0, 1], 1).into(),
            authority: "127.0.0.1:1".to_owned(),
            token: None,
            server_pid: None,
        }
    }

    #[test]
    fn request_bytes_are_read_as_the_request_they_mean() {
        let bytes = post(&target(), "/api/v1/streams/s/events", "application/x-ndjson", b"{}\n{}\n");
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut request = httparse::Request::new(&mut headers);
        let head = request.parse(&bytes).expect("a request");
        assert_eq!((request.method, request.path), (Some("POST"), Some("/api/v1/streams/s/events")));
        let named: Vec<_> = request.headers.iter().map(|h| (h.name, std::str::from_utf8(h.value).unwrap())).collect();
        let expected = [("Host", "127.0.0.1:1"), ("Content-Type", "application/x-ndjson"), ("Content-Length", "6")];
        assert_eq!(named, expected);
        assert_eq!(&bytes[head.unwrap()..], b"{}\n{}\n");
    }

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\nContent-Length: 3\r\n\r\n{ }rest";
        for cut in 0..text.len() - 4 {
            assert_eq!(read_answer(&text[..cut]).expect("no error"), None, "{cut}");
        }
        let (answer, length) = read_answer(text).expect("an answer").expect("whole");
        assert_eq!(length, text.len() - 4);
        assert_eq!(
            answer,
            Answer { status: 429, retry_after_s: Some(2), etag: None, body: Bytes::from_static(b"{ }") }
        );
        assert!(answer.json::<serde_json::Value>("a question").is_err());
        assert!(read_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        let quiet =
            read_answer(b"HTTP/1.1 304 Not Modified\r\nETag: W/\"c\"\r\n\r\n").expect("an answer").expect("whole");
        assert_eq!((quiet.0.status, quiet.0.etag.as_deref(), quiet.0.body.len()), (304, Some("c"), 0));
    }
}
