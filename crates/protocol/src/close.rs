//! WebSocket close codes. The range says whether to come back: 4500 to 4999 are final, every other code is not.

/// Why the server closes a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// The server restarts; the reason says after how many ms to come back.
    Restart,
    /// The reader took nothing for too long.
    Slow,
    /// Nothing was heard from the client for too long.
    Idle,
    /// Too many connections; the reason says after how many ms to come back.
    Overloaded,
    /// The server failed.
    Internal,
    /// The token has ended: come back with another one.
    Expired,
    /// The client keeps sending what is not a message.
    BadMessage,
    /// A message was larger than allowed.
    TooLarge,
    /// This encoding is not spoken.
    Unsupported,
    /// The token was taken back.
    Revoked,
}

/// The first code that is final.
pub const FINAL_FROM: u16 = 4_500;

/// The last code that is final.
pub const FINAL_TO: u16 = 4_999;

impl Close {
    /// Every reason there is.
    pub const ALL: [Self; 10] = [
        Self::Restart,
        Self::Slow,
        Self::Idle,
        Self::Overloaded,
        Self::Internal,
        Self::Expired,
        Self::BadMessage,
        Self::TooLarge,
        Self::Unsupported,
        Self::Revoked,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Restart => 4_000,
            Self::Slow => 4_001,
            Self::Idle => 4_002,
            Self::Overloaded => 4_003,
            Self::Internal => 4_004,
            Self::Expired => 4_005,
            Self::BadMessage => 4_500,
            Self::TooLarge => 4_501,
            Self::Unsupported => 4_502,
            Self::Revoked => 4_503,
        }
    }

    /// The word in the reason.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
            Self::Expired => "expired",
            Self::BadMessage => "bad_message",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Revoked => "revoked",
        }
    }

    /// Whether the client should come back by itself.
    #[must_use]
    pub const fn reconnects(self) -> bool {
        !matches!(self.code(), FINAL_FROM..=FINAL_TO)
    }

    /// The reason text of the close frame: a small JSON object, well under the 123 bytes there are.
    #[must_use]
    pub fn reason(self, after_ms: Option<u64>) -> String {
        match after_ms {
            Some(after_ms) => format!(r#"{{"reason":"{}","after_ms":{after_ms}}}"#, self.as_str()),
            None => format!(r#"{{"reason":"{}"}}"#, self.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Row {
        code: u16,
        reason: String,
        reconnects: bool,
    }

    #[test]
    fn the_table_of_codes_is_the_fixture() {
        let rows: Vec<Row> = serde_json::from_str(include_str!("../fixtures/closes.json")).expect("fixture");
        assert_eq!(rows.len(), Close::ALL.len());
        for (close, row) in Close::ALL.into_iter().zip(rows) {
            assert_eq!((close.code(), close.as_str(), close.reconnects()), (row.code, &*row.reason, row.reconnects));
        }
        assert_eq!(Close::Restart.reason(Some(1_234)), r#"{"reason":"restart","after_ms":1234}"#);
        assert!(Close::Restart.reason(Some(u64::MAX)).len() <= 123);
    }
}
