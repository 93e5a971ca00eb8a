//! What clients see: frames, messages, channel names, cursors, codes. The only types that are JSON to clients.
//!
//! Written for the hub and the gateway, out of `pulseboard-model` types; `docs/protocol.md` tells the same to people, and
//! `fixtures/` to the tests here and in the TypeScript client. Nothing here does I/O.

pub mod alerts;
pub mod auth;
pub mod change;
pub mod channel;
pub mod client;
pub mod close;
pub mod cursor;
pub mod error;
pub mod etag;
pub mod frame;
pub mod http;
pub mod login;
pub mod msgpack;
pub mod pages;
pub mod range;
pub mod replica;
pub mod rows;
pub mod server;
pub mod socketio;
pub mod value;

pub use auth::{Pattern, Role, Secret};
pub use change::Reset;
pub use channel::{Channel, InvalidChannel};
pub use client::{ClientMessage, Pace, Subscribe, Tagged, read_client_message};
pub use close::Close;
pub use cursor::{Cursor, CursorTag, InvalidCursor};
pub use error::{ApiError, Code, ErrorBody};
pub use frame::{Frame, FrameBuilder, FrameHead, sse_event};
pub use pages::Pages;
pub use replica::Replica;
pub use server::ServerMessage;
