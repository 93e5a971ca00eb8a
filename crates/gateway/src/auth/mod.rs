//! Who may come and what they may do.
//!
//! One table says which role may call what ([`endpoints`]), one middleware holds everybody to it ([`check`]), one place knows
//! all that can be shown to be let in ([`keyring`]). Which channels a caller may follow is asked of the [`caller`] where
//! channels are resolved. Without anything to be shown, this machine may do everything, and nobody else comes.

mod audit;
mod caller;
mod check;
mod endpoints;
mod jwt;
mod jwt_keys;
mod keyring;
mod login;
mod logins;
mod page;
mod passwords;
mod secret;
mod shares;
mod tickets;
mod tokens;
mod users;

pub use endpoints::{Access, Asker, ENDPOINTS, Endpoint};
pub use jwt::JwtConfig;
pub use jwt_keys::{JwtKeys, KeySet, SECRET_BYTES_MIN};
pub use keyring::{AuthConfig, Keyring};
pub use secret::LocalKey;
pub use tokens::{create_token, list_tokens, revoke_token};
pub use users::{list_users, remove_user, save_user};

pub(crate) use audit::{get_audit, note};
pub(crate) use caller::{Caller, Ended, Ending};
pub(crate) use check::check;
pub(crate) use login::{
    delete_session, delete_share, delete_user, end_shares, get_session, get_shares, get_users, post_session,
    post_share, put_password, put_user,
};
pub(crate) use shares::{check_board, check_view, shared_definition};
pub(crate) use tokens::{delete_token, get_tokens, post_ticket, post_token};
