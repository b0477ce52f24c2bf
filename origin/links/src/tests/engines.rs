use serde_json::json;
use tidegate_origin_kit::testkit::World;
use tidegate_sql::testing;

use crate::DATABASE;

#[tokio::test]
async fn every_statement_is_prepared_on_every_engine() {
    for engine in testing::engines(&DATABASE.options()).await {
        let refused = testing::prepare_all(&engine.db, DATABASE.statements).await;
        assert_eq!(refused, Vec::<String>::new(), "{}", engine.db.engine());
        let kit = tidegate_origin_kit::store::STATEMENTS;
        assert_eq!(testing::prepare_all(&engine.db, kit).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_link_lives_the_same_life_on_every_engine() {
    for engine in testing::engines(&DATABASE.options()).await {
        let mut world = World::new(json!({ "links": { "short_base": "https://go.example" } }));
        world.cx.database.clone_from(&engine.address);
        let client = world.client(crate::service(&world.cx, None).await.unwrap());
        let key = [("idempotency-key", "k")];
        let body =
            json!({ "url": "https://example.com/", "alias": "x", "max_visits": 1, "tags": ["t"] });
        for _ in 0..2 {
            let made = client.json(http::Method::POST, "/shorten", &body, &key).await;
            assert_eq!(made.status, 201, "{}: {}", engine.db.engine(), made.text());
        }
        assert_eq!(client.get("/x").await.status, 302);
        assert_eq!(client.get("/x").await.status, 410);
        assert_eq!(client.get("/v1/links?tag=t&q=EXAMPLE").await.json()["items"][0]["visits"], 1);
        let click = json!({ "seq": 1, "code": "x", "at_us": tidegate_origin_kit::testkit::START, "country": "FR" });
        let batch = json!({ "edge": "e", "events": [click.clone(), click] });
        assert_eq!(
            client.post("/v1/clicks", &batch).await.json(),
            json!({ "accepted": 1, "duplicates": 1 })
        );
        let seen = client.get("/analytics/x?to=2026-01-02T00:00:00Z").await.json();
        assert_eq!(seen["countries"], json!([{ "value": "FR", "clicks": 1 }]));
        let gone = client.json(http::Method::DELETE, "/v1/links/x", &json!({}), &[]).await;
        assert_eq!(gone.status, 204);
        assert_eq!(client.get("/v1/links").await.json()["items"], json!([]));
    }
}
