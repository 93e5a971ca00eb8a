//! JSON Web Tokens by chance: good ones, ones that are nearly good, and texts that are none. Only what a key here has signed, with that key's
//! own algorithm and claims that are right, opens anything; everything else is 401 with a reason.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use reqwest::header::HeaderValue;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::{Change, World, changed, changes, pieces};
use crate::jwt::{SECRET, key, now_s, published, publisher, token};
use crate::support::api::read;
use crate::support::server::Server;
use crate::support::until::until;

const PIECES: &[&str] = &[
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJhbGciOiJub25lIn0",
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0",
    "e30",
    "W10",
    "bnVsbA",
    ".",
    "..",
    "=",
    "-_",
    "pb_",
    "A",
    "\u{e9}",
    " ",
    "%2e",
];
const ALGORITHMS: &[&str] = &["HS256", "EdDSA", "none", "None", "", "RS256", "ES256", "HS512", "hs256", "HS256\u{0}"];
/// What a header says of its key, as JSON; nothing if it is empty.
const KIDS: &[&str] = &[
    "",
    "\"ed\"",
    "\"old\"",
    "\"\"",
    "null",
    "7",
    "[\"ed\"]",
    "\"../../etc/passwd\"",
    "\"ed' OR 1=1 --\"",
    "\"\\u0000\"",
];

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signer {
    Secret,
    Ed,
    /// A key that is not published.
    Stranger,
    /// The published key, taken for a shared secret.
    PublicAsSecret,
    Nobody,
}

#[derive(Debug, Clone)]
struct Signed {
    algorithm: &'static str,
    kid: &'static str,
    signer: Signer,
    claims: (Value, bool),
    crit: bool,
}

#[derive(Debug, Clone)]
enum Given {
    Signed(Signed),
    /// A good one, changed so.
    Changed(Vec<Change>),
    /// The parts of two good ones, put together otherwise.
    Mixed(u8),
    Other(String),
    /// Claims of so many bytes, or so deep, well signed.
    Huge(usize, bool),
}

/// Claims, and whether they are good ones.
fn claims() -> impl Strategy<Value = (Value, bool)> {
    let good =
        json!({"exp": now_s() + 6_000, "role": "viewer", "sub": "ann", "iss": "https://id.example", "aud": ["pulse"]});
    let with = move |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        claims
    };
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!("x"),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!("9".repeat(3_000)),
    ];
    let bad = ["exp", "role", "iss", "aud"].into_iter().flat_map(|key| odd.clone().map(|value| (key, value)));
    // The end of time is an end.
    let bad = bad.filter(|(key, value)| !(*key == "exp" && *value == json!(1e308)));
    let bad: Vec<(Value, bool)> = bad.map(|(key, value)| (with(key, value), false)).collect();
    let whole = [json!([]), json!("x"), json!(7), json!(null), json!({})].map(|claims| (claims, false)).to_vec();
    let more = vec![
        (with("sub", json!("é".repeat(500))), true),
        (with("exp", json!(1e308)), true),
        (with("nbf", json!(0)), true),
        (with("nbf", json!(1e300)), false),
        (with("channels", json!(["view:totals", "sql:*"])), true),
        (with("channels", json!(vec!["view:a"; 101])), false),
        (with("channels", json!("view:*")), false),
        (with("params", json!({"tenant": ["a"]})), false),
        (with("params", json!([])), false),
        (with("role", json!("ADMIN")), false),
    ];
    prop_oneof![
        3 => Just((with("jti", json!(1)), true)),
        3 => select(bad),
        1 => select(whole),
        3 => select(more),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    let signer = select(&[Signer::Secret, Signer::Ed, Signer::Stranger, Signer::PublicAsSecret, Signer::Nobody][..]);
    let fitting = prop_oneof![Just(("HS256", "", Signer::Secret)), Just(("EdDSA", "\"ed\"", Signer::Ed))];
    let whatever = (select(ALGORITHMS), select(KIDS), signer);
    let header = (prop_oneof![2 => whatever, 2 => fitting], prop::bool::weighted(0.1));
    let signed = (header, claims()).prop_map(|(((algorithm, kid, signer), crit), claims)| {
        Given::Signed(Signed { algorithm, kid, signer, claims, crit })
    });
    prop_oneof![
        6 => signed,
        3 => changes().prop_map(Given::Changed),
        1 => (0..6_u8).prop_map(Given::Mixed),
        2 => pieces(PIECES, 9).prop_map(Given::Other),
        1 => "[!-~]{0,80}".prop_map(Given::Other),
        1 => (select(&[1_000, 5_000, 7_000, 40_000][..]), any::<bool>()).prop_map(|(bytes, deep)| Given::Huge(bytes, deep)),
    ]
}

/// The keys of a case.
struct Keys {
    ed: Ed25519KeyPair,
    stranger: Ed25519KeyPair,
}

impl Keys {
    fn sign(&self, signer: Signer, text: &[u8]) -> Vec<u8> {
        let by_secret = |secret: &[u8]| {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
            ring::hmac::sign(&key, text).as_ref().to_vec()
        };
        match signer {
            Signer::Secret => by_secret(SECRET.as_bytes()),
            Signer::Ed => self.ed.sign(text).as_ref().to_vec(),
            Signer::Stranger => self.stranger.sign(text).as_ref().to_vec(),
            Signer::PublicAsSecret => by_secret(self.ed.public_key().as_ref()),
            Signer::Nobody => Vec::new(),
        }
    }

    fn good(&self, signer: Signer) -> String {
        let claims = json!({"exp": now_s() + 6_000, "role": "viewer", "iss": "https://id.example", "aud": "pulse"});
        let header = if signer == Signer::Ed { json!({"alg": "EdDSA", "kid": "ed"}) } else { json!({"alg": "HS256"}) };
        token(&header, &claims, |text| self.sign(signer, text))
    }

    /// The token, and whether it opens something.
    fn make(&self, given: Given) -> (String, bool) {
        match given {
            Given::Signed(Signed { algorithm, kid, signer, claims: (claims, claims_good), crit }) => {
                let mut header = BTreeMap::from([("alg", json!(algorithm))]);
                if let Ok(kid) = serde_json::from_str::<Value>(kid) {
                    header.insert("kid", kid);
                }
                if crit {
                    header.insert("crit", json!(["exp"]));
                }
                let fits = match (signer, algorithm) {
                    // A secret has no name, and may be meant by any.
                    (Signer::Secret, "HS256") => header.get("kid").is_none_or(|kid| kid.is_string() || kid.is_null()),
                    (Signer::Ed, "EdDSA") => header.get("kid").is_none_or(|kid| *kid == "ed" || kid.is_null()),
                    _ => false,
                };
                let made = token(&json!(header), &claims, |text| self.sign(signer, text));
                (made, fits && claims_good && !crit)
            }
            Given::Changed(changes) => {
                let good = self.good(Signer::Secret);
                let made = changed(&good, changes);
                let same = made == good;
                (made, same)
            }
            Given::Mixed(how) => {
                let (one, other) = (self.good(Signer::Secret), self.good(Signer::Ed));
                let part = |token: &str, n: usize| token.split('.').nth(n).unwrap().to_owned();
                let from = |n: u8| if how >> n & 1 == 1 { &other } else { &one };
                let parts: Vec<_> = (0..3_u8).map(|n| part(from(n), usize::from(n))).collect();
                let made = parts.join(".");
                let same = made == one || made == other;
                (made, same)
            }
            Given::Other(text) => (text, false),
            Given::Huge(bytes, deep) => {
                let filler = if deep {
                    "[".repeat(bytes / 2) + &"]".repeat(bytes / 2)
                } else {
                    format!("\"{}\"", "x".repeat(bytes))
                };
                let claims = format!(
                    "{{\"exp\":{},\"role\":\"viewer\",\"iss\":\"https://id.example\",\"aud\":\"pulse\",\"more\":{filler}}}",
                    now_s() + 6_000
                );
                let coded = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, text);
                let text = format!("{}.{}", coded("{\"alg\":\"HS256\"}"), coded(&claims));
                let signature = self.sign(Signer::Secret, text.as_bytes());
                let signature = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, signature);
                let made = format!("{text}.{signature}");
                let good = made.len() <= 8 << 10 && !deep;
                (made, good)
            }
        }
    }
}

#[test]
fn any_token_that_is_not_good_is_refused_with_a_reason() {
    let keys = Keys { ed: key(), stranger: key() };
    let (publisher, runtime) = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        (runtime.block_on(publisher()), runtime)
    };
    *publisher.set.lock() = published("ed", &keys.ed);
    let config = format!(
        "[auth.jwt]\nissuer = \"https://id.example\"\naudience = \"pulse\"\njwks = \"{}\"\nsecret = \"{SECRET}\"\n",
        publisher.url
    );
    let mut world = World::on(runtime, &config);
    let known = world.server.api.with_token(&keys.good(Signer::Ed));
    world.runtime.block_on(until("the published key is known", async || {
        (known.get("/api/v1/me").await.status == 200).then_some(())
    }));
    world.check(400, (given(), any::<bool>()), &async |server: &Server, (given, upper)| {
        let (made, good) = keys.make(given);
        // What is no header cannot be sent.
        let scheme = if upper { "Bearer" } else { "bearer" };
        let Ok(value) = HeaderValue::from_bytes(format!("{scheme} {made}").as_bytes()) else { return };
        let answer = read(server.api.request("GET", "/api/v1/me").header("authorization", value)).await;
        if good {
            assert_eq!(answer.ok()["role"], "viewer", "{made}");
            return;
        }
        assert_eq!(answer.status, 401, "{made}: {}", answer.text());
        let refusal = answer.refusal();
        assert!(["unauthorized", "token_expired"].contains(&refusal.code.as_str()), "{made}: {refusal:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{made}");
        assert!(refusal.message.len() < 200 && (made.len() < 20 || !refusal.message.contains(&made)), "{refusal:?}");
    });
}
