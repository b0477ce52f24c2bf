use http::Method;
use serde_json::json;
use tidegate_origin_kit::testkit::{Answer, Client};

use super::{code_of, links, links_with, shorten};

const TARGET: &str = "https://example.com/page?x=1";

async fn patch(client: &Client, code: &str, body: serde_json::Value) -> Answer {
    client.json(Method::PATCH, &format!("/v1/links/{code}"), &body, &[]).await
}

async fn delete(client: &Client, code: &str) -> Answer {
    client.json(Method::DELETE, &format!("/v1/links/{code}"), &json!({}), &[]).await
}

#[tokio::test]
async fn a_new_link_redirects() {
    let (_world, client) = links().await;
    let made = shorten(&client, json!({ "url": TARGET })).await;
    assert_eq!(made.status, 201);
    let link = made.json();
    let code = link["code"].as_str().unwrap();
    assert_eq!(code.len(), 7);
    assert_eq!(link["short_url"], format!("https://go.example/{code}"));
    assert_eq!(made.field("location"), format!("/v1/links/{code}"));

    let visit = client.get(&format!("/{code}")).await;
    assert_eq!(visit.status, 302);
    assert_eq!(visit.field("location"), TARGET);
    assert_eq!(visit.field("cache-control"), "no-store");
    assert_eq!(visit.field("surrogate-key"), format!("link:default:{code}"));
}

#[tokio::test]
async fn a_body_without_content_type_and_a_form_type_are_read_as_json() {
    let (_world, client) = links().await;
    let body = json!({ "url": TARGET });
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let made = client.json(Method::POST, "/shorten", &body, &form).await;
    assert_eq!(made.status, 201, "{}", made.text());
}

#[tokio::test]
async fn an_unknown_code_is_a_problem() {
    let (_world, client) = links().await;
    let visit = client.get("/AAAAAAA").await;
    assert_eq!(visit.status, 404);
    assert_eq!(visit.field("content-type"), "application/problem+json");
    assert_eq!(visit.json()["type"], "urn:tidegate:problem:not-found");
    assert_eq!(visit.json()["trace"], visit.field("x-request-id"));
}

#[tokio::test]
async fn an_edge_is_told_what_it_needs() {
    let (_world, client) = links().await;
    let made = shorten(
        &client,
        json!({ "url": TARGET, "alias": "a", "redirect": 307, "expires_at": 1_800_000_000 }),
    );
    assert_eq!(made.await.status, 201);
    for path in ["/v1/resolve/default/a", "/v1/resolve/a"] {
        let told = client.get(path).await;
        assert_eq!(told.status, 200);
        assert_eq!(told.field("etag"), "\"v1\"");
        let expected = json!({ "status": 307, "location": TARGET, "expires_at": 1_800_000_000_000_000_i64,
            "version": 1, "hot": true });
        assert_eq!(told.json(), expected);
    }
    assert_eq!(client.get("/v1/resolve/default/b").await.json()["status"], 404);
    assert_eq!(client.get("/v1/resolve/nowhere/a").await.status, 404);
    let metrics = client.get("/metrics").await.text();
    let line = r#"links_resolve_requests_total{form="resolve",outcome="redirect"} 2"#;
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn an_alias_is_given_once_even_after_deletion() {
    let (_world, client) = links().await;
    let body = json!({ "url": TARGET, "alias": "summer" });
    assert_eq!(shorten(&client, body.clone()).await.status, 201);
    let again = shorten(&client, body.clone()).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["type"], "urn:tidegate:problem:alias-taken");
    assert_eq!(delete(&client, "summer").await.status, 204);
    assert_eq!(shorten(&client, body).await.status, 409);
    assert_eq!(client.get("/summer").await.status, 410);
    assert_eq!(client.get("/v1/links/summer").await.status, 410);
    assert_eq!(delete(&client, "summer").await.status, 410);
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let (_world, client) = links().await;
    let made = shorten(
        &client,
        json!({ "url": "ftp://example.com/", "alias": "a b", "redirect": 303, "max_visits": 0 }),
    );
    let made = made.await;
    assert_eq!(made.status, 422);
    let body = made.json();
    let pointers: Vec<_> =
        body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/url", "/alias", "/redirect", "/max_visits"]);
}

#[tokio::test]
async fn bodies_that_are_not_read() {
    let (_world, client) = links().await;
    assert_eq!(shorten(&client, json!({ "url": TARGET, "colour": 1 })).await.status, 422);
    assert_eq!(shorten(&client, json!([])).await.status, 422);
    let text = [("content-type", "text/plain")];
    assert_eq!(client.json(Method::POST, "/shorten", &json!({}), &text).await.status, 415);
    let request = http::Request::post("/shorten").body("{".into());
    assert_eq!(client.send(request).await.status, 400);
    let request = http::Request::post("/shorten").body(vec![b' '; 70_000].into());
    assert_eq!(client.send(request).await.status, 413);
    assert_eq!(client.json(Method::PUT, "/shorten", &json!({}), &[]).await.status, 405);
}

#[tokio::test]
async fn the_same_key_creates_once() {
    let (_world, client) = links().await;
    let key = [("idempotency-key", "k1")];
    let body = json!({ "url": TARGET });
    let first = client.json(Method::POST, "/shorten", &body, &key).await;
    let second = client.json(Method::POST, "/shorten", &body, &key).await;
    assert_eq!((first.status, first.body), (second.status, second.body.clone()));
    assert_eq!(second.field("idempotency-replayed"), "true");
    let other = json!({ "url": "https://example.com/other" });
    assert_eq!(client.json(Method::POST, "/shorten", &other, &key).await.status, 422);
    assert_eq!(client.get("/v1/links").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_whose_creation_failed_is_free_again() {
    let (_world, client) = links().await;
    let key = [("idempotency-key", "k2")];
    let taken = json!({ "url": TARGET, "alias": "taken" });
    assert_eq!(shorten(&client, taken.clone()).await.status, 201);
    assert_eq!(client.json(Method::POST, "/shorten", &taken, &key).await.status, 409);
    let free = json!({ "url": TARGET, "alias": "free" });
    assert_eq!(client.json(Method::POST, "/shorten", &free, &key).await.status, 201);
}

#[tokio::test]
async fn a_changed_target_counts_at_once() {
    let (_world, client) = links().await;
    let code = code_of(&client, TARGET).await;
    let changed =
        patch(&client, &code, json!({ "url": "https://example.org/new", "title": "New" })).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.field("etag"), "\"v2\"");
    assert_eq!(changed.json()["title"], "New");
    assert_eq!(client.get(&format!("/{code}")).await.field("location"), "https://example.org/new");
    let untitled = patch(&client, &code, json!({ "title": null })).await.json();
    assert_eq!(untitled.get("title"), None);
}

#[tokio::test]
async fn a_change_of_an_old_version_is_refused() {
    let (_world, client) = links().await;
    let code = code_of(&client, TARGET).await;
    let path = format!("/v1/links/{code}");
    let body = json!({ "redirect": 301 });
    let good = client.json(Method::PATCH, &path, &body, &[("if-match", "\"v1\"")]).await;
    assert_eq!(good.status, 200);
    let old = client.json(Method::PATCH, &path, &body, &[("if-match", "\"v1\"")]).await;
    assert_eq!(old.status, 412);
    let odd = client.json(Method::PATCH, &path, &body, &[("if-match", "v1")]).await;
    assert_eq!(odd.status, 400);
}

#[tokio::test]
async fn a_link_that_is_off_comes_back() {
    let (_world, client) = links().await;
    let code = code_of(&client, TARGET).await;
    assert_eq!(
        patch(&client, &code, json!({ "disabled": true })).await.json()["state"],
        "disabled"
    );
    assert_eq!(client.get(&format!("/{code}")).await.status, 410);
    assert_eq!(patch(&client, &code, json!({ "disabled": false })).await.status, 200);
    assert_eq!(client.get(&format!("/{code}")).await.status, 302);
}

#[tokio::test]
async fn a_link_lives_between_its_moments() {
    let (world, client) = links().await;
    let start = tidegate_origin_kit::testkit::START / 1_000_000;
    let body = json!({ "url": TARGET, "alias": "sale", "valid_since": start + 10, "expires_at": start + 20 });
    assert_eq!(shorten(&client, body).await.status, 201);
    assert_eq!(client.get("/sale").await.status, 404);
    world.cx.clock.advance(10_000_000);
    assert_eq!(client.get("/sale").await.status, 302);
    world.cx.clock.advance(10_000_000);
    assert_eq!(client.get("/sale").await.status, 410);
    let past = json!({ "url": TARGET, "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(shorten(&client, past).await.json()["errors"][0]["code"], "past");
}

#[tokio::test]
async fn visits_are_used_up_exactly() {
    let (_world, client) = links().await;
    assert_eq!(
        shorten(&client, json!({ "url": TARGET, "alias": "once", "max_visits": 5 })).await.status,
        201
    );
    let told = client.get("/v1/resolve/once").await.json();
    assert_eq!((&told["hot"], told.get("location")), (&json!(false), None));
    let visits = futures_util::future::join_all((0..20).map(|_| client.get("/once"))).await;
    let through = visits.iter().filter(|a| a.status == 302).count();
    let gone = visits.iter().filter(|a| a.status == 410).count();
    assert_eq!((through, gone), (5, 15));
}

#[tokio::test]
async fn lists_are_walked_without_gap_or_repeat() {
    let (world, client) = links().await;
    for n in 0..25 {
        let tag = if n % 2 == 0 { "even" } else { "odd" };
        let body = json!({ "url": format!("https://example.com/{n}"), "tags": [tag], "title": format!("No {n}") });
        assert_eq!(shorten(&client, body).await.status, 201);
        world.cx.clock.advance(i64::from(n % 3));
    }
    let mut seen = Vec::new();
    let mut path = "/v1/links?limit=7".to_owned();
    loop {
        let page = client.get(&path).await.json();
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|l| l["url"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/links?limit=7&cursor={next}");
    }
    assert_eq!(seen.len(), 25);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
    let count = async |path: &str| client.get(path).await.json()["items"].as_array().unwrap().len();
    assert_eq!(count("/v1/links?tag=even").await, 13);
    assert_eq!(count("/v1/links?q=NO%2024").await, 1);
    assert_eq!(count("/v1/links?q=%25").await, 0);
    assert_eq!(count("/v1/links?state=disabled").await, 0);
    assert_eq!(client.get("/v1/links?limit=101").await.status, 422);
    assert_eq!(client.get("/v1/links?cursor=made-up").await.status, 422);
    assert_eq!(client.get("/v1/links?state=odd").await.status, 422);
}

#[tokio::test]
async fn keys_open_what_their_scopes_say() {
    let hash = tidegate_origin_kit::auth::sha256_hex(b"tg_reader");
    let settings = json!({ "short_base": "https://go.example",
        "api_keys": [{ "id": "reader", "sha256": hash, "scopes": ["links:read"] }] });
    let (_world, client) = links_with(settings, None).await;
    let body = json!({ "url": TARGET });
    let none = shorten(&client, body.clone()).await;
    assert_eq!((none.status.as_u16(), none.field("www-authenticate")), (401, "Bearer"));
    let key = [("authorization", "Bearer tg_reader")];
    assert_eq!(client.json(Method::POST, "/shorten", &body, &key).await.status, 403);
    assert_eq!(client.json(Method::GET, "/v1/links", &json!({}), &key).await.status, 200);
    let wrong = [("authorization", "Bearer other")];
    assert_eq!(client.json(Method::GET, "/v1/links", &json!({}), &wrong).await.status, 401);
}

#[tokio::test]
async fn a_domain_that_ignores_case_has_one_link_for_all_spellings() {
    let settings = json!({ "short_base": "https://go.example",
        "domains": { "team": { "short_base": "https://team.example", "ignore_case": true } } });
    let (_world, client) = links_with(settings, None).await;
    let made = shorten(&client, json!({ "url": TARGET, "alias": "Plan", "domain": "team" })).await;
    assert_eq!(made.json()["short_url"], "https://team.example/plan");
    let again = shorten(&client, json!({ "url": TARGET, "alias": "PLAN", "domain": "team" })).await;
    assert_eq!(again.status, 409);
    assert_eq!(client.get("/v1/resolve/team/pLAN").await.status, 200);
    let host = http::Request::get("/PLAN").header("host", "team.example:443").body("".into());
    assert_eq!(client.send(host).await.status, 302);
    assert_eq!(client.get("/plan").await.status, 404, "another domain has its own codes");
    assert_eq!(shorten(&client, json!({ "url": TARGET, "domain": "none" })).await.status, 422);
}

#[tokio::test]
async fn every_operation_is_in_the_document() {
    let (_world, client) = links().await;
    let document = client.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    for path in
        ["/shorten", "/v1/links", "/v1/links/{code}", "/{code}", "/analytics/{code}", "/v1/clicks"]
    {
        assert!(paths.contains_key(path), "{path}");
    }
    let list = document["paths"]["/v1/links"]["get"]["parameters"].as_array().unwrap();
    assert!(list.iter().any(|p| p["name"] == "cursor" && p["in"] == "query"), "{list:?}");
    assert!(list.iter().all(|p| p["required"] == json!(false)), "{list:?}");
}
