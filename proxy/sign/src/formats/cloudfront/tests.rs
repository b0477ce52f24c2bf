use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use super::*;
use crate::Keyset;
use crate::testing::{Call, keyset, to_base64};

const NOW_S: u64 = 1_700_000_000;
const PAGE: &str = "https://d1.example/show/1/a.ts";

/// A distribution's key pair.
struct Signer {
    pair: EcdsaKeyPair,
    keys: Keyset,
}

impl Signer {
    fn new() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let public = pair.public_key().as_ref();
        let key = Key::new("K1", Algorithm::EcdsaP256Public, public).unwrap();
        Self { pair, keys: keyset(FORMAT, &[], vec![key]) }
    }

    /// The parameters for these signed bytes; `first` is `Expires` or `Policy`.
    fn parameters(&self, message: &str, first: &str) -> String {
        let signed = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        let signed = alphabet(signed.as_ref());
        format!("{first}&Signature={signed}&Key-Pair-Id=K1&Hash-Algorithm=SHA256")
    }

    fn canned(&self, url: &str, end_s: u64) -> String {
        let policy = format!(
            r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{end_s}}}}}}}]}}"#
        );
        self.parameters(&policy, &format!("Expires={end_s}"))
    }

    fn custom(&self, policy: &str) -> String {
        self.parameters(policy, &format!("Policy={}", alphabet(policy.as_bytes())))
    }

    fn outcome(&self, call: &Call) -> Result<(), Reason> {
        call.verify(&self.keys, NOW_S).map(|_| ())
    }

    /// A policy of one statement, at the usual page.
    fn of(&self, resource: &str, conditions: &str) -> Result<(), Reason> {
        let resource = match resource {
            "" => String::new(),
            some => format!(r#""Resource": "{some}","#),
        };
        let policy =
            format!(r#"{{ "Statement": [{{ {resource} "Condition": {{{conditions}}} }}] }}"#);
        self.outcome(&Call::get(&format!("{PAGE}?{}", self.custom(&policy))))
    }
}

fn alphabet(bytes: &[u8]) -> String {
    to_base64(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

const END: &str = r#""DateLessThan": {"AWS:EpochTime": 1700000001}"#;

#[test]
fn a_canned_policy_is_for_one_address() {
    let signer = Signer::new();
    let token = signer.canned(PAGE, NOW_S + 1);
    let at = |url: &str| {
        signer.outcome(&Call::get(&format!(
            "{url}{}{token}",
            if url.contains('?') { "&" } else { "?" }
        )))
    };
    assert_eq!(at(PAGE), Ok(()));
    for other in [
        "https://d1.example/show/1/b.ts",
        "http://d1.example/show/1/a.ts",
        "https://d2.example/show/1/a.ts",
    ] {
        assert_eq!(at(other), Err(Reason::SignatureInvalid));
    }
    assert_eq!(at(&format!("{PAGE}?x=1")), Err(Reason::SignatureInvalid));
    let with_query = signer.canned(&format!("{PAGE}?x=1&y"), NOW_S + 1);
    // The signature's parameters may stand anywhere.
    let (expires, rest) = with_query.split_once('&').unwrap();
    let call = Call::get(&format!("{PAGE}?{expires}&x=1&{rest}&y"));
    assert_eq!(signer.outcome(&call), Ok(()));
    assert_eq!(
        signer.outcome(&Call::get(&format!("{PAGE}?{}", signer.canned(PAGE, NOW_S)))),
        Err(Reason::Expired)
    );
    assert_eq!(at(&format!("{PAGE}?Expires=1")), Err(Reason::TokenMalformed));
}

#[test]
fn the_resource_has_wildcards_and_is_anchored() {
    let signer = Signer::new();
    for good in
        ["*", PAGE, "https://d1.example/*", "http*://d1.example/show/?/a.ts", "https://*/a.t?", ""]
    {
        assert_eq!(signer.of(good, END), Ok(()), "{good}");
    }
    for bad in [
        "https://d1.example/show/1/a",
        "d1.example/*",
        "/show/*",
        "https://d1.example/show/??/a.ts",
        "http://*",
    ] {
        assert_eq!(signer.of(bad, END), Err(Reason::ScopeMismatch), "{bad}");
    }
}

#[test]
fn conditions_restrict_and_unknown_ones_refuse() {
    let signer = Signer::new();
    let with = |more: &str| signer.of("*", &format!("{END}, {more}"));
    let from = |s: u64| format!(r#""DateGreaterThan": {{"AWS:EpochTime": {s}}}"#);
    let ip = |range: &str| format!(r#""IpAddress": {{"AWS:SourceIp": "{range}"}}"#);
    assert_eq!(with(&from(NOW_S)), Ok(()));
    assert_eq!(with(&from(NOW_S + 1)), Err(Reason::NotYetValid));
    for good in ["1.2.3.4", "1.2.3.4/32", "1.2.0.0/16", "0.0.0.0/0"] {
        assert_eq!(with(&ip(good)), Ok(()), "{good}");
    }
    assert_eq!(with(&ip("1.2.3.5/32")), Err(Reason::ClientMismatch));
    assert_eq!(with(&ip("1.2.3.4/33")), Err(Reason::TokenMalformed));
    assert_eq!(with(r#""Bool": {}"#), Err(Reason::ClaimUnsupported));
    assert_eq!(signer.of("*", &from(NOW_S)), Err(Reason::TokenMalformed), "no end");
    let text_end = r#""DateLessThan": {"AWS:EpochTime": "1700000001"}"#;
    assert_eq!(signer.of("*", text_end), Err(Reason::TokenMalformed));
    let two = format!(r#"{{"Statement":[{{"Condition":{{{END}}}}},{{"Condition":{{{END}}}}}]}}"#);
    let call = Call::get(&format!("{PAGE}?{}", signer.custom(&two)));
    assert_eq!(signer.outcome(&call), Err(Reason::TokenMalformed));
}

#[test]
fn an_everybody_range_is_for_the_other_family_too() {
    let signer = Signer::new();
    let policy = format!(
        r#"{{"Statement":[{{"Condition":{{{END},"IpAddress":{{"AWS:SourceIp":"0.0.0.0/0"}}}}}}]}}"#
    );
    let call = Call::get(&format!("{PAGE}?{}", signer.custom(&policy))).from("2001:db8::1");
    assert_eq!(signer.outcome(&call), Ok(()));
}

#[test]
fn algorithms_and_keys_cannot_be_swapped() {
    let signer = Signer::new();
    let token = signer.canned(PAGE, NOW_S + 1);
    let of = |token: String| signer.outcome(&Call::get(&format!("{PAGE}?{token}")));
    assert_eq!(of(token.replace("SHA256", "SHA1")), Err(Reason::SignatureInvalid));
    assert_eq!(of(token.replace("SHA256", "none")), Err(Reason::TokenMalformed));
    assert_eq!(of(token.replace("=K1", "=K2")), Err(Reason::KeyUnknown));
    assert_eq!(
        of(token.replace("Expires=1700000001", "Expires=1700000009")),
        Err(Reason::SignatureInvalid)
    );
    assert_eq!(
        Signer::new().outcome(&Call::get(&format!("{PAGE}?{token}"))),
        Err(Reason::SignatureInvalid)
    );
    assert_eq!(of(token.replace('~', "%7E")), Ok(()));
}

#[test]
fn cookies_are_taken_off_by_name() {
    let signer = Signer::new();
    let token = signer.canned(PAGE, NOW_S + 1);
    let cookie =
        token.split('&').map(|pair| format!("CloudFront-{pair}")).collect::<Vec<_>>().join("; ");
    let call = Call::get(PAGE).with("cookie", &format!("a=1; {cookie}"));
    assert_eq!(signer.outcome(&call), Ok(()));
    assert_eq!(
        signer.outcome(&Call::get(&format!("{PAGE}?x")).with("cookie", &cookie)),
        Err(Reason::SignatureInvalid)
    );
}
