//! The published vectors, each at a time when it is good, after its end, and changed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::testing::{Call, key, keyset, mutate, secret};
use crate::{Algorithm, Reason};

const VECTORS: &str = include_str!("../../testdata/token-vectors.json");

fn vectors(scheme: &str) -> Vec<BTreeMap<String, Value>> {
    let all: Vec<BTreeMap<String, Value>> = serde_json::from_str(VECTORS).expect("JSON");
    let of: Vec<_> = all.into_iter().filter(|vector| vector["scheme"] == scheme).collect();
    assert!(!of.is_empty(), "no vectors for {scheme}");
    of
}

fn text<'v>(vector: &'v BTreeMap<String, Value>, field: &str) -> &'v str {
    vector[field].as_str().expect(field)
}

#[test]
fn bunny_vectors() {
    for vector in vectors("bunny") {
        let keys = keyset("bunny", &[], secret(&format!("utf8:{}", text(&vector, "key"))));
        let (url, token) = (text(&vector, "url"), text(&vector, "token"));
        let rest = Call::get(url).verify(&keys, 1_598_024_586).expect("good");
        assert!(rest.1.is_none(), "{rest:?}");
        assert_eq!(Call::get(url).verify(&keys, 1_598_024_587), Err(Reason::Expired));
        let make = |changed: &str| Call::get(&url.replace(token, changed));
        mutate(token, &keys, 1_598_024_586, make);
    }
}

#[test]
fn ats_url_sig_vector() {
    for vector in vectors("ats_url_sig") {
        let name = format!("utf8:{}", text(&vector, "key"));
        let keys = || vec![key("key2", Algorithm::HmacSha256, &name)];
        let keys = keyset("ats-url-sig", &[], keys());
        let signature = text(&vector, "signature");
        let url = format!("http://{}", text(&vector, "message"));
        let make = |mac: &str| Call::get(&format!("{url}{mac}"));
        mutate(signature, &keys, 1_453_846_937, make);
        assert_eq!(make(signature).verify(&keys, 1_453_846_938), Err(Reason::Expired));
        let elsewhere = make(signature).from("1.2.3.5").verify(&keys, 1_453_846_937);
        assert_eq!(elsewhere, Err(Reason::ClientMismatch));
    }
}

#[test]
fn ome_signed_policy_vector() {
    for vector in vectors("ome_signedpolicy") {
        let keys =
            keyset("ome-signed-policy", &[], secret(&format!("utf8:{}", text(&vector, "key"))));
        let (url, signature) = (text(&vector, "url"), text(&vector, "signature"));
        let make = |mac: &str| Call::get(&format!("{url}&signature={mac}"));
        mutate(signature, &keys, 1_399_720, make);
        assert_eq!(make(signature).verify(&keys, 1_399_722), Err(Reason::Expired));
    }
}

#[test]
fn nginx_secure_link_vector() {
    for vector in vectors("nginx_secure_link") {
        let token = text(&vector, "md5_b64url");
        for (template, bytes) in [
            ("$secure_link_expires$uri$remote_addr $secret", "utf8:secret"),
            ("${secure_link_expires}${uri}${remote_addr} secret", "utf8:unused"),
        ] {
            let keys = keyset("secure-link", &[("template", template)], secret(bytes));
            let make = |md5: &str| {
                Call::get(&format!("http://h/s/link?md5={md5}&expires=2147483647"))
                    .from("127.0.0.1")
            };
            mutate(token, &keys, 2_147_483_646, make);
            assert_eq!(make(token).verify(&keys, 2_147_483_647), Err(Reason::Expired));
        }
    }
}

#[test]
fn media_cdn_token_vectors() {
    for vector in vectors("google_media_cdn_token") {
        let hmac = key("h", Algorithm::HmacSha256, text(&vector, "hmac_key_b64url"));
        let public = key("e", Algorithm::Ed25519Public, text(&vector, "ed25519_pub_b64url"));
        let seed = key("s", Algorithm::Ed25519, text(&vector, "ed25519_seed_b64url"));
        assert_eq!(seed.ed25519_public(), public.ed25519_public());
        let keys = keyset("media-cdn", &[], vec![hmac, public]);
        let fields = text(&vector, "token_fields");
        for (name, field) in
            [("hmac", "hmac_sha1"), ("hmac", "hmac_sha256"), ("Signature", "ed25519_sig")]
        {
            let token = format!("{fields}~{name}={}", text(&vector, field));
            let make = |token: &str| {
                Call::get(&format!("http://10.20.30.40/example.m3u8?edge-cache-token={token}"))
            };
            mutate(&token, &keys, 1_663_070_399, make);
            assert_eq!(make(&token).verify(&keys, 1_663_070_400), Err(Reason::Expired));
            let mut elsewhere = make(&token);
            elsewhere.host = "10.20.30.41".into();
            elsewhere.path = "/other.m3u8".into();
            assert!(elsewhere.verify(&keys, 1_663_070_399).is_err());
        }
    }
}

#[test]
fn media_cdn_url_and_cookie_vectors() {
    let urls = vectors("google_media_cdn_url");
    let seed = text(&urls[0], "ed25519_seed_b64");
    let keys = || keyset("media-cdn", &[], vec![key("my-key", Algorithm::Ed25519, seed)]);
    let (base, query) = text(&urls[0], "url").split_once('?').expect("a query");
    let make = |query: &str| Call::get(&format!("{base}?{query}"));
    assert_eq!(make(query).verify(&keys(), 1_650_848_399), Ok(("/".into(), None)));
    assert_eq!(make(query).verify(&keys(), 1_650_848_400), Err(Reason::Expired));
    mutate(query.trim_end_matches('='), &keys(), 1_650_848_399, make);

    let cookies = vectors("google_media_cdn_cookie");
    let cookie = text(&cookies[0], "cookie");
    let make = |cookie: &str| Call::get("http://www.example.com/foo/1.ts").with("cookie", cookie);
    assert_eq!(make(cookie).verify(&keys(), 1_650_848_400), Err(Reason::Expired));
    mutate(cookie.trim_end_matches('='), &keys(), 1_650_848_399, make);
    let elsewhere = Call::get("http://www.example.com/bar/1.ts").with("cookie", cookie);
    assert_eq!(elsewhere.verify(&keys(), 1_650_848_399), Err(Reason::ScopeMismatch));
}

#[test]
fn akamai_vectors() {
    for vector in vectors("akamai_edgeauth2") {
        let key = format!("hex:{}", text(&vector, "key_hex"));
        let keys = keyset("akamai", &[], secret(&key));
        let token = text(&vector, "token");
        let make =
            |token: &str| Call::get(&format!("https://h/video/master.m3u8?__token__={token}"));
        mutate(token, &keys, 1_700_000_000, make);
        assert_eq!(make(token).verify(&keys, 1_699_999_999), Err(Reason::NotYetValid));
        assert_eq!(make(token).verify(&keys, 1_700_003_600), Err(Reason::Expired));
        let escaped = token.replace('~', "%7E").replace('=', "%3D");
        assert!(make(&escaped).verify(&keys, 1_700_000_000).is_ok());
    }
}

#[test]
fn cdni_vectors() {
    let all = vectors("cdni_uri_signing");
    let key = all[0]["jwk"]["k"].as_str().expect("a key");
    let keys = keyset("cdni", &[("issuer", "issuer")], secret(key));
    let token = text(&all[0], "jwt");
    let make = |token: &str| Call::get(&format!("http://h/a?URISigningPackage={token}&x=1"));
    let good = make(token).verify(&keys, 1_923_056_083);
    assert_eq!(good, Ok(("/a".into(), Some("x=1".into()))));
    assert_eq!(make(token).verify(&keys, 1_923_056_084), Err(Reason::Expired));
    mutate(token, &keys, 1_923_056_083, make);

    let (uri, container) = (text(&all[1], "uri"), text(&all[1], "cdniuc"));
    let claims = format!(r#"{{"cdniuc":"{container}"}}"#);
    let claims = crate::jose::Claims(serde_json::from_str(&claims).expect("JSON"));
    let signer = secret("utf8:0123456789abcdef");
    let token = crate::jose::sign(&claims, &signer[0]).expect("a secret");
    let keys = keyset("cdni", &[], signer);
    let at = |uri: &str| Call::get(&format!("{uri}?URISigningPackage={token}")).verify(&keys, 0);
    assert!(at(uri).is_ok());
    assert_eq!(at(&format!("{uri}/")), Err(Reason::ScopeMismatch));
    assert_eq!(at(&uri.replace("http:", "https:")), Err(Reason::ScopeMismatch));
}

#[test]
fn cat_vectors() {
    for vector in vectors("cta_cat") {
        let hex = format!("hex:{}", text(&vector, "key_hex"));
        let keys = vec![key(text(&vector, "kid"), Algorithm::HmacSha256, &hex)];
        let keys = keyset("cat", &[], keys);
        let token = text(&vector, "token");
        let make = |token: &str| Call::get(&format!("https://h/a?cat={token}"));
        // These tokens have a beginning and no end.
        let now_s = 1_742_300_000;
        assert_eq!(make(token).verify(&keys, 1_741_900_000), Err(Reason::NotYetValid));
        // The key id stands outside of what is signed; without it any key of the set may have signed.
        let signed_from = 40;
        let (free, signed) = token.split_at(signed_from);
        mutate(signed, &keys, now_s, |signed| make(&format!("{free}{signed}")));
        let field = Call::get("https://h/a").with("CTA-Common-Access-Token", token);
        assert!(field.verify(&keys, now_s).is_ok());
        let cookie = format!("CTA-Common-Access-Token={token}");
        assert!(Call::get("https://h/a").with("cookie", &cookie).verify(&keys, now_s).is_ok());
    }
}

/// What the vendors' own packages signed (`testdata/vendor-vectors.*`): once, and, where `ci/signers` ran, today.
#[test]
fn vendors_signers_agree() {
    agree(include_str!("../../testdata/vendor-vectors.jsonl"));
    if let Ok(fresh) = std::env::var("TIDEGATE_SIGNER_VECTORS") {
        agree(&std::fs::read_to_string(fresh).expect("vectors"));
    }
}

fn agree(vectors: &str) {
    const START_S: u64 = 1_700_000_000;
    assert!(vectors.lines().count() > 200);
    for line in vectors.lines() {
        let vector: BTreeMap<String, Value> = serde_json::from_str(line).expect("JSON");
        let name = text(&vector, "name");
        let part = |of: &Value, field: &str| of[field].as_str().expect("text").to_owned();
        let keys = vector["keys"].as_array().expect("keys").iter().map(|k| {
            let algorithm = part(k, "algorithm").parse().expect("an algorithm");
            key(&part(k, "id"), algorithm, &part(k, "text"))
        });
        let settings = vector["settings"].as_object().expect("settings");
        let settings: Vec<_> =
            settings.iter().map(|(n, v)| (n.as_str(), v.as_str().expect("text"))).collect();
        let keys = keyset(text(&vector, "format"), &settings, keys.collect());
        let mut call = Call::get(text(&vector, "url"));
        for field in vector.get("fields").and_then(Value::as_array).into_iter().flatten() {
            let of = |n: usize| field[n].as_str().expect("text");
            call = call.with(of(0), of(1));
        }
        let (path, query) = call.verify(&keys, START_S).expect(name);
        let upstream = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        assert_eq!(upstream, text(&vector, "upstream"), "{name}");
        let expires_s = vector["expires"].as_u64().expect("an end");
        assert_eq!(call.verify(&keys, expires_s), Err(Reason::Expired), "{name}");
        spoil(&call, &keys, START_S, name);
        let others = vector["keys"].as_array().expect("keys").iter().map(|k| {
            other_key(&part(k, "id"), part(k, "algorithm").parse().expect("an algorithm"))
        });
        let others = keyset(text(&vector, "format"), &settings, others.collect());
        assert!(call.verify(&others, START_S).is_err(), "{name} with another key");
    }
}

/// Changes some characters of the query, or of the cookie when there is one.
fn spoil(call: &Call, keys: &crate::Keyset, now_s: u64, name: &str) {
    let cookie = call.fields.text("cookie").map(str::to_owned);
    let good = cookie.clone().or(call.query.clone()).expect("a token");
    for at in (0..good.len()).step_by(17) {
        let other = if good.as_bytes()[at] == b'A' { 'B' } else { 'A' };
        let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
        let mut call = call.clone();
        match cookie {
            Some(_) => call.fields.set("cookie", &changed),
            None => call.query = Some(changed.clone()),
        }
        assert!(call.verify(keys, now_s).is_err(), "{name} {changed}");
    }
}

/// A key of this kind that has signed none of the vectors.
fn other_key(id: &str, algorithm: Algorithm) -> crate::Key {
    const RSA: &str = "MIIBCgKCAQEAvzYsoO8Vb6tS3XyV";
    match algorithm {
        Algorithm::RsaPublic => {
            let modulus = [&[0xc1][..], RSA.as_bytes(), &[0x5b; 227]].concat();
            let der = crate::der::rsa_of(&modulus, &[1, 0, 1]);
            crate::Key::new(id, algorithm, &der).expect("a key")
        }
        // The generator of the curve.
        Algorithm::EcdsaP256Public => key(
            id,
            algorithm,
            "hex:046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ),
        _ => key(id, algorithm, &format!("hex:{}", "58".repeat(32))),
    }
}

/// Each vector with another key, and at another address where it is bound to one.
#[test]
fn no_vector_is_good_elsewhere() {
    let check = |format: &str,
                 settings: &[(&str, &str)],
                 key_of: &dyn Fn(bool) -> crate::Key,
                 call: &Call,
                 now_s,
                 bound| {
        let of = |right| keyset(format, settings, vec![key_of(right)]);
        assert!(call.verify(&of(true), now_s).is_ok(), "{format}");
        assert!(call.verify(&of(false), now_s).is_err(), "{format} with another key");
        let mut other = call.clone();
        other.path = match call.path.split_once("&expires=") {
            // The token is in the path itself.
            Some((token, rest)) => {
                let end = rest.split('/').next().unwrap_or_default();
                format!("{token}&expires={end}/elsewhere")
            }
            None => "/elsewhere".to_owned(),
        };
        assert_eq!(other.verify(&of(true), now_s).is_err(), bound, "{format} elsewhere");
    };
    let shared = |text: String| {
        move |right| match right {
            true => key("k1", Algorithm::HmacSha256, &text),
            false => key("k1", Algorithm::HmacSha256, "utf8:another secret"),
        }
    };
    for v in vectors("bunny") {
        let key_of = shared(format!("utf8:{}", text(&v, "key")));
        check("bunny", &[], &key_of, &Call::get(text(&v, "url")), 1_598_024_586, true);
    }
    for v in vectors("ome_signedpolicy") {
        let call = Call::get(&format!("{}&signature={}", text(&v, "url"), text(&v, "signature")));
        check(
            "ome-signed-policy",
            &[],
            &shared(format!("utf8:{}", text(&v, "key"))),
            &call,
            1_399_720,
            true,
        );
    }
    for v in vectors("nginx_secure_link") {
        let template = [("template", "$secure_link_expires$uri$remote_addr $secret")];
        let url = format!("http://h/s/link?md5={}&expires=2147483647", text(&v, "md5_b64url"));
        check(
            "secure-link",
            &template,
            &shared("utf8:secret".to_owned()),
            &Call::get(&url).from("127.0.0.1"),
            1,
            true,
        );
    }
    for v in vectors("akamai_edgeauth2") {
        let call =
            Call::get(&format!("https://h/video/master.m3u8?__token__={}", text(&v, "token")));
        check(
            "akamai",
            &[],
            &shared(format!("hex:{}", text(&v, "key_hex"))),
            &call,
            1_700_000_000,
            // One of them opens everything.
            !text(&v, "token").contains("acl=/*"),
        );
    }
    for v in vectors("google_media_cdn_token") {
        let token = format!("{}~hmac={}", text(&v, "token_fields"), text(&v, "hmac_sha256"));
        let call = Call::get(&format!("http://10.20.30.40/example.m3u8?edge-cache-token={token}"));
        // A prefix of a whole host is bound to the host alone.
        let bound = text(&v, "token_fields").contains("FullPath");
        check(
            "media-cdn",
            &[],
            &shared(text(&v, "hmac_key_b64url").to_owned()),
            &call,
            1_663_070_399,
            bound,
        );
    }
}
