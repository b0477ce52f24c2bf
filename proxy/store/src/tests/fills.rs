use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_cache::{ByteRange, Policy, Reason, decide_store};
use tidegate_http::{Fields as _, ResponseHead};
use tokio::time::timeout;

use super::support::*;
use crate::{Arrival, FillError, FillStop, Flight, Store};

const FRESH: &str = "cache-control: max-age=60";
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn one_fetch_serves_all_while_it_runs() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, mut leader) = ask.lead(&store);
    let early = ask.join(&store);
    ask.head(&mut fill, 200, FRESH);
    fill.body("one ".into()).await.unwrap();
    assert!(matches!(leader.head().await, Ok(Arrival::Stream(_))));
    assert_eq!(leader.chunk().await, Ok(Some(Bytes::from("one "))));
    let late = ask.join(&store);
    fill.body("two".into()).await.unwrap();
    let object = fill.finish().unwrap().unwrap();
    assert_eq!(read(early).await.unwrap(), b"one two");
    assert_eq!(read(late).await.unwrap(), b"one two");
    assert_eq!(leader.chunk().await, Ok(Some(Bytes::from("two"))));
    assert_eq!(leader.chunk().await, Ok(None));
    assert!(Arc::ptr_eq(&ask.lookup(&store).unwrap(), &object));
    assert!(matches!(ask.begin(&store), Flight::Ready(_)));
    let stats = store.stats();
    assert_eq!(
        (stats.fills_total, stats.joined_total, stats.fills, stats.fills_bytes),
        (1, 2, 0, 0)
    );
}

#[tokio::test]
async fn a_dropped_fill_is_an_error_for_everybody_and_stores_nothing() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, leader) = ask.lead(&store);
    ask.head(&mut fill, 200, FRESH);
    let follower = ask.join(&store);
    fill.body("half".into()).await.unwrap();
    drop(fill);
    assert_eq!(read(leader).await, Err(FillError::Broken));
    assert_eq!(read(follower).await, Err(FillError::Broken));
    assert_eq!(ask.lookup(&store).unwrap_err(), Reason::UriMiss);
    let stats = store.stats();
    assert_eq!((stats.fills, stats.fills_failed_total, stats.fills_bytes), (0, 1, 0));
    drop(ask.lead(&store));
}

#[tokio::test]
async fn a_fill_dropped_before_its_head_is_an_error() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (fill, leader) = ask.lead(&store);
    let waiting = tokio::spawn(read(ask.join(&store)));
    tokio::task::yield_now().await;
    drop(fill);
    assert_eq!(read(leader).await, Err(FillError::Broken));
    assert_eq!(timeout(DEADLINE, waiting).await.unwrap().unwrap(), Err(FillError::Broken));
}

#[tokio::test]
async fn fewer_or_more_bytes_than_announced_are_an_error() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, leader) = ask.lead(&store);
    ask.head(&mut fill, 200, "cache-control: max-age=60\ncontent-length: 5");
    fill.body("1234".into()).await.unwrap();
    let error = FillError::Length { expected: 5, got: 4 };
    assert_eq!(fill.finish().unwrap_err(), error);
    assert_eq!(read(leader).await, Err(error));
    let (mut fill, leader) = ask.lead(&store);
    ask.head(&mut fill, 200, "cache-control: max-age=60\ncontent-length: 5");
    assert_eq!(fill.body("123456".into()).await, Err(FillStop::TooLong));
    assert_eq!(read(leader).await, Err(FillError::Length { expected: 5, got: 6 }));
    assert!(ask.lookup(&store).is_err());
}

#[tokio::test]
async fn a_slow_or_absent_reader_does_not_hold_a_fill() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, leader) = ask.lead(&store);
    ask.head(&mut fill, 200, FRESH);
    let slow = ask.join(&store);
    drop(leader);
    for _ in 0..100 {
        fill.body(Bytes::from(vec![7; 1000])).await.unwrap();
    }
    fill.finish().unwrap().unwrap();
    assert_eq!(read(slow).await.unwrap(), vec![7; 100_000]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_shared_releases_those_who_wait_and_is_remembered() {
    for response in ["cache-control: no-store", "cache-control: no-cache\netag: \"x\"", "vary: *"] {
        let store = store();
        let ask = ask(&store, "/a", "");
        let (mut fill, leader) = ask.lead(&store);
        let mut waiting = ask.join(&store);
        ask.head(&mut fill, 200, response);
        assert!(matches!(waiting.head().await, Ok(Arrival::Again)), "{response}");
        let (_fill, _reader) = ask.lead(&store);
        let (_fill, _reader) = ask.lead(&store);
        fill.body("mine".into()).await.unwrap();
        fill.finish().unwrap();
        assert_eq!(read(leader).await.unwrap(), b"mine");
    }
}

#[tokio::test]
async fn going_alone_is_not_for_ever() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, _reader) = ask.lead(&store);
    ask.head(&mut fill, 200, "cache-control: no-store");
    let last = ask.clone().at(NOW_MS + config().hit_for_miss_ms - 1);
    let (_alone, _reader) = last.lead(&store);
    let later = ask.at(NOW_MS + config().hit_for_miss_ms);
    let (_fill, _reader) = later.lead(&store);
    later.join(&store);
}

/// Nobody can keep others from sharing by what a request says.
#[tokio::test]
async fn an_authorised_request_goes_alone_and_disturbs_nobody() {
    let store = store();
    let personal = ask(&store, "/a", "authorization: Basic eDp5");
    let (mut alone, _reader) = personal.lead(&store);
    let plain = ask(&store, "/a", "");
    let (_fill, _reader) = plain.lead(&store);
    assert_eq!(personal.head(&mut alone, 200, FRESH), Reason::Authorization);
    plain.join(&store);
}

/// RFC 9111 §5.2.2.4: each use is validated by itself.
#[tokio::test]
async fn a_validation_of_no_cache_is_not_shared() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let old = ask.store(&store, "cache-control: no-cache\netag: \"x\"", "body").await;
    let (_first, _reader) = lead(store.begin(&ask.wanted(), Some(&old)));
    let (_second, _reader) = lead(store.begin(&ask.wanted(), Some(&old)));
}

#[tokio::test]
async fn a_shareable_answer_ends_going_alone() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, _reader) = ask.lead(&store);
    ask.head(&mut fill, 200, "cache-control: no-store");
    let (mut alone, _reader) = ask.lead(&store);
    ask.head(&mut alone, 200, FRESH);
    drop((fill, alone));
    let (_fill, _reader) = ask.lead(&store);
    ask.join(&store);
}

#[tokio::test]
async fn another_variant_is_fetched_by_itself() {
    let store = store();
    let nl = ask(&store, "/a", "accept-language: nl");
    let en = ask(&store, "/a", "accept-language: en");
    let (mut fill, _leader) = nl.lead(&store);
    let mut waiting = en.join(&store);
    nl.head(&mut fill, 200, "cache-control: max-age=60\nvary: accept-language");
    assert!(matches!(waiting.head().await, Ok(Arrival::Again)));
    let (mut other, _reader) = en.lead(&store);
    en.head(&mut other, 200, "cache-control: max-age=60\nvary: accept-language");
    nl.join(&store);
    en.join(&store);
    fill.body("nl".into()).await.unwrap();
    other.body("en".into()).await.unwrap();
    fill.finish().unwrap();
    other.finish().unwrap();
    assert_eq!(bytes_of(&nl.lookup(&store).unwrap()), b"nl");
    assert_eq!(bytes_of(&en.lookup(&store).unwrap()), b"en");
    let fr = ask(&store, "/a", "accept-language: fr");
    assert_eq!(fr.lookup(&store).unwrap_err(), Reason::VaryMiss);
    // The variants that are known keep apart requests whose head has not come yet.
    let (_fill, _reader) = fr.lead(&store);
    let de = ask(&store, "/a", "accept-language: de");
    let (_fill, _reader) = de.lead(&store);
}

#[tokio::test]
async fn a_range_of_what_is_not_there_yet() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, _leader) = ask.lead(&store);
    let mut reader = ask.join(&store);
    reader.only(ByteRange { start: 3, end: 8 });
    let reading = tokio::spawn(read(reader));
    ask.head(&mut fill, 200, FRESH);
    for piece in ["01", "2345", "6", "789", "rest"] {
        fill.body(piece.into()).await.unwrap();
    }
    // The range is complete before the body is.
    assert_eq!(timeout(DEADLINE, reading).await.unwrap().unwrap().unwrap(), b"34567");
    assert!(fill.is_kept());
}

#[tokio::test]
async fn a_body_that_outgrows_the_limit_passes_and_is_not_stored() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, leader) = ask.lead(&store);
    ask.head(&mut fill, 200, FRESH);
    let follower = ask.join(&store);
    let (leader, follower) = (tokio::spawn(read(leader)), tokio::spawn(read(follower)));
    let total = 4 * config().object_bytes_max as usize;
    for piece in 0..total / 4096 {
        fill.body(Bytes::from(vec![piece as u8; 4096])).await.unwrap();
    }
    assert!(!fill.is_kept());
    assert_eq!(fill.finish().unwrap().map(|_| ()), None);
    assert_eq!(timeout(DEADLINE, leader).await.unwrap().unwrap().unwrap().len(), total);
    // The follower read as fast, or was failed: never a short end.
    match timeout(DEADLINE, follower).await.unwrap().unwrap() {
        Ok(body) => assert_eq!(body.len(), total),
        Err(error) => assert_eq!(error, FillError::Lagged),
    }
    assert!(ask.lookup(&store).is_err());
    assert_eq!(store.stats().fills_bytes, 0);
}

#[tokio::test]
async fn an_announced_size_over_the_limit_is_known_at_once() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, _leader) = ask.lead(&store);
    let too_large = config().object_bytes_max + 1;
    let head = format!("cache-control: max-age=60\ncontent-length: {too_large}");
    assert_eq!(ask.head(&mut fill, 200, &head), Reason::TooLarge);
}

#[tokio::test]
async fn a_passing_fill_waits_for_its_client_and_ends_with_it() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, mut leader) = ask.lead(&store);
    ask.head(&mut fill, 200, "cache-control: no-store");
    let window = config().window_bytes as usize;
    fill.body(Bytes::from(vec![1; window])).await.unwrap();
    let mut next = Box::pin(fill.body("x".into()));
    assert!(futures_poll_once(next.as_mut()).await.is_none());
    leader.chunk().await.unwrap().unwrap();
    timeout(DEADLINE, next).await.unwrap().unwrap();
    drop(leader);
    assert_eq!(fill.body("y".into()).await, Err(FillStop::Abandoned));
}

/// The result of a future if it is ready at once.
async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        use std::task::Poll;
        Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_lagging_follower_is_failed_not_waited_for() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, leader) = ask.lead(&store);
    ask.head(&mut fill, 200, FRESH);
    let mut stuck = ask.join(&store);
    let leader = tokio::spawn(read(leader));
    let total = 4 * config().object_bytes_max as usize;
    for _ in 0..total / 4096 {
        fill.body(Bytes::from(vec![0; 4096])).await.unwrap();
    }
    fill.finish().unwrap();
    assert_eq!(timeout(DEADLINE, leader).await.unwrap().unwrap().unwrap().len(), total);
    assert_eq!(stuck.chunk().await, Err(FillError::Lagged));
    assert_eq!(store.stats().lagged_total, 1);
}

#[tokio::test]
async fn memory_of_fills_is_bounded() {
    let store = store();
    let size = config().object_bytes_max as usize;
    let mut running = Vec::new();
    for n in 0..config().fills_bytes_max / config().object_bytes_max {
        let ask = ask(&store, &format!("/{n}"), "");
        let (mut fill, reader) = ask.lead(&store);
        ask.head(&mut fill, 200, FRESH);
        fill.body(Bytes::from(vec![0; size])).await.unwrap();
        running.push((fill, reader));
    }
    let ask = ask(&store, "/more", "");
    let (mut fill, _reader) = ask.lead(&store);
    let head = format!("cache-control: max-age=60\ncontent-length: {size}");
    assert_eq!(ask.head(&mut fill, 200, &head), Reason::FillMemory);
    drop(running);
    assert_eq!(store.stats().fills_bytes, 0);
}

#[tokio::test]
async fn a_304_freshens_for_everybody() {
    let store = store();
    let first = ask(&store, "/a", "");
    let old = first.store(&store, "cache-control: max-age=5\netag: \"x\"\na: 1", "body").await;
    let later = first.clone().at(NOW_MS + 10_000);
    let (fill, leader) = lead(store.begin(&later.wanted(), Some(&old)));
    let follower = match store.begin(&later.wanted(), Some(&old)) {
        Flight::Join(reader) => reader,
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(fill.stale().unwrap(), &old));
    let answer = ResponseHead { status: 304, fields: fields("etag: \"x\"\na: 2") };
    let policy = Policy::default();
    let new = fill.not_modified(&policy, &later.asked(), &answer, later.now_ms).unwrap();
    assert_eq!(new.fields().first("a"), Some(&b"2"[..]));
    assert!(new.meta().is_fresh(later.now_ms + 4_000));
    assert_eq!(read(leader).await.unwrap(), b"body");
    assert_eq!(read(follower).await.unwrap(), b"body");
    assert!(Arc::ptr_eq(&first.lookup(&store).unwrap(), &new));
}

#[tokio::test]
async fn a_304_for_something_else_gives_the_fill_back() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let old = ask.store(&store, "cache-control: max-age=5\netag: \"x\"", "body").await;
    let (fill, leader) = lead(store.begin(&ask.wanted(), Some(&old)));
    let answer = ResponseHead { status: 304, fields: fields("etag: \"y\"") };
    let again = fill.not_modified(&Policy::default(), &ask.asked(), &answer, NOW_MS);
    let mut fill = again.unwrap_err();
    assert!(fill.stale().is_none());
    ask.clone().at(NOW_MS + 1).head(&mut fill, 200, "cache-control: max-age=5\netag: \"y\"");
    fill.body("new".into()).await.unwrap();
    fill.finish().unwrap();
    assert_eq!(read(leader).await.unwrap(), b"new");
    assert_eq!(bytes_of(&ask.lookup(&store).unwrap()), b"new");
}

#[tokio::test]
async fn a_304_may_take_a_response_out() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let old = ask.store(&store, "cache-control: max-age=5\netag: \"x\"", "body").await;
    let (fill, leader) = lead(store.begin(&ask.wanted(), Some(&old)));
    let answer = ResponseHead { status: 304, fields: fields("cache-control: no-store") };
    fill.not_modified(&Policy::default(), &ask.asked(), &answer, NOW_MS).unwrap();
    assert_eq!(read(leader).await.unwrap(), b"body");
    assert!(ask.lookup(&store).is_err());
}

#[tokio::test]
async fn an_answer_that_may_not_be_stored_takes_the_place_of_the_stored_one() {
    for (status, response, gone) in
        [(200, "cache-control: no-store", true), (404, "", true), (403, "", true), (503, "", false)]
    {
        let store = store();
        let ask = ask(&store, "/a", "");
        let old = ask.store(&store, "cache-control: max-age=5", "old").await;
        let (mut fill, _leader) = lead(store.begin(&ask.wanted(), Some(&old)));
        ask.head(&mut fill, status, response);
        assert_eq!(ask.lookup(&store).is_err(), gone, "{status}");
    }
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_everybody() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let old = ask.store(&store, "cache-control: max-age=5", "old").await;
    let (fill, leader) = lead(store.begin(&ask.wanted(), Some(&old)));
    let Flight::Join(follower) = store.begin(&ask.wanted(), Some(&old)) else { panic!() };
    assert!(fill.serve_stale().is_some());
    assert_eq!(read(leader).await.unwrap(), b"old");
    assert_eq!(read(follower).await.unwrap(), b"old");
    assert!(ask.lookup(&store).is_ok());
    let (fill, leader) = lead(store.begin_alone(&ask.wanted(), None));
    assert!(fill.serve_stale().is_none());
    assert_eq!(read(leader).await, Err(FillError::Broken));
}

#[tokio::test]
async fn withheld_fields_reach_only_the_client_that_caused_the_fetch() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let (mut fill, mut leader) = ask.lead(&store);
    let mut follower = ask.join(&store);
    ask.head(
        &mut fill,
        200,
        "cache-control: max-age=9, private=\"set-cookie\"\nset-cookie: id=1\nconnection: x-hop\nx-hop: 1",
    );
    fill.body("x".into()).await.unwrap();
    let object = fill.finish().unwrap().unwrap();
    let Ok(Arrival::Stream(head)) = leader.head().await else { panic!() };
    assert!(head.response(leader.is_leader()).fields.has("set-cookie"));
    let Ok(Arrival::Stream(head)) = follower.head().await else { panic!() };
    assert!(!head.response(follower.is_leader()).fields.has("set-cookie"));
    assert!(!object.fields().has("set-cookie"));
    for hop in ["connection", "x-hop"] {
        assert!(!object.fields().has(hop) && !head.response(true).fields.has(hop));
    }
}

#[tokio::test]
async fn the_slower_of_two_fetches_does_not_bring_the_older_answer_back() {
    let store = store();
    let early = ask(&store, "/a", "");
    let late = early.clone().at(NOW_MS + 1000);
    let (mut slow, _r1) = lead(store.begin_alone(&early.wanted(), None));
    early.head(&mut slow, 200, FRESH);
    late.store(&store, FRESH, "new").await;
    slow.body("old".into()).await.unwrap();
    slow.finish().unwrap();
    assert_eq!(bytes_of(&early.lookup(&store).unwrap()), b"new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_at_once_cause_one_fetch() {
    let store = store();
    let ask = ask(&store, "/a", "");
    let body: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let (mut fill, leader) = ask.lead(&store);
    let mut clients = vec![tokio::spawn(read(leader))];
    clients.extend((0..200).map(|_| tokio::spawn(read(ask.join(&store)))));
    ask.head(&mut fill, 200, FRESH);
    for piece in body.chunks(777) {
        fill.body(Bytes::copy_from_slice(piece)).await.unwrap();
        tokio::task::yield_now().await;
    }
    fill.finish().unwrap();
    for client in clients {
        assert_eq!(timeout(DEADLINE, client).await.unwrap().unwrap().unwrap(), body);
    }
    assert_eq!(store.stats().fills_total, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_clients_never_fetch_twice() {
    let store = store();
    for round in 0..200 {
        let ask = ask(&store, &format!("/{round}"), "");
        let client = |store: Store, ask: Ask| async move {
            match ask.lookup(&store).ok().map_or_else(|| ask.begin(&store), Flight::Ready) {
                Flight::Ready(object) => bytes_of(&object),
                Flight::Join(reader) => read(reader).await.unwrap(),
                Flight::Lead(mut fill, _reader) => {
                    tokio::task::yield_now().await;
                    ask.head(&mut fill, 200, FRESH);
                    fill.body("body".into()).await.unwrap();
                    bytes_of(&fill.finish().unwrap().unwrap())
                }
            }
        };
        let clients: Vec<_> =
            (0..8).map(|_| tokio::spawn(client(store.clone(), ask.clone()))).collect();
        for client in clients {
            assert_eq!(timeout(DEADLINE, client).await.unwrap().unwrap(), b"body");
        }
    }
    assert_eq!(store.stats().fills_total, 200);
}

/// A site may keep less than the node would.
#[tokio::test]
async fn a_policy_may_lower_the_largest_object() {
    let store = store();
    let policy = Policy { object_bytes_max: Some(10), ..Policy::default() };
    for (body, length, kept) in
        [("0123456789", true, true), ("0123456789x", true, false), ("0123456789x", false, false)]
    {
        let ask = ask(&store, body, "");
        let (mut fill, reader) = ask.lead(&store);
        let mut text = "cache-control: max-age=60".to_owned();
        if length {
            text += &format!("\ncontent-length: {}", body.len());
        }
        let response = ResponseHead { status: 200, fields: fields(&text) };
        let decision = decide_store(&policy, &ask.asked(), &response, ask.now_ms);
        fill.head(response, decision, ask.now_ms);
        fill.body(Bytes::copy_from_slice(body.as_bytes())).await.unwrap();
        assert_eq!(fill.finish().unwrap().is_some(), kept, "{body} {length}");
        assert_eq!(read(reader).await.unwrap(), body.as_bytes());
    }
}
