use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_cache::{ByteRange, Reason};

use super::support::*;
use crate::{Body, Config, Store};

async fn object(response: &str, body: &str) -> (Store, Arc<crate::Object>) {
    let store = store();
    let ask = ask(&store, "/a", "");
    let object = ask.store(&store, response, body).await;
    (store, object)
}

#[tokio::test]
async fn the_head_is_ready_to_be_written() {
    let (_store, object) =
        object("cache-control: max-age=60\nage: 5\ndate: Sat, 21 Nov 2026 00:00:00 GMT", "12345")
            .await;
    let head = std::str::from_utf8(object.head()).unwrap();
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n\
         date: Sat, 21 Nov 2026 00:00:00 GMT\r\ncontent-length: 5\r\n"
    );
    assert_eq!(object.fields().len(), 3);
    assert_eq!(object.meta().age_s(NOW_MS), 5);
}

/// RFC 9110 §6.6.1.
#[tokio::test]
async fn a_missing_date_is_that_of_receipt() {
    let (_store, object) = object("cache-control: max-age=60", "").await;
    assert_eq!(object.fields().text("date"), Some("Sat, 21 Nov 2026 00:00:00 GMT"));
}

#[tokio::test]
async fn parts_and_refusals() {
    let (_store, object) =
        object("cache-control: max-age=60\ncontent-type: text/plain\netag: \"x\"", "0123456789")
            .await;
    let part = object.partial(ByteRange { start: 2, end: 5 });
    assert_eq!((part.status, part.fields.text("content-range")), (206, Some("bytes 2-4/10")));
    assert_eq!(part.fields.text("content-length"), Some("3"));
    let refusal = object.unsatisfiable();
    assert_eq!((refusal.status, refusal.fields.text("content-range")), (416, Some("bytes */10")));
    let not_modified = object.not_modified();
    assert_eq!(not_modified.fields.text("etag"), Some("\"x\""));
    assert_eq!(not_modified.fields.text("content-type"), None);
    assert_eq!(not_modified.fields.text("content-length"), None);
}

/// RFC 9110 §14.6.
#[tokio::test]
async fn several_parts() {
    let (_store, object) =
        object("cache-control: max-age=60\ncontent-type: text/plain", "0123456789").await;
    let ranges = [ByteRange { start: 0, end: 2 }, ByteRange { start: 8, end: 10 }];
    let (head, pieces) = object.multipart(&ranges);
    let boundary = head.fields.text("content-type").unwrap().rsplit_once('=').unwrap().1;
    let body = String::from_utf8(pieces.concat()).unwrap();
    let part = |range, text| {
        format!(
            "\r\n--{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes {range}/10\r\n\r\n{text}"
        )
    };
    let expected = format!("{}{}\r\n--{boundary}--\r\n", part("0-1", "01"), part("8-9", "89"));
    assert_eq!(body, expected);
    assert_eq!(head.fields.text("content-length"), Some(&*body.len().to_string()));
    assert_eq!(head.fields.text("content-range"), None);
}

#[tokio::test]
async fn ram_stays_under_its_limit() {
    let store = store();
    let body = "x".repeat(100_000);
    for n in 0..200 {
        ask(&store, &format!("/{n}"), "").store(&store, "cache-control: max-age=60", &body).await;
        let stats = store.stats();
        assert!(stats.bytes <= stats.bytes_max);
    }
    let stats = store.stats();
    assert!(stats.keys > 20 && stats.evicted_total > 100, "{stats:?}");
    assert_eq!(stats.stored_total, 200);
}

/// Also beside many small ones, and whatever the capacity.
#[tokio::test]
async fn the_largest_object_gets_in() {
    for ram_mib in [4, 16, 300] {
        let config = Config::new(ram_mib << 20, config().seed);
        let largest = "x".repeat(config.object_bytes_max as usize);
        let store = Store::new(config);
        for n in 0..2_000 {
            ask(&store, &format!("/{n}"), "")
                .store(&store, "cache-control: max-age=60", "small")
                .await;
        }
        let ask = ask(&store, "/largest", "");
        ask.store(&store, "cache-control: max-age=60", &largest).await;
        assert!(ask.lookup(&store).is_ok(), "{ram_mib}");
    }
}

#[tokio::test]
async fn what_is_used_outlives_a_scan() {
    let store = store();
    let body = "x".repeat(20_000);
    let popular = ask(&store, "/popular", "");
    popular.store(&store, "cache-control: max-age=60", &body).await;
    for n in 0..2_000 {
        assert!(popular.lookup(&store).is_ok(), "lost after {n}");
        ask(&store, &format!("/{n}"), "").store(&store, "cache-control: max-age=60", &body).await;
    }
}

#[tokio::test]
async fn variants_are_bounded() {
    let store = store();
    for n in 0..100 {
        let ask = ask(&store, "/a", &format!("x: {n}"));
        ask.store(&store, "cache-control: max-age=60\nvary: x", "body").await;
    }
    let first = ask(&store, "/a", "x: 0");
    assert_eq!(first.lookup(&store).unwrap_err(), Reason::VaryMiss);
    assert!(ask(&store, "/a", "x: 99").lookup(&store).is_ok());
    assert_eq!(store.variants(&first.key).len(), 32);
}

proptest! {
    #[test]
    fn a_body_is_its_pieces(
        sizes in prop::collection::vec(1usize..60_000, 0..24), start in 0u64..400_000, length in 1u64..400_000,
    ) {
        let pieces: Vec<Bytes> =
            sizes.iter().enumerate().map(|(n, size)| Bytes::from(vec![n as u8; *size])).collect();
        let whole = pieces.concat();
        let body = Body::from_pieces(pieces);
        prop_assert_eq!(body.len() as usize, whole.len());
        prop_assert_eq!(body.pieces().concat(), &whole[..]);
        let total = whole.len() as u64;
        let range = ByteRange { start: start.min(total), end: (start + length).min(total) };
        let mut out = Vec::new();
        body.slice(range, &mut out);
        prop_assert_eq!(out.concat(), &whole[range.start as usize..range.end as usize]);
    }
}
