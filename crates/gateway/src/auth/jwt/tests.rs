//! Tokens as they come, and as somebody who wants to be let in makes them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pulseboard_protocol::error::Code;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"a secret that is long enough for HS256";
const NOW_US: i64 = 1_780_000_000_000_000;
/// A key for these tests alone.
const RSA_KEY: &str = include_str!("test_rsa.pem");

fn coded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", coded(header), coded(claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn by_secret(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    move |text| ring::hmac::sign(&key, text).as_ref().to_vec()
}

fn claims() -> Value {
    json!({"exp": NOW_US / 1_000_000 + 60, "role": "viewer", "sub": "ann", "iss": "https://id.example", "aud": "pulse"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn config() -> JwtConfig {
    JwtConfig { issuer: Some("https://id.example".to_owned()), audience: Some("pulse".to_owned()), claim: None }
}

fn read_with(keys: &KeySet, token: &str) -> Result<Who, Refused> {
    read(&config(), keys, token, NOW_US)
}

fn code(result: Result<Who, Refused>) -> Option<Code> {
    match result {
        Ok(_) => None,
        Err(Refused::UnknownKey) => Some(Code::NotFound),
        Err(Refused::No(error)) => Some(error.code),
    }
}

/// The DER of the test's key.
fn rsa_key() -> RsaKeyPair {
    let base64: String = RSA_KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::prelude::BASE64_STANDARD.decode(base64).expect("base64");
    RsaKeyPair::from_pkcs8(&der).expect("a key")
}

/// Signs by an algorithm.
type Signer = (&'static str, Box<dyn Fn(&[u8]) -> Vec<u8>>);

/// A key set with one key of each kind, and what signs by them.
fn all_kinds() -> (KeySet, Vec<Signer>) {
    let random = SystemRandom::new();
    let ed = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key");
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).expect("a key");
    let rsa = rsa_key();
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let point = ec.public_key().as_ref();
    let RsaPublicKeyComponents::<Vec<u8>> { n, e } = rsa.public().into();
    let set = json!({"keys": [
        {"kty": "RSA", "kid": "RS256", "use": "sig", "alg": "RS256", "n": text(&n), "e": text(&e)},
        {"kty": "EC", "kid": "ES256", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])},
        {"kty": "OKP", "kid": "EdDSA", "crv": "Ed25519", "alg": "EdDSA", "x": text(ed.public_key().as_ref())},
        {"kty": "oct", "kid": "published", "alg": "HS256", "k": text(SECRET)},
        {"kty": "RSA", "kid": "for-encryption", "use": "enc", "n": text(&n), "e": text(&e)},
        {"kty": "EC", "kid": "other-curve", "crv": "P-384", "x": "AA", "y": "AA"},
        "nonsense"
    ]});
    let set = KeySet::read(set.to_string().as_bytes()).expect("a set");
    let by_rsa = move |message: &[u8]| {
        let mut out = vec![0; rsa.public().modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out).expect("signed");
        out
    };
    let by_ec = move |message: &[u8]| ec.sign(&SystemRandom::new(), message).expect("signed").as_ref().to_vec();
    let by_ed = move |message: &[u8]| ed.sign(message).as_ref().to_vec();
    (set, vec![("RS256", Box::new(by_rsa)), ("ES256", Box::new(by_ec)), ("EdDSA", Box::new(by_ed))])
}

#[test]
fn tokens_of_all_four_algorithms_are_taken_and_no_others() {
    let secret = KeySet::of_secret(SECRET);
    let good = signed(&json!({"alg": "HS256"}), &claims(), by_secret(SECRET));
    let who = read_with(&secret, &good).expect("good");
    assert_eq!((who.role, who.name.as_str(), who.id.as_deref()), (Role::Viewer, "ann", Some("jwt:ann")));
    assert_eq!(
        code(read_with(&secret, &signed(&json!({"alg": "HS256"}), &claims(), by_secret(b"another")))),
        Some(Code::Unauthorized)
    );

    let (set, signers) = all_kinds();
    for (algorithm, sign) in &signers {
        let header = json!({"alg": algorithm, "kid": algorithm, "typ": "JWT"});
        let good = signed(&header, &claims(), sign);
        assert_eq!(code(read_with(&set, &good)), None, "{algorithm}");
        assert_eq!(
            code(read_with(&set, &signed(&json!({"alg": algorithm}), &claims(), sign))),
            None,
            "{algorithm} unnamed"
        );
        // Another text under the same signature, and a cut one.
        let (_, signature) = good.rsplit_once('.').expect("three parts");
        let other = format!("{}.{}.{signature}", coded(&header), coded(&with("role", json!("admin"))));
        assert_eq!(code(read_with(&set, &other)), Some(Code::Unauthorized), "{algorithm}");
        assert_eq!(code(read_with(&set, &good[..good.len() - 4])), Some(Code::Unauthorized), "{algorithm}");
        // The right signature under another algorithm's name, and under another key's.
        for (wrong, _) in signers.iter().filter(|(other, _)| other != algorithm) {
            let confused = signed(&json!({"alg": wrong, "kid": algorithm}), &claims(), sign);
            assert_eq!(code(read_with(&set, &confused)), Some(Code::Unauthorized), "{algorithm} as {wrong}");
            let misnamed = signed(&json!({"alg": algorithm, "kid": wrong}), &claims(), sign);
            assert_eq!(code(read_with(&set, &misnamed)), Some(Code::Unauthorized), "{algorithm} as of {wrong}");
        }
    }
    for kid in ["made-up", "for-encryption", "other-curve", "published"] {
        let token = signed(&json!({"alg": "HS256", "kid": kid}), &claims(), by_secret(SECRET));
        assert_eq!(code(read_with(&set, &token)), Some(Code::NotFound), "{kid}: there may be a newer set");
    }
}

#[test]
fn an_algorithm_is_the_keys_and_never_the_tokens_choice() {
    let (set, signers) = all_kinds();
    // What everybody knows of a public key, taken for a shared secret.
    let rsa = rsa_key();
    let RsaPublicKeyComponents::<Vec<u8>> { n: modulus, .. } = rsa.public().into();
    for secret in [modulus.as_slice(), RSA_KEY.as_bytes(), rsa.public_key().as_ref(), b""] {
        for header in [json!({"alg": "HS256", "kid": "RS256"}), json!({"alg": "HS256"})] {
            let forged = signed(&header, &with("role", json!("admin")), by_secret(secret));
            assert_eq!(code(read_with(&set, &forged)), Some(Code::Unauthorized), "{header}");
        }
    }
    let both = all_kinds().0.with(KeySet::of_secret(SECRET));
    for algorithm in ["none", "None", "NONE", "", "HS512", "RS512", "hs256"] {
        let header = json!({"alg": algorithm});
        for signature in [Vec::new(), by_secret(SECRET)(b"x")] {
            let token = signed(&header, &claims(), |_| signature.clone());
            assert_eq!(code(read_with(&both, &token)), Some(Code::Unauthorized), "{algorithm}");
        }
    }
    // A key that the token brings along is nobody's.
    let (_, sign) = &signers[2];
    let own = json!({"alg": "EdDSA", "kid": "mine", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}, "jku": "https://evil.example"});
    assert_eq!(code(read_with(&set, &signed(&own, &claims(), sign))), Some(Code::NotFound));
    let critical = json!({"alg": "EdDSA", "kid": "EdDSA", "crit": ["b64"], "b64": false});
    assert_eq!(code(read_with(&set, &signed(&critical, &claims(), sign))), Some(Code::Unauthorized));
}

#[test]
fn claims_are_held_to_what_is_expected() {
    let keys = KeySet::of_secret(SECRET);
    let asked = |claims: &Value| read_with(&keys, &signed(&json!({"alg": "HS256"}), claims, by_secret(SECRET)));
    let now_s = NOW_US / 1_000_000;
    for (name, value, expected) in [
        ("exp", json!(now_s), Some(Code::TokenExpired)),
        ("exp", json!(now_s as f64 + 0.5), None),
        ("exp", Value::Null, Some(Code::Unauthorized)),
        ("exp", json!("soon"), Some(Code::Unauthorized)),
        ("exp", json!(1e300), None),
        ("nbf", json!(now_s + 20), None),
        ("nbf", json!(now_s + 40), Some(Code::Unauthorized)),
        ("iss", json!("https://evil.example"), Some(Code::Unauthorized)),
        ("iss", Value::Null, Some(Code::Unauthorized)),
        ("aud", json!(["other", "pulse"]), None),
        ("aud", json!(["other"]), Some(Code::Unauthorized)),
        ("aud", Value::Null, Some(Code::Unauthorized)),
        ("role", json!("root"), Some(Code::Unauthorized)),
        ("role", Value::Null, Some(Code::Unauthorized)),
        ("channels", json!(["view:a", "board:*"]), None),
        ("channels", json!(["nonsense"]), Some(Code::Unauthorized)),
        ("channels", json!("view:a"), Some(Code::Unauthorized)),
        ("params", json!({"tenant": "acme", "level": 3}), None),
        ("params", json!({"tenant": ["acme"]}), Some(Code::Unauthorized)),
    ] {
        assert_eq!(code(asked(&with(name, value.clone()))), expected, "{name} {value}");
    }
    let who = asked(&with("params", json!({"tenant": "acme"}))).expect("good");
    assert_eq!(who.bound["tenant"], pulseboard_model::Cell::Str("acme".into()));
    assert_eq!(who.expires_us, Some(NOW_US + 60_000_000));

    // What is said to us may be within one claim.
    let config = JwtConfig { claim: Some("https://pulse.example/may".to_owned()), ..config() };
    let within = with("https://pulse.example/may", json!({"role": "editor", "channels": ["view:a"]}));
    let token = signed(&json!({"alg": "HS256"}), &within, by_secret(SECRET));
    assert_eq!(read(&config, &keys, &token, NOW_US).expect("good").role, Role::Editor);
    let outside = signed(&json!({"alg": "HS256"}), &claims(), by_secret(SECRET));
    assert_eq!(code(read(&config, &keys, &outside, NOW_US)), Some(Code::Unauthorized));
}

#[test]
fn what_is_no_token_is_refused_whatever_it_is() {
    let keys = KeySet::of_secret(SECRET);
    let long = format!("{}.a.b", "x".repeat(9_000));
    for text in ["..", "a.b.c", "....", "eyJ.eyJ.", "é.é.é", long.as_str(), "e30.e30.e30"] {
        assert_eq!(code(read_with(&keys, text)), Some(Code::Unauthorized), "{text}");
    }
    assert!(looks_like_one("a.b.c") && !looks_like_one("pb_a_b") && !looks_like_one("a.b"));
    for bad in ["", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}"] {
        assert!(KeySet::read(bad.as_bytes()).is_err(), "{bad}");
    }
}
