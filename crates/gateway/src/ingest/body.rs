//! A request's body: read, unpacked, and never more of it in memory than there is room for.
//!
//! All bodies that are being read, decoded or wait for the log share one room. A request takes from it as its body
//! grows, so a client that announces much and sends little holds little, and gives it back with its answer.

use std::sync::Arc;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt};
use pulseboard_protocol::error::{ApiError, Code};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::io::StreamReader;

use crate::error::HttpResult;

/// The most bytes of bodies that are being read, decoded or wait for the log; more are answered 429.
const WAITING_BYTES_MAX: usize = 256 << 20;
/// The room is counted in units of so many bytes.
const UNIT_BYTES: usize = 1 << 10;
/// How much a packed body is unpacked at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How much of a body that is refused is read away before the connection is given up.
const DISCARDED_BYTES_MAX: usize = 256 << 20;

/// The room that all bodies share.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new() -> Self {
        Self::of(WAITING_BYTES_MAX)
    }

    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT_BYTES)))
    }

    fn could_hold(&self, bytes: usize) -> bool {
        bytes.div_ceil(UNIT_BYTES) <= self.0.available_permits()
    }
}

/// What a request has taken of the room; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    taken: Option<OwnedSemaphorePermit>,
}

impl Share {
    const fn of(room: Room) -> Self {
        Self { room, taken: None }
    }

    /// Takes what is missing to `bytes`; says whether it was there.
    fn grow_to(&mut self, bytes: usize) -> bool {
        let units = bytes.div_ceil(UNIT_BYTES);
        let missing = units.saturating_sub(self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if missing == 0 {
            return true;
        }
        let Ok(missing) = u32::try_from(missing) else { return false };
        let Ok(more) = self.room.0.clone().try_acquire_many_owned(missing) else { return false };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        true
    }
}

/// The body, unpacked, at most `max` bytes of it, with its share of the room.
pub(super) async fn read(headers: &HeaderMap, body: Body, max: usize, room: &Room) -> HttpResult<(Bytes, Share)> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
    let encoding = encoding.unwrap_or_default().to_ascii_lowercase();
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let stream: BodyDataStream = body.into_data_stream();
    // Nothing is begun that could not be ended now.
    if !room.could_hold(announced.unwrap_or(0).min(max)) {
        return refuse(stream, busy()).await;
    }
    let mut share = Share::of(room.clone());
    let bytes = match encoding.as_str() {
        "" | "identity" => collect(stream, max, &mut share).await,
        "gzip" | "x-gzip" => {
            let mut packed = reader(stream);
            let mut decoder = GzipDecoder::new(&mut packed);
            decoder.multiple_members(true);
            let unpacked = unpack(decoder, max, &mut share).await;
            refused_whole(packed.into_inner(), unpacked).await
        }
        "zstd" => {
            let mut packed = reader(stream);
            let mut decoder = ZstdDecoder::new(&mut packed);
            decoder.multiple_members(true);
            let unpacked = unpack(decoder, max, &mut share).await;
            refused_whole(packed.into_inner(), unpacked).await
        }
        other => {
            let message = format!("content encoding `{other}` is not understood: use identity, gzip or zstd");
            refuse(stream, ApiError::new(Code::UnsupportedType, message)).await
        }
    };
    Ok((bytes?, share))
}

fn reader(stream: BodyDataStream) -> StreamReader<impl futures::Stream<Item = std::io::Result<Bytes>>, Bytes> {
    StreamReader::new(stream.map_err(std::io::Error::other))
}

async fn collect(mut stream: BodyDataStream, max: usize, share: &mut Share) -> HttpResult<Bytes> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| ApiError::new(Code::BadRequest, format!("the body ended early: {error}")))?;
        let length = rest.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len();
        if length > max {
            return refuse(stream, too_large(max)).await;
        }
        if !share.grow_to(length) {
            return refuse(stream, busy()).await;
        }
        // Most bodies are one chunk: then nothing is copied.
        match first.take() {
            None if rest.is_empty() => first = Some(chunk),
            earlier => {
                rest.extend_from_slice(&earlier.unwrap_or_default());
                rest.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

/// Reads at most `max` bytes: a small body that unpacks into a huge one is refused when it passes the limit.
async fn unpack(mut decoder: impl AsyncRead + Unpin, max: usize, share: &mut Share) -> Result<Bytes, ApiError> {
    let mut out = BytesMut::new();
    loop {
        out.reserve(CHUNK_BYTES);
        let read = decoder.read_buf(&mut out).await;
        let read =
            read.map_err(|error| ApiError::new(Code::BadRequest, format!("the body cannot be unpacked: {error}")))?;
        if read == 0 {
            return Ok(out.freeze());
        }
        if out.len() > max {
            return Err(too_large(max));
        }
        if !share.grow_to(out.len()) {
            return Err(busy());
        }
    }
}

/// A packed body that is refused before its end is read to it all the same.
async fn refused_whole<E>(
    stream: impl Stream<Item = Result<Bytes, E>> + Unpin,
    unpacked: Result<Bytes, ApiError>,
) -> HttpResult<Bytes> {
    match unpacked {
        Ok(bytes) => Ok(bytes),
        Err(error) => refuse(stream, error).await,
    }
}

/// Reads away what still comes, within reason: a client that is sending looks for an answer only when it has sent all,
/// and one that finds its connection closed under it may take the next request for failed.
async fn refuse<T, E>(mut stream: impl Stream<Item = Result<Bytes, E>> + Unpin, error: ApiError) -> HttpResult<T> {
    let mut discarded = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        discarded += chunk.len();
        if discarded > DISCARDED_BYTES_MAX {
            break;
        }
    }
    Err(error.into())
}

fn busy() -> ApiError {
    ApiError::new(Code::Busy, "the server has as many bytes of events in hand as it may: send this again in a moment")
}

fn too_large(max: usize) -> ApiError {
    let message =
        format!("the body has more than {max} bytes unpacked, the most one request may bring: send it in parts");
    ApiError::new(Code::TooLarge, message).with("max_bytes", max)
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
    use axum::http::HeaderValue;
    use tokio::io::AsyncWriteExt;

    use super::*;

    const MAX: usize = 1 << 20;

    async fn read_as(encoding: &'static str, body: Vec<u8>, room: &Room) -> Result<(Bytes, Share), Code> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        read(&headers, Body::from(body), MAX, room).await.map_err(|error| error.0.code)
    }

    #[tokio::test]
    async fn a_packed_body_may_have_several_members() {
        let (mut gzip, mut zstd) = (Vec::new(), Vec::new());
        for part in ["{\"a\":1}\n", "{\"a\":2}\n"] {
            let mut encoder = GzipEncoder::new(Vec::new());
            encoder.write_all(part.as_bytes()).await.unwrap();
            encoder.shutdown().await.unwrap();
            gzip.extend(encoder.into_inner());
            let mut encoder = ZstdEncoder::new(Vec::new());
            encoder.write_all(part.as_bytes()).await.unwrap();
            encoder.shutdown().await.unwrap();
            zstd.extend(encoder.into_inner());
        }
        let room = Room::new();
        for (encoding, body) in [("gzip", &gzip), ("GZip", &gzip), ("zstd", &zstd), ("ZSTD", &zstd)] {
            let (bytes, _share) = read_as(encoding, body.clone(), &room).await.unwrap();
            assert_eq!(bytes, "{\"a\":1}\n{\"a\":2}\n", "{encoding}");
        }
        assert_eq!(read_as("br", gzip, &room).await.map(|_| ()), Err(Code::UnsupportedType));
    }

    #[tokio::test]
    async fn bodies_share_one_room_and_give_it_back() {
        let room = Room::of(100 << 10);
        let body = |kib: usize| vec![b' '; kib << 10];
        let (_, first) = read_as("identity", body(60), &room).await.unwrap();
        assert_eq!(read_as("identity", body(60), &room).await.map(|_| ()), Err(Code::Busy));
        let mut packed = GzipEncoder::new(Vec::new());
        packed.write_all(&body(60)).await.unwrap();
        packed.shutdown().await.unwrap();
        let packed = packed.into_inner();
        assert!(packed.len() < 1_000);
        assert_eq!(
            read_as("gzip", packed.clone(), &room).await.map(|_| ()),
            Err(Code::Busy),
            "unpacked it is too much"
        );
        let (_, second) = read_as("identity", body(40), &room).await.unwrap();
        drop((first, second));
        assert_eq!(room.0.available_permits(), 100);
        let (bytes, _share) = read_as("gzip", packed, &room).await.unwrap();
        assert_eq!(bytes.len(), 60 << 10);

        // Without an announced length, it is seen on the way.
        let chunks = (0..20).map(move |_| Ok::<_, std::io::Error>(body(8)));
        let read = read(&HeaderMap::new(), Body::from_stream(futures::stream::iter(chunks)), MAX, &room).await;
        assert_eq!(read.map(|_| ()).map_err(|error| error.0.code), Err(Code::Busy));
    }
}
