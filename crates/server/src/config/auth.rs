//! `[auth]`: how the door is set up once there is something to be shown. Tokens are made by `pulseboard token`, users by
//! `pulseboard user`.

use std::time::Duration;

use pulseboard_gateway::{JwtConfig, KeySet, SECRET_BYTES_MIN};

use super::reader::{Problem, Reader};
use super::values::{span_us, wrong};

/// How long an open connection goes on with a token that has ended, unless told otherwise.
const GRACE: Duration = Duration::from_secs(30);
/// The longest grace, µs: an hour.
const GRACE_US_MAX: i64 = 3_600_000_000;
/// How long a login lasts, unless told otherwise: a week.
const SESSION: Duration = Duration::from_secs(7 * 86_400);
/// The shortest and the longest of it, µs: a minute and a year.
const SESSION_US: std::ops::RangeInclusive<i64> = 60_000_000..=31_536_000_000_000;
/// How old a fetched key set gets, unless told otherwise.
const REFRESH: Duration = Duration::from_secs(600);
/// The shortest and the longest of it, µs: ten seconds and a day.
const REFRESH_US: std::ops::RangeInclusive<i64> = 10_000_000..=86_400_000_000;

/// `[auth]`.
#[derive(Debug)]
pub struct AuthSettings {
    /// How long an open connection goes on with a token that has ended.
    pub grace: Duration,
    /// Whether this machine needs no token although there are some.
    pub open_on_loopback: bool,
    /// How long a login lasts.
    pub session: Duration,
    /// Whose JSON Web Tokens are taken.
    pub jwt: Option<JwtSettings>,
}

/// `[auth.jwt]`.
#[derive(Debug)]
pub struct JwtSettings {
    /// Which tokens are taken.
    pub config: JwtConfig,
    /// The shared secret, if they are signed with one.
    pub secret: Option<Secret>,
    /// Where the public keys are, if they are signed with such.
    pub jwks: Option<reqwest_tls::Url>,
    /// How old the fetched keys get.
    pub refresh: Duration,
}

/// A secret of the file, which shows itself in no debug text.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The keys that it is.
    #[must_use]
    pub fn keys(&self) -> KeySet {
        KeySet::of_secret(&self.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads `[auth]`; what is not set keeps its default.
pub(super) fn read_auth(root: &mut Reader<'_>, problems: &mut Vec<Problem>) -> AuthSettings {
    let mut settings = AuthSettings { grace: GRACE, open_on_loopback: false, session: SESSION, jwt: None };
    let Some(mut auth) = root.inner("auth", problems) else { return settings };
    let grace = auth.read("grace", problems, |value| match value.as_str() {
        Some("0") => Ok(Duration::ZERO),
        _ => match span_us(value)? {
            us if us <= GRACE_US_MAX => Ok(Duration::from_micros(us.unsigned_abs())),
            _ => Err("must be at most `1h`".to_owned()),
        },
    });
    let open = auth.read("loopback", problems, |value| match value.as_str() {
        Some("open") => Ok(true),
        Some("locked") => Ok(false),
        _ => Err(wrong("`locked` or `open`", value)),
    });
    let session = auth.read("session", problems, |value| match span_us(value)? {
        us if SESSION_US.contains(&us) => Ok(Duration::from_micros(us.unsigned_abs())),
        _ => Err("must be from `1m` to `365d`".to_owned()),
    });
    settings.grace = grace.unwrap_or(settings.grace);
    settings.session = session.unwrap_or(settings.session);
    settings.open_on_loopback = open.unwrap_or(settings.open_on_loopback);
    if let Some(jwt) = auth.inner("jwt", problems) {
        settings.jwt = read_jwt(jwt, problems);
    }
    auth.finish(problems);
    settings
}

fn read_jwt(mut jwt: Reader<'_>, problems: &mut Vec<Problem>) -> Option<JwtSettings> {
    let issuer = jwt.text("issuer", problems);
    let audience = jwt.text("audience", problems);
    let claim = jwt.text("claim", problems);
    let secret = jwt.read("secret", problems, |value| match value.as_str() {
        Some(text) if text.len() >= SECRET_BYTES_MIN => Ok(Secret(text.as_bytes().to_vec())),
        // What was given is not repeated: it may be most of a secret.
        _ => Err(format!("must be a text of at least {SECRET_BYTES_MIN} bytes")),
    });
    let jwks = jwt.read("jwks", problems, |value| {
        let text = value.as_str().ok_or_else(|| wrong("a URL", value))?;
        let url = reqwest_tls::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
        let is_near = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_near => Ok(url),
            _ => Err("must be an `https` URL: whoever can change the keys on their way can sign tokens".to_owned()),
        }
    });
    let refresh = jwt.read("refresh", problems, |value| match span_us(value)? {
        us if REFRESH_US.contains(&us) => Ok(Duration::from_micros(us.unsigned_abs())),
        _ => Err("must be from `10s` to `24h`".to_owned()),
    });
    if secret.is_none() && jwks.is_none() {
        jwt.problem("", "needs `secret` (HS256) or `jwks` (the URL of a key set)", problems);
    }
    if jwks.is_some() && (issuer.is_none() || audience.is_none()) {
        let what = "needs `issuer` and `audience` beside `jwks`: whoever publishes keys signs tokens for others with them, too";
        jwt.problem("", what, problems);
    }
    jwt.finish(problems);
    let config = JwtConfig { issuer, audience, claim };
    Some(JwtSettings { config, secret, jwks, refresh: refresh.unwrap_or(REFRESH) })
}
