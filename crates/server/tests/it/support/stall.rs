//! Readers that stop reading while there is much to read.

use serde_json::Value;

use super::api::Api;
use super::until::until;

/// So often in a row nothing more is sent to a reader before it counts as stalled.
const STILL_ROUNDS: u32 = 5;

/// What the server says of its connections.
pub(crate) async fn connections(api: &Api) -> Vec<Value> {
    api.get("/api/v1/connections").await.ok()["connections"].as_array().unwrap().clone()
}

/// Bytes that the server has sent over each of its connections, or is sending.
pub(crate) async fn sent_bytes(api: &Api) -> Vec<u64> {
    connections(api).await.iter().map(|connection| connection["bytes"].as_u64().unwrap()).collect()
}

/// Makes news until none of the connections is sent any of it.
pub(crate) async fn until_stalled(api: &Api, mut make_news: impl AsyncFnMut()) {
    let (mut before, mut still) = (Vec::new(), 0);
    until("all readers are stalled", async || {
        make_news().await;
        let sent = sent_bytes(api).await;
        assert!(!sent.is_empty(), "they were closed before they were stalled");
        still = if sent == before { still + 1 } else { 0 };
        before = sent;
        (still >= STILL_ROUNDS).then_some(())
    })
    .await;
}
