use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_origin_kit::testkit::{Client, START};

use super::{links, shorten};

fn event(seq: i64, bot: bool) -> Value {
    json!({ "seq": seq, "code": "a", "at_us": START - 3_600_000_000 * (seq % 5), "bot": bot,
        "referer": if seq % 2 == 0 { "https://news.example/secret?user=1" } else { "" },
        "country": "DE", "ua_class": "phone" })
}

async fn report(client: &Client, edge: &str, events: &[Value]) -> (u64, u64) {
    let answer = client.post("/v1/clicks", &json!({ "edge": edge, "events": events })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    (body["accepted"].as_u64().unwrap(), body["duplicates"].as_u64().unwrap())
}

async fn world() -> (tidegate_origin_kit::testkit::World, Client) {
    let (world, client) = links().await;
    let made = shorten(&client, json!({ "url": "https://example.com/", "alias": "a" })).await;
    assert_eq!(made.status, 201);
    (world, client)
}

#[tokio::test]
async fn a_click_counts_once_however_often_it_is_reported() {
    let (_world, client) = world().await;
    let events: Vec<_> = (0..10).map(|seq| event(seq, seq >= 8)).collect();
    assert_eq!(report(&client, "e1", &events).await, (10, 0));
    assert_eq!(report(&client, "e1", &events).await, (0, 10));
    assert_eq!(report(&client, "e1", &[event(9, true), event(10, false)]).await, (1, 1));
    assert_eq!(report(&client, "e2", &[event(9, false), event(9, false)]).await, (1, 1));
    let seen = client.get("/analytics/a").await.json();
    assert_eq!((&seen["clicks"], &seen["bots"]), (&json!(10), &json!(2)));
}

#[tokio::test]
async fn analytics_say_when_and_from_where() {
    let (_world, client) = world().await;
    let events: Vec<_> = (0..10).map(|seq| event(seq, seq == 9)).collect();
    report(&client, "e1", &events).await;
    let seen =
        client.get("/analytics/a?from=2025-12-31T12:00:00Z&to=2026-01-01T01:00:00Z").await.json();
    assert_eq!(seen["step"], 3600);
    let series = seen["series"].as_array().unwrap();
    assert_eq!(series.len(), 5);
    assert_eq!(series[4], json!({ "at": "2026-01-01T00:00:00Z", "clicks": 2, "bots": 0 }));
    assert_eq!(seen["referrers"][0], json!({ "value": "news.example", "clicks": 5 }));
    assert_eq!(seen["referrers"][1], json!({ "value": "", "clicks": 4 }));
    assert_eq!(seen["countries"], json!([{ "value": "DE", "clicks": 9 }]));
    let with_bots = client.get("/analytics/a?bots=true").await.json();
    assert_eq!(with_bots["devices"], json!([{ "value": "phone", "clicks": 10 }]));
    assert!((seen["bot_share"].as_f64().unwrap() - 0.1).abs() < 1e-9);
}

#[tokio::test]
async fn spans_and_batches_have_bounds() {
    let (_world, client) = world().await;
    assert_eq!(client.get("/analytics/none").await.status, 404);
    assert_eq!(client.get("/analytics/a?from=2026-01-02T00:00:00Z").await.status, 422);
    assert_eq!(client.get("/analytics/a?from=2000-01-01T00:00:00Z").await.status, 422);
    let many: Vec<_> = (0..1001).map(|seq| event(seq, false)).collect();
    let answer = client.post("/v1/clicks", &json!({ "edge": "e", "events": many })).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a large body is read, then refused"
    );
    let answer = client.post("/v1/clicks", &json!({ "edge": "", "events": [] })).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn hostile_fields_are_kept_as_text_without_controls() {
    let (_world, client) = world().await;
    let hostile = json!({ "seq": 1, "code": "a", "at_us": START, "referer": "https://<script>/", "country": "\u{7}X",
        "ua_class": "x".repeat(500) });
    assert_eq!(report(&client, "e", &[hostile]).await, (1, 0));
    let seen = client.get("/analytics/a?to=2026-01-02T00:00:00Z").await.json();
    assert_eq!(seen["countries"][0]["value"], "X");
    assert_eq!(seen["devices"][0]["value"].as_str().unwrap().len(), 100);
}

#[tokio::test]
async fn batches_at_the_same_time_and_a_restart_add_up() {
    let (world, client) = world().await;
    // Every click is in two batches of different cut, as after lost acknowledgements.
    let batches = (0..20)
        .map(|n| (n * 10..n * 10 + 20).map(|seq| event(seq % 200, false)).collect::<Vec<_>>());
    let reports = batches.map(|events| {
        let client = client.clone();
        async move { report(&client, "e1", &events).await }
    });
    let accepted: u64 = futures_util::future::join_all(reports).await.iter().map(|(a, _)| a).sum();
    assert_eq!(accepted, 200);
    let again = world.client(crate::service(&world.cx, None).await.unwrap());
    assert_eq!(report(&again, "e1", &[event(7, false)]).await, (0, 1));
    let seen = again.get("/analytics/a?to=2026-01-02T00:00:00Z").await.json();
    assert_eq!(seen["clicks"], 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn counts_equal_the_set_of_clicks(reports in prop::collection::vec((0..3_u8, prop::collection::vec(0..40_i64, 0..30)), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (counted, expected) = runtime.block_on(async {
            let (_world, client) = world().await;
            let mut expected = std::collections::HashSet::new();
            for (edge, seqs) in &reports {
                let events: Vec<_> = seqs.iter().map(|seq| event(*seq, false)).collect();
                report(&client, &format!("e{edge}"), &events).await;
                expected.extend(seqs.iter().map(|seq| (*edge, *seq)));
            }
            let seen = client.get("/analytics/a?to=2026-01-02T00:00:00Z").await.json();
            (seen["clicks"].as_u64().unwrap(), expected.len() as u64)
        });
        prop_assert_eq!(counted, expected);
    }
}
