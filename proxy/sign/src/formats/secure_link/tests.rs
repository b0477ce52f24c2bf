use super::*;
use crate::encode::to_base64url;
use crate::testing::{Call, keyset, secret};

fn md5(message: &str) -> String {
    to_base64url(&Md5::digest(message.as_bytes()))
}

#[test]
fn every_variable_is_taken_from_the_request() {
    let template = "$scheme|$host|$uri|$request_method|$arg_v|$http_user_agent|$secret";
    let keys = keyset(FORMAT, &[("template", template)], secret("utf8:s3"));
    let hash = md5("https|h|/a b|GET|7|curl|s3");
    let call = Call::get(&format!("https://h/a%20b?v=7&md5={hash}")).with("user-agent", "curl");
    assert_eq!(call.verify(&keys, 0), Ok(("/a%20b".into(), Some("v=7".into()))));
    let other = Call::get(&format!("https://h/a%20b?v=8&md5={hash}")).with("user-agent", "curl");
    assert_eq!(other.verify(&keys, 0), Err(Reason::SignatureInvalid));
}

#[test]
fn a_template_with_a_time_demands_one() {
    let template = [("template", "$secure_link_expires$uri$secret"), ("expires", "e")];
    let keys = keyset(FORMAT, &template, secret("utf8:s3"));
    let without = Call::get(&format!("https://h/a?md5={}", md5("/as3")));
    assert_eq!(without.verify(&keys, 0), Err(Reason::TokenMalformed));
    let with = Call::get(&format!("https://h/a?md5={}&e=10", md5("10/as3")));
    assert_eq!(with.verify(&keys, 9), Ok(("/a".into(), None)));
    assert_eq!(with.verify(&keys, 10), Err(Reason::Expired));
}

#[test]
fn templates_that_mean_nothing_are_refused() {
    for template in ["", "$nope", "$", "${uri", "$Uri"] {
        let settings = BTreeMap::from([("template".to_owned(), template.to_owned())]);
        assert!(SecureLink::new(&settings).is_err(), "{template}");
    }
    let settings = BTreeMap::from([("template".to_owned(), "$uri hush".to_owned())]);
    let shown = format!("{:?}", SecureLink::new(&settings).expect("a template"));
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn padding_is_read_as_nginx_reads_it() {
    let keys = keyset(FORMAT, &[("template", "$secure_link_expires$uri$secret")], secret("utf8:s"));
    let hash = to_base64url(&Md5::digest(b"2147483647/as"));
    for token in [hash.clone(), format!("{hash}==")] {
        let call = Call::get(&format!("http://h/a?md5={token}&expires=2147483647"));
        assert!(call.verify(&keys, 0).is_ok(), "{token}");
    }
}
