//! MessagePack: the same messages as JSON, byte for byte fewer, for those who ask for it.
//!
//! Every message is JSON first and translated as a whole, so the two encodings cannot say different things. A frame is
//! translated once for all its readers.

use serde_json::Value;

/// The WebSocket subprotocol of JSON text messages; what is spoken if none is asked for.
pub const SUBPROTOCOL_JSON: &str = "pulseboard.v1.json";

/// The WebSocket subprotocol of MessagePack binary messages.
pub const SUBPROTOCOL_MSGPACK: &str = "pulseboard.v1.msgpack";

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a MessagePack message that JSON could say: {0}")]
pub struct InvalidMsgpack(String);

/// Translates JSON.
///
/// # Errors
/// [`InvalidMsgpack`] if it is none.
pub fn from_json(json: &[u8]) -> Result<Vec<u8>, InvalidMsgpack> {
    let mut out = Vec::with_capacity(json.len());
    let mut reader = serde_json::Deserializer::from_slice(json);
    serde_transcode::transcode(&mut reader, &mut rmp_serde::Serializer::new(&mut out))
        .map_err(|error| InvalidMsgpack(error.to_string()))?;
    reader.end().map_err(|error| InvalidMsgpack(error.to_string()))?;
    Ok(out)
}

/// Translates a client's message into JSON text.
///
/// # Errors
/// [`InvalidMsgpack`] for anything else than one value of texts, numbers, truths, nulls, lists and maps by text.
pub fn to_json(bytes: &[u8]) -> Result<String, InvalidMsgpack> {
    let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
    reader.set_max_depth(DEPTH_MAX);
    let value: Value = serde::Deserialize::deserialize(&mut reader).map_err(|e| InvalidMsgpack(e.to_string()))?;
    if reader.position() != bytes.len() as u64 {
        return Err(InvalidMsgpack("something follows the message".to_owned()));
    }
    Ok(value.to_string())
}

/// How deep a client's message may be: what JSON readers allow.
const DEPTH_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        json: Value,
        msgpack: String,
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn messages_are_as_in_the_fixture() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/msgpack.json")).expect("fixture");
        for Case { json, msgpack } in cases {
            let ours = from_json(json.to_string().as_bytes()).expect("json");
            assert_eq!(hex(&ours), msgpack, "{json}");
            let back: Value = serde_json::from_str(&to_json(&ours).expect("msgpack")).expect("json");
            assert_eq!(back, json);
        }
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        // Bytes, a map by number, an extension, two values, half a value, nothing, too deep.
        let deep = [vec![0x91; 500], vec![0xc0]].concat();
        for bad in
            [&[0x81, 0x01, 0x02][..], &[0xd4, 0x01, 0x02], &[0xc0, 0xc0], &[0x92, 0x01], &[], &[0xc1], deep.as_slice()]
        {
            assert!(to_json(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(json) = to_json(&bytes) {
                prop_assert!(serde_json::from_str::<Value>(&json).is_ok());
            }
        }
    }
}
