use axum::response::IntoResponse;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use crate::auth::{Access, sha256_hex};
use crate::caching::{Caching, SURROGATE_KEY_BYTES_MAX};
use crate::clock::Moment;
use crate::pages::{Cursors, Page};
use crate::settings::Sections;
use crate::{Clock, Fault, Settings, random};

#[test]
fn a_defect_keeps_its_cause_to_itself() {
    for fault in [
        Fault::bug("secret cause"),
        Fault::Unavailable { retry_secs: 7, cause: "secret cause".into() },
    ] {
        let text = serde_json::to_string(&fault.problem()).unwrap();
        assert!(!text.contains("secret") && fault.to_string().contains("secret"));
    }
    let late = Fault::Unavailable { retry_secs: 7, cause: String::new() }.into_response();
    assert_eq!(late.headers()["retry-after"], "7");
    assert_eq!(late.headers()["cache-control"], "no-store");
}

#[test]
fn caching_has_one_spelling_each() {
    assert_eq!(Caching::Never.header(), "no-store");
    assert_eq!(Caching::Own { max_age_secs: 3 }.header(), "private, max-age=3");
    let shared = Caching::Public { max_age_secs: 1, shared_secs: Some(9), stale_secs: 4 };
    assert_eq!(shared.header(), "public, max-age=1, s-maxage=9, stale-while-revalidate=4");
}

#[test]
fn surrogate_keys_are_words_and_have_a_bound() {
    let keys = Caching::public(1).key("a").key("no word").key("b\r\nx").key("").key("c");
    let response = (keys, "").into_response();
    assert_eq!(response.headers()["surrogate-key"], "a c");
    let many = (0..2000).fold(Caching::public(1).key("k"), |keys, n| keys.key(format!("key{n}")));
    assert!((many, "").into_response().headers()["surrogate-key"].len() <= SURROGATE_KEY_BYTES_MAX);
}

#[test]
fn cursors_of_others_are_refused() {
    let ours = Cursors::new(b"ours");
    let cursor = ours.seal(&(5, "x"));
    assert_eq!(ours.open::<(i64, String)>(&cursor).unwrap(), (5, "x".to_owned()));
    assert!(Cursors::new(b"theirs").open::<(i64, String)>(&cursor).is_err());
    for bad in ["", "A", "!!", &cursor[1..], &"A".repeat(5000)] {
        assert!(ours.open::<(i64, String)>(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_page_has_a_next_one_only_when_there_is_more() {
    let page = |n| Page::cut((0..n).collect::<Vec<i32>>(), 3, ToString::to_string);
    assert_eq!((page(3).items.len(), page(3).next), (3, None));
    assert_eq!((page(4).items, page(4).next), (vec![0, 1, 2], Some("2".to_owned())));
}

#[test]
fn moments_are_read_in_both_forms_and_written_in_one() {
    for text in ["\"2026-01-01T00:00:00Z\"", "\"2026-01-01T01:00:00+01:00\"", "1767225600"] {
        let moment: Moment = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&moment).unwrap(), "\"2026-01-01T00:00:00Z\"");
    }
    for text in ["\"tomorrow\"", "1e30", "null", "9223372036854775807"] {
        assert!(serde_json::from_str::<Moment>(text).is_err(), "{text}");
    }
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Section {
    n: u32,
}

fn sections(value: serde_json::Value) -> Sections {
    serde_json::from_value(value).unwrap()
}

#[test]
fn settings_change_as_a_whole_or_not_at_all() {
    let settings = Settings::new(sections(json!({ "a": { "n": 1 } })));
    let a = settings.typed::<Section>("a").unwrap();
    let b = settings.typed::<Section>("b").unwrap();
    assert_eq!((a.now().n, b.now().n), (1, 0));
    let wrong =
        settings.replace(sections(json!({ "a": { "n": 2 }, "b": { "m": 3 } }))).unwrap_err();
    assert_eq!((wrong.len(), wrong[0].section), (1, "b"));
    assert_eq!((a.now().n, b.now().n), (1, 0), "the good section waits for the bad one");
    settings.replace(sections(json!({ "a": { "n": 2 }, "b": { "n": 3 } }))).unwrap();
    assert_eq!((a.now().n, b.now().n), (2, 3));
    settings.replace(Sections::new()).unwrap();
    assert_eq!((a.now().n, b.now().n), (0, 0));
    assert!(Settings::new(sections(json!({ "a": "text" }))).typed::<Section>("a").is_err());
}

#[test]
fn keys_are_compared_by_their_hash() {
    let keys = json!([{ "id": "k", "sha256": sha256_hex(b"tg_key"), "scopes": ["x:read"] }]);
    let access: Access = serde_json::from_value(keys).unwrap();
    let may = |value: &str, scope| {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value.parse().unwrap());
        access.require(&headers, scope).map(|p| p.id.into_owned()).map_err(|f| f.status().as_u16())
    };
    assert_eq!(may("Bearer tg_key", "x:read"), Ok("k".to_owned()));
    assert_eq!(may("bearer  tg_key", "x:write"), Err(403));
    for other in ["Bearer tg_kez", "Basic tg_key", "Bearer", "Bearer "] {
        assert_eq!(may(other, "x:read"), Err(401), "{other}");
    }
    assert_eq!(Access::default().require(&HeaderMap::new(), "x:read").unwrap().id, "open");
}

#[test]
fn identifiers_sort_by_time() {
    let clock = Clock::manual(1_767_225_600_000_000);
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(random::id(clock.now()));
        clock.advance(1_000);
    }
    assert!(ids.is_sorted());
    assert!(ids.iter().all(|id| id.len() == 26));
}
