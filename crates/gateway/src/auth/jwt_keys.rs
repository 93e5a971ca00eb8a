//! The keys that sign JSON Web Tokens, and how newer ones are asked for.
//!
//! A set is replaced as a whole. Whoever meets a key that is not in it may ask for the newer set and wait a moment; whoever
//! fetches sets decides how often, so that made-up key names cost nobody anything.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use ring::{hmac, signature};
use serde::Deserialize;
use tokio::sync::watch;

/// The most keys of a set.
const KEYS_MAX: usize = 100;
/// How long a request waits for newer keys.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A shared secret has at least the length of its hash.
pub const SECRET_BYTES_MIN: usize = 32;

/// One key, of one algorithm.
pub(super) enum Key {
    Hs256(hmac::Key),
    Rs256 { kid: Option<String>, n: Vec<u8>, e: Vec<u8> },
    Es256 { kid: Option<String>, point: Vec<u8> },
    EdDsa { kid: Option<String>, point: Vec<u8> },
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}, {:?})", self.algorithm(), self.kid())
    }
}

impl Key {
    /// As the header of a token names it.
    pub(super) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256 { .. } => "RS256",
            Self::Es256 { .. } => "ES256",
            Self::EdDsa { .. } => "EdDSA",
        }
    }

    fn kid(&self) -> Option<&str> {
        match self {
            Self::Hs256(_) => None,
            Self::Rs256 { kid, .. } | Self::Es256 { kid, .. } | Self::EdDsa { kid, .. } => kid.as_deref(),
        }
    }

    /// Whether the signature is this key's.
    pub(super) fn verifies(&self, message: &[u8], given: &[u8]) -> bool {
        let public = |algorithm: &'static dyn signature::VerificationAlgorithm, point: &[u8]| {
            signature::UnparsedPublicKey::new(algorithm, point).verify(message, given).is_ok()
        };
        match self {
            Self::Hs256(key) => hmac::verify(key, message, given).is_ok(),
            Self::Rs256 { n, e, .. } => signature::RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, given)
                .is_ok(),
            Self::Es256 { point, .. } => public(&signature::ECDSA_P256_SHA256_FIXED, point),
            Self::EdDsa { point, .. } => public(&signature::ED25519, point),
        }
    }
}

#[derive(Deserialize)]
struct Wire {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A set of keys.
#[derive(Debug, Default)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// The set of one shared secret (HS256).
    #[must_use]
    pub fn of_secret(secret: &[u8]) -> Self {
        Self(vec![Key::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret))])
    }

    /// Reads a JSON Web Key Set. Keys that sign by another algorithm than RS256, ES256 or EdDSA (Ed25519) are left out, and so
    /// are secret ones: a published secret is none.
    ///
    /// # Errors
    /// What is wrong with the text, or that none is left.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(text).map_err(|error| format!("it is no key set: {error}"))?;
        let keys: Vec<Key> = wire.keys.into_iter().take(KEYS_MAX).filter_map(read_key).collect();
        if keys.is_empty() {
            return Err("it has no key for RS256, ES256 or EdDSA".to_owned());
        }
        Ok(Self(keys))
    }

    /// Both sets as one.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Keys that a token may be of: those of its `kid`, or all if it names none. A secret has no name, and may be meant by any.
    pub(super) fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| match (kid, key.kid()) {
            (Some(wanted), Some(known)) => wanted == known,
            (Some(_), None) => matches!(key, Key::Hs256(_)),
            (None, _) => true,
        })
    }
}

fn read_key(value: serde_json::Value) -> Option<Key> {
    let wire: WireKey = serde_json::from_value(value).ok()?;
    if wire.used_for.is_some_and(|used_for| used_for != "sig") {
        return None;
    }
    let bytes = |text: Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
    let kid = wire.kid;
    let key = match (wire.kty.as_str(), wire.crv.as_deref()) {
        ("RSA", _) => Key::Rs256 { kid, n: bytes(wire.n)?, e: bytes(wire.e)? },
        ("EC", Some("P-256")) => {
            let (x, y) = (bytes(wire.x)?, bytes(wire.y)?);
            let point = [&[4_u8][..], &x, &y].concat();
            (x.len() == 32 && y.len() == 32).then_some(Key::Es256 { kid, point })?
        }
        ("OKP", Some("Ed25519")) => Key::EdDsa { kid, point: bytes(wire.x)? },
        _ => return None,
    };
    let agrees = wire.alg.is_none_or(|alg| alg == key.algorithm());
    agrees.then_some(key)
}

#[derive(Debug)]
struct Inner {
    set: RwLock<Arc<KeySet>>,
    /// Counts the sets.
    number: watch::Sender<u64>,
    /// Counts who asked for a newer one.
    asked: watch::Sender<u64>,
}

/// The keys as they are now. Cheap to clone: who fetches them holds one, too.
#[derive(Debug, Clone)]
pub struct JwtKeys(Arc<Inner>);

impl JwtKeys {
    /// Begins with `set`.
    #[must_use]
    pub fn new(set: KeySet) -> Self {
        let (number, asked) = (watch::Sender::new(0), watch::Sender::new(0));
        Self(Arc::new(Inner { set: RwLock::new(Arc::new(set)), number, asked }))
    }

    /// Takes another set.
    pub fn replace(&self, set: KeySet) {
        *self.0.set.write() = Arc::new(set);
        self.fetched();
    }

    /// Says that there is no newer set, so that nobody waits for it.
    pub fn fetched(&self) {
        self.0.number.send_modify(|number| *number += 1);
    }

    /// Resolves when somebody met a key that is not in the set.
    pub async fn wanted(&self) {
        let mut asked = self.0.asked.subscribe();
        // Fails when nobody is left who could ask.
        let _asked = asked.changed().await.is_ok();
    }

    pub(super) fn set(&self) -> Arc<KeySet> {
        self.0.set.read().clone()
    }

    /// Asks for a newer set and waits a moment for it.
    pub(super) async fn newer(&self) {
        let mut number = self.0.number.subscribe();
        number.mark_unchanged();
        if self.0.asked.receiver_count() == 0 {
            // Nobody fetches, or just did.
            return;
        }
        self.0.asked.send_modify(|asked| *asked += 1);
        let _came = tokio::time::timeout(WAIT_MAX, number.changed()).await.is_ok();
    }
}
