use http::Method;
use serde_json::json;
use tidegate_origin_kit::testkit::{Answer, Client, START};

use super::{links, shorten};
use crate::model::utm::Utm;

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";
const PIXEL: &str = "Mozilla/5.0 (Linux; Android 15; Pixel 9) Mobile Safari/537.36";

async fn visit(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = http::Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    client.send(request.body("".into())).await
}

async fn unlock(client: &Client, path: &str, form: &str) -> Answer {
    let request =
        http::Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    client.send(request.body(form.to_owned().into())).await
}

#[tokio::test]
async fn rules_are_tried_in_order() {
    let (world, client) = links().await;
    let rules = json!([
        { "url": "https://example.com/late", "after": START / 1_000_000 + 60 },
        { "url": "https://example.com/ios-de", "device": ["ios"], "language": ["de"] },
        { "url": "https://example.com/phone", "device": ["phone"] },
        { "url": "https://example.com/fr", "country": ["fr", "BE"] },
    ]);
    let made =
        shorten(&client, json!({ "url": "https://example.com/all", "alias": "r", "rules": rules }))
            .await;
    assert_eq!(made.status, 201, "{}", made.text());
    for (fields, target) in [
        (vec![("user-agent", IPHONE), ("accept-language", "de-AT,en;q=0.5")], "ios-de"),
        (vec![("user-agent", IPHONE), ("accept-language", "den")], "phone"),
        (vec![("user-agent", PIXEL)], "phone"),
        (vec![("x-client-country", "BE")], "fr"),
        (vec![("accept-language", "de")], "all"),
        (vec![], "all"),
    ] {
        let answer = visit(&client, "/r", &fields).await;
        assert_eq!(answer.field("location"), format!("https://example.com/{target}"), "{fields:?}");
        assert_eq!(answer.field("cache-control"), "no-store");
    }
    assert_eq!(client.get("/v1/resolve/r").await.json()["hot"], false);
    world.cx.clock.advance(60_000_000);
    assert_eq!(visit(&client, "/r", &[]).await.field("location"), "https://example.com/late");
    let cleared = client.json(Method::PATCH, "/v1/links/r", &json!({ "rules": [] }), &[]).await;
    assert_eq!(cleared.status, 200);
    assert_eq!(client.get("/v1/resolve/r").await.json()["hot"], true);
}

#[tokio::test]
async fn targets_of_rules_are_checked_like_others() {
    let (_world, client) = links().await;
    let rules = json!([{ "url": "https://example.com/" }, { "url": "http://10.0.0.1/" }]);
    let made = shorten(&client, json!({ "url": "https://example.com/", "rules": rules })).await;
    assert_eq!(made.json()["errors"][0]["pointer"], "/rules/1/url");
    let odd = json!([{ "url": "https://example.com/", "device": ["toaster"] }]);
    assert_eq!(
        shorten(&client, json!({ "url": "https://example.com/", "rules": odd })).await.status,
        422
    );
    let many: Vec<_> = (0..21).map(|_| json!({ "url": "https://example.com/" })).collect();
    assert_eq!(
        shorten(&client, json!({ "url": "https://example.com/", "rules": many })).await.status,
        422
    );
}

#[tokio::test]
async fn a_password_stands_before_the_target() {
    let (_world, client) = links().await;
    let body = json!({ "url": "https://example.com/secret", "alias": "s", "password": "pass word", "max_visits": 1 });
    let made = shorten(&client, body).await;
    assert_eq!(made.json()["password"], true);
    assert!(!made.text().contains("pbkdf2"), "no hash leaves the service");
    let page = client.get("/s").await;
    assert_eq!((page.status.as_u16(), page.field("location")), (200, ""));
    assert!(page.text().contains("<form method=\"post\" action=\"/s\">"));
    assert!(!page.text().contains("secret"));
    assert_eq!(client.get("/v1/resolve/s").await.json().get("location"), None);
    let wrong = unlock(&client, "/s", "password=other").await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text().contains("That is not the password"));
    assert_eq!(unlock(&client, "/s", "").await.status, 422);
    let right = unlock(&client, "/s", "password=pass+word").await;
    assert_eq!(
        (right.status.as_u16(), right.field("location")),
        (303, "https://example.com/secret")
    );
    assert_eq!(
        unlock(&client, "/s", "password=pass+word").await.status,
        410,
        "the one visit is used up"
    );
    let open = client
        .json(Method::PATCH, "/v1/links/s", &json!({ "password": null, "max_visits": null }), &[])
        .await;
    assert_eq!(open.json()["password"], false);
    assert_eq!(client.get("/s").await.status, 302);
    assert_eq!(unlock(&client, "/s", "password=x").await.status, 405);
}

#[tokio::test]
async fn a_plus_shows_where_a_link_leads() {
    let (_world, client) = links().await;
    let url = "https://example.com/?q=<script>&x=\"y\"";
    let body = json!({ "url": url, "alias": "p", "title": "<b>bold</b>", "max_visits": 1 });
    assert_eq!(shorten(&client, body).await.status, 201);
    let page = client.get("/p+").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("https://example.com/?q=%3Cscript%3E"));
    assert!(!page.text().contains("<b>bold") && !page.text().contains("<script"));
    assert!(page.field("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(client.get("/p").await.status, 302, "looking uses up no visit");
    assert_eq!(client.get("/none+").await.status, 404);
    let body = json!({ "url": "https://example.com/hidden", "alias": "h", "password": "x" });
    assert_eq!(shorten(&client, body).await.status, 201);
    assert!(!client.get("/h+").await.text().contains("hidden"));
}

#[tokio::test]
async fn campaign_parameters_are_added_once() {
    let (_world, client) = links().await;
    let utm = json!({ "source": "news letter", "campaign": "a&b" });
    let body = json!({ "url": "https://example.com/?a=1&utm_source=old", "utm": utm });
    let url = shorten(&client, body).await.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(url, "https://example.com/?a=1&utm_source=news+letter&utm_campaign=a%26b");
    assert_eq!(Utm::default().apply("https://example.com/?a=b c"), "https://example.com/?a=b c");
    assert_eq!(Utm { source: Some("x".into()), ..Utm::default() }.apply("nonsense"), "nonsense");
}

#[tokio::test]
async fn an_edge_does_not_remember_a_link_that_answers_later() {
    let (_world, client) = links().await;
    let body = json!({ "url": "https://example.com/", "alias": "later", "valid_since": START / 1_000_000 + 5 });
    assert_eq!(shorten(&client, body).await.status, 201);
    let told = client.get("/v1/resolve/later").await;
    assert_eq!(told.status, 200);
    assert_eq!((&told.json()["status"], &told.json()["hot"]), (&json!(404), &json!(false)));
}
