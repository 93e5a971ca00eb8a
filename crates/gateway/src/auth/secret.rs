//! How secrets are made, read and compared. Only their hashes are kept, here and on disk.
//!
//! A secret has 256 random bits, so that a plain SHA-256 of it cannot be turned back by trying. Passwords, which people
//! choose, are another matter: [`super::passwords`].

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pulseboard_protocol::Secret;
use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How every token begins, so that people and scanners know one when they see it.
const PREFIX: &str = "pb_";
/// The id of the command line's key, which is no token's.
const LOCAL_ID: &str = "local";
/// How the id of a link begins: tokens have hexadecimal ones.
const SHARE_MARK: &str = "share";
/// Random bits of an id, as bytes.
const ID_BYTES: usize = 6;
/// The longest text that is read as a token.
const TEXT_BYTES_MAX: usize = 128;

/// Hash of a secret.
pub(super) type Hash = [u8; 32];

/// A new secret: the id it is found by, the text to show, the hash to keep.
pub(super) fn make() -> (String, Secret, Hash) {
    let mut random = rand::rng();
    let id: String = random.random::<[u8; ID_BYTES]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let (text, hash) = make_for(&id);
    (id, text, hash)
}

/// The same for a link. Its id is none that a token has.
pub(super) fn make_share() -> (String, Secret, Hash) {
    let id = format!("{SHARE_MARK}{}", make().0);
    let (text, hash) = make_for(&id);
    (id, text, hash)
}

fn make_for(id: &str) -> (Secret, Hash) {
    let text = format!("{PREFIX}{id}_{}", random_text());
    let hash = hash(&text);
    (Secret::new(text), hash)
}

/// A text nobody can guess.
pub(super) fn random_text() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>())
}

/// The id in a token's text; `None` if it is none of ours.
pub(super) fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX).filter(|_| text.len() <= TEXT_BYTES_MAX)?.split_once('_')?;
    (!id.is_empty() && !secret.is_empty()).then_some(id)
}

/// Hash of a whole token's text.
pub(super) fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// Whether two hashes are one, in a time that says nothing about where they differ.
pub(super) fn is_same(kept: &[u8], shown: &Hash) -> bool {
    kept.ct_eq(shown).into()
}

/// The key of this start for commands on this machine: whoever may read the data directory may do everything.
#[derive(Debug, Clone)]
pub struct LocalKey {
    text: Secret,
    pub(super) hash: Hash,
}

impl LocalKey {
    /// A new one.
    #[must_use]
    pub fn make() -> Self {
        let (text, hash) = make_for(LOCAL_ID);
        Self { text, hash }
    }

    /// Its text, to be written where only the owner reads it.
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// Whether `id` is the one of such keys.
    pub(super) fn is_its_id(id: &str) -> bool {
        id == LOCAL_ID
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_id_and_known_by_its_hash() {
        let (id, text, kept) = make();
        assert_eq!(id_of(text.reveal()), Some(id.as_str()));
        assert!(is_same(&kept, &hash(text.reveal())));
        let other = make();
        assert!(other.0 != id && !is_same(&kept, &other.2));
        assert!(!is_same(&kept[..31], &kept), "a shorter hash is another one");
        for none in ["", "pb_", "pb__x", "pb_a", "pb_a_", "Bearer pb_a_b", &format!("pb_a_{}", "x".repeat(200))] {
            assert_eq!(id_of(none), None, "{none}");
        }
        assert!(LocalKey::is_its_id(id_of(LocalKey::make().text().reveal()).expect("an id")));
    }
}
