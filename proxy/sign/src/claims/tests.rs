use serde_json::json;

use super::*;

fn values(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    let mut values = Vec::new();
    each_value(claims, name, &mut |value| values.push(value.to_owned()));
    values
}

#[test]
fn a_name_is_taken_as_it_stands_before_its_levels() {
    let Value::Object(claims) = json!({
        "plan": "pro", "level": 3, "beta": true, "none": null,
        "aud": ["a", 7, false, {"no": "scalar"}, null],
        "org": {"plan": {"name": "gold"}, "plan.name": "plain"},
        "https://example.com/plan": "spaced",
        "https://example": {"com/plan": "nested"},
    }) else {
        panic!("an object")
    };
    assert_eq!(values(&claims, "plan"), ["pro"]);
    assert_eq!(values(&claims, "level"), ["3"]);
    assert_eq!(values(&claims, "beta"), ["true"]);
    assert_eq!(values(&claims, "aud"), ["a", "7", "false"]);
    assert_eq!(values(&claims, "org.plan.name"), ["plain"]);
    assert_eq!(values(&claims, "https://example.com/plan"), ["spaced"]);
    for absent in ["none", "org", "org.plan", "plan.pro", "org.", ".org", "", "plan."] {
        assert!(values(&claims, absent).is_empty(), "{absent}");
    }
}

#[test]
fn a_cwt_has_the_same_names() {
    use cbor::Value::{Array, Bytes, Int, Map as Entries, Simple, Text};
    let claims = of_cbor(&[
        (Int(2), Text("u1")),
        (Int(7), Bytes(&[0xab, 1])),
        (Int(-70_001), Int(5)),
        (Text("plan"), Array(vec![Text("pro"), Simple(21)])),
        (Text("org"), Entries(vec![(Text("tier"), Int(-2))])),
    ]);
    assert_eq!(values(&claims, "sub"), ["u1"]);
    assert_eq!(values(&claims, "cti"), ["ab01"]);
    assert_eq!(values(&claims, "-70001"), ["5"]);
    assert_eq!(values(&claims, "plan"), ["pro", "true"]);
    assert_eq!(values(&claims, "org.tier"), ["-2"]);
}
