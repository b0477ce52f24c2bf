use super::problem;

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}

#[test]
fn members_stand_in_the_order_of_the_standard() {
    let body = text(problem(429, "", "Too Many Requests", "slow down", &[("limit", "per-client")]));
    assert_eq!(
        body,
        concat!(
            r#"{"type":"about:blank","title":"Too Many Requests","status":429,"#,
            r#""detail":"slow down","limit":"per-client"}"#,
            "\n"
        )
    );
}

#[test]
fn quotes_controls_and_backslashes_are_escaped() {
    let body = text(problem(400, "urn:x", "a\"b\\c", "é\n\u{1}", &[("k\"", "v")]));
    assert!(body.contains(r#""title":"a\"b\\c""#), "{body}");
    assert!(body.contains(r#""detail":"é\n\u0001","k\"":"v""#), "{body}");
}
