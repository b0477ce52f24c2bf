use serde_json::json;

use super::*;
use crate::jose::Claims;
use crate::testing::{Call, keyset, mutate, secret};

const NOW_S: u64 = 1_700_000_000;

fn call(claims: Value) -> Call {
    let Value::Object(claims) = claims else { panic!("no object") };
    let keys = secret("utf8:0123456789abcdef");
    let token = jose::sign(&Claims(claims), &keys[0]).expect("a secret");
    Call::get(&format!("https://h/{token}/manifest/video.m3u8?a=1"))
}

fn outcome(call: &Call) -> Result<(String, Option<String>), Reason> {
    call.verify(&keyset(FORMAT, &[], secret("utf8:0123456789abcdef")), NOW_S)
}

#[test]
fn the_video_takes_the_place_of_the_token() {
    let good = call(json!({"sub": "v1", "exp": NOW_S + 1}));
    assert_eq!(outcome(&good), Ok(("/v1/manifest/video.m3u8".into(), Some("a=1".into()))));
    let token = good.path.split('/').nth(1).expect("a segment").to_owned();
    let keys = keyset(FORMAT, &[], secret("utf8:0123456789abcdef"));
    mutate(&token, &keys, NOW_S, |token| Call::get(&format!("https://h/{token}/a")));
    assert_eq!(outcome(&Call::get("https://h/v1/a")), Err(Reason::TokenMissing));
    for claims in [
        json!({"sub": "v1"}),
        json!({"exp": NOW_S + 1}),
        json!({"sub": "../x", "exp": NOW_S + 1}),
        json!({"sub": "", "exp": NOW_S + 1}),
    ] {
        assert_eq!(outcome(&call(claims)), Err(Reason::TokenMalformed));
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let of = |rules: Value| {
        let call = call(json!({"sub": "v1", "exp": NOW_S + 1, "accessRules": rules}));
        outcome(&call.inside("DE")).map(|_| ())
    };
    let block_all = json!({"type": "any", "action": "block"});
    let allow = |country: &str| json!({"type": "ip.geoip.country", "country": [country], "action": "allow"});
    assert_eq!(of(json!([allow("DE"), block_all])), Ok(()));
    assert_eq!(of(json!([allow("FR"), block_all])), Err(Reason::ClientMismatch));
    let block = |country: &str| json!({"type": "ip.geoip.country", "country": [country], "action": "block"});
    assert_eq!(of(json!([block("DE")])), Err(Reason::CountryMismatch));
    assert_eq!(of(json!([block("FR")])), Ok(()));
    let ip = |range: &str| json!({"type": "ip.src", "ip": [range], "action": "block"});
    assert_eq!(of(json!([ip("1.2.3.0/24")])), Err(Reason::ClientMismatch));
    assert_eq!(of(json!([ip("1.2.4.0/24")])), Ok(()));
    assert_eq!(of(json!([{"type": "novel", "action": "allow"}])), Err(Reason::ClaimUnsupported));
    assert_eq!(of(json!([{"type": "any", "action": "maybe"}])), Err(Reason::ClaimUnsupported));
    assert_eq!(of(json!("any")), Err(Reason::TokenMalformed));
}
