//! Who may come and what they may do.
//!
//! One table says which role may call what ([`endpoints`]), one middleware holds everybody to it ([`check`]), one place knows
//! all that can be shown to be let in ([`keyring`]). Which channels a caller may follow is asked of the [`caller`] where
//! channels are resolved. Without anything to be shown, this machine may do everything, and nobody else comes.

mod caller;
mod check;
mod endpoints;
mod jwt;
mod jwt_keys;
mod keyring;
mod secret;
mod tickets;
mod tokens;

pub use endpoints::{Access, ENDPOINTS, Endpoint};
pub use jwt::JwtConfig;
pub use jwt_keys::{JwtKeys, KeySet, SECRET_BYTES_MIN};
pub use keyring::{AuthConfig, Keyring};
pub use secret::LocalKey;
pub use tokens::{create_token, list_tokens, revoke_token};

pub(crate) use caller::{Caller, Ended, Ending};
pub(crate) use check::check;
pub(crate) use tokens::{delete_token, get_audit, get_me, get_tokens, note, post_ticket, post_token};
