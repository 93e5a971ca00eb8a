//! What a subscription asked for, looked up again when names stand for something else.
//!
//! Files of boards and views change while they are followed: their readers are told in the next frame, and keep their
//! connections.

use std::net::SocketAddr;

use chrono_tz::Tz;
use pulseboard_hub::{ChannelSource, ChannelSpec, Subscription};
use pulseboard_protocol::Pace;
use pulseboard_protocol::error::ApiError;
use xxhash_rust::xxh3::xxh3_64;

use super::resolve;
use crate::auth::Caller;
use crate::catalog::read_channel;
use crate::deps::Deps;

/// What was asked for, and stood for something then.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) caller: Caller,
    pub(crate) peer: SocketAddr,
    pub(crate) names: Vec<String>,
    pub(crate) timezone: Option<Tz>,
    pub(crate) pace: Pace,
}

impl Asking {
    /// Looks the names up again. Says whether the subscription follows anything else now.
    pub(crate) async fn again(&self, deps: &Deps, subscription: &mut Subscription) -> bool {
        let (mut channels, refused) =
            resolve(deps, (&self.caller, self.peer), self.names.clone(), None, self.timezone).await;
        for (name, error) in refused {
            channels.add(gone(&name, &error).into(), 0);
        }
        subscription.refollow(&channels.specs, channels.pace(deps, self.pace))
    }
}

/// What stands for nothing any more stays a channel, which says so.
fn gone(name: &str, error: &ApiError) -> ChannelSpec {
    let canonical = read_channel(name).map_or_else(|_| name.to_owned(), |channel| channel.to_string());
    ChannelSpec {
        name: canonical.into(),
        definition_hash: xxh3_64(error.message.as_bytes()),
        source: ChannelSource::Gone(error.message.clone()),
        keep: None,
    }
}
