//! JSON Web Tokens of somebody else's making: who signed them, whom they are for, what they claim.
//!
//! The key decides the algorithm, never the token: a key is of one algorithm for its whole life, and a token whose header says
//! another one is refused before its signature is looked at, so that a public key can never be taken for a shared secret.
//! Talks to nobody; which keys there are is in [`super::jwt_keys`].

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pulseboard_live::Params;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::param_cells;
use pulseboard_protocol::{Pattern, Role};
use pulseboard_runtime::Shutdown;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::caller::{Pass, Who};
use super::jwt_keys::{Key, KeySet};

/// The longest token that is read.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// How far the clock of who made a token may be ahead of ours.
const SKEW_S: i64 = 30;
/// The longest name that is taken over.
const NAME_CHARS_MAX: usize = 100;
/// The most channel patterns and bound parameters of a token.
const CLAIMS_MAX: usize = 100;

/// Which tokens are taken.
#[derive(Debug, Clone, Default)]
pub struct JwtConfig {
    /// Who must have made them.
    pub issuer: Option<String>,
    /// Whom they must be for.
    pub audience: Option<String>,
    /// The claim that holds what is said to us; the token itself if there is none.
    pub claim: Option<String>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refused {
    /// No key of that name is known: there may be newer ones.
    UnknownKey,
    /// It is not good, whatever keys there are.
    No(ApiError),
}

fn no(message: &str) -> Refused {
    Refused::No(ApiError::new(Code::Unauthorized, message))
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Standard {
    exp: Option<f64>,
    nbf: Option<f64>,
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<OneOrMany>,
}

#[derive(Deserialize)]
struct Ours {
    role: Option<Role>,
    channels: Option<Vec<Pattern>>,
    #[serde(default)]
    params: Map<String, Value>,
}

/// Whether a text looks like one.
pub(super) fn looks_like_one(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Who shows a token.
pub(super) fn read(config: &JwtConfig, keys: &KeySet, text: &str, now_us: i64) -> Result<Who, Refused> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(no("the token is longer than 8 KiB"));
    }
    let unreadable = || no("the token is no JSON Web Token");
    let (signed, signature) = text.rsplit_once('.').ok_or_else(unreadable)?;
    let (header, claims) = signed.split_once('.').ok_or_else(unreadable)?;
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable());
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| unreadable())?;
    if header.crit.is_some() {
        return Err(no("the token asks for an extension that is not known here"));
    }
    let signature = decode(signature)?;
    let candidates: Vec<&Key> = keys.candidates(header.kid.as_deref()).collect();
    if candidates.is_empty() {
        return Err(Refused::UnknownKey);
    }
    let fits = |key: &&Key| key.algorithm() == header.alg && key.verifies(signed.as_bytes(), &signature);
    if !candidates.iter().any(fits) {
        return Err(no("the token's signature is not of a key that is known here"));
    }
    let claims = decode(claims)?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| unreadable())?;
    who_of(config, &claims, now_us)
}

fn who_of(config: &JwtConfig, claims: &Value, now_us: i64) -> Result<Who, Refused> {
    let standard = Standard::deserialize(claims).map_err(|_| no("the token's claims cannot be read"))?;
    let expires_us = micros(standard.exp.ok_or_else(|| no("the token has no end (`exp`)"))?);
    if expires_us <= now_us {
        return Err(Refused::No(super::caller::Ended::Expired.error()));
    }
    if standard.nbf.is_some_and(|from| micros(from) > now_us + SKEW_S * 1_000_000) {
        return Err(no("the token is not good yet"));
    }
    if config.issuer.is_some() && standard.iss != config.issuer {
        return Err(no("the token is of another issuer"));
    }
    let is_for = |audience: &String| match &standard.aud {
        Some(OneOrMany::One(one)) => one == audience,
        Some(OneOrMany::Many(many)) => many.contains(audience),
        None => false,
    };
    if config.audience.as_ref().is_some_and(|audience| !is_for(audience)) {
        return Err(no("the token is for somebody else (`aud`)"));
    }
    let ours = match &config.claim {
        Some(name) => claims.get(name).ok_or_else(|| no("the token claims nothing here"))?,
        None => claims,
    };
    let ours = Ours::deserialize(ours)
        .map_err(|_| no("the token's `role`, `channels` (a list) or `params` (an object) cannot be read"))?;
    let role = ours.role.ok_or_else(|| no("the token has no `role`"))?;
    let channels = ours.channels.unwrap_or_else(|| vec![Pattern::all()]);
    if channels.len() > CLAIMS_MAX || ours.params.len() > CLAIMS_MAX {
        return Err(no("the token has more than 100 channels or parameters"));
    }
    let bound: Params = param_cells(&ours.params).map_err(|error| no(&error.message))?;
    let subject: String = standard.sub.unwrap_or_default().chars().take(NAME_CHARS_MAX).collect();
    Ok(Who {
        pass: Pass::Token,
        id: Some(format!("jwt:{subject}")),
        name: subject,
        role,
        channels,
        bound,
        expires_us: Some(expires_us),
        revoked: Shutdown::default(),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "what is beyond ends at the end of time")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

#[cfg(test)]
mod tests;
