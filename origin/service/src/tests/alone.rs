use http::Method;
use serde_json::json;

use super::{anywhere, get, send};
use crate::figures;
use crate::{Origin, OriginConfig, StartError, merged};

fn config(folder: &tempfile::TempDir, only: &[&str]) -> OriginConfig {
    let mut config = OriginConfig::new(anywhere(), folder.path());
    config.only = Some(only.iter().map(|name| (*name).to_owned()).collect());
    config
}

#[tokio::test]
async fn links_work_without_a_control_plane_and_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start(config(&folder, &["links"])).await.unwrap();
    let body = json!({ "url": "https://example.com/", "alias": "kept" });
    let made = send(origin.local_addr, Method::POST, "/shorten", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["short_url"], format!("http://{}/kept", origin.local_addr));
    origin.shutdown().await;

    let mut again = config(&folder, &["links"]);
    again.public_base = "https://short.example".to_owned();
    let origin = Origin::start(again).await.unwrap();
    assert_eq!(get(origin.local_addr, "/kept").await.status, 302);
    let seen = get(origin.local_addr, "/v1/links/kept").await.json();
    assert_eq!(seen["short_url"], "https://short.example/kept");
    assert_eq!(
        get(origin.local_addr, "/demo/session").await.status,
        404,
        "media was not asked for"
    );
    origin.shutdown().await;
}

#[tokio::test]
async fn the_page_names_files_that_are_there_and_keep_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start(config(&folder, &["demo"])).await.unwrap();
    let to = origin.local_addr;
    let page = get(to, "/").await;
    assert_eq!(page.field("content-type"), "text/html; charset=utf-8");
    let html = page.text();
    let files: Vec<_> = html.split('"').filter(|part| part.starts_with("/static/")).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        let answer = get(to, file).await;
        assert_eq!(answer.status, 200, "{file}");
        assert_eq!(answer.field("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(get(to, &file.replace("/static/", "/static/0")).await.status, 404);
    }
    let elsewhere = ["src=\"http", "href=\"http", "src=\"//", "href=\"//"];
    assert!(
        !elsewhere.iter().any(|place| html.contains(place)),
        "nothing is loaded from elsewhere"
    );
    assert_eq!(get(to, "/demo/edge").await.json(), json!({ "reachable": false, "figures": {} }));
    origin.shutdown().await;
}

#[tokio::test]
async fn the_server_answers_for_all_contexts() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start(config(&folder, &["links", "demo"])).await.unwrap();
    let to = origin.local_addr;
    assert_eq!(get(to, "/healthz").await.text(), "ok\n");
    assert_eq!(get(to, "/readyz").await.status, 200);
    let document = get(to, "/openapi.json").await.json();
    assert!(document["paths"]["/shorten"]["post"].is_object());
    assert!(document["paths"]["/"]["get"].is_object());
    get(to, "/nothing/here").await;
    let metrics = get(to, "/metrics").await.text();
    assert!(
        metrics.contains(r#"origin_http_requests_total{method="GET",route="none",status="404"} 1"#),
        "{metrics}"
    );
    origin.shutdown().await;
}

#[tokio::test]
async fn an_unknown_context_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Origin::start(config(&folder, &["linsk"])).await.err().unwrap();
    assert!(matches!(&error, StartError::UnknownContext { name } if name == "linsk"));
    assert_eq!(error.to_string(), "there is no service `linsk`; there are: links, media, demo");
}

#[test]
fn settings_lie_over_defaults_member_by_member() {
    let under =
        serde_json::from_value(json!({ "links": { "short_base": "a", "x": 1 }, "b": 1 })).unwrap();
    let over = serde_json::from_value(json!({ "links": { "x": 2 }, "c": 3 })).unwrap();
    let out = serde_json::to_value(merged(&under, over)).unwrap();
    assert_eq!(out, json!({ "links": { "short_base": "a", "x": 2 }, "b": 1, "c": 3 }));
}

#[test]
fn figures_of_an_edge_are_summed_over_labels() {
    let text = "# HELP x y\ntidegate_edge_requests_total{worker=\"a b\"} 3\ntidegate_edge_requests_total 4\n\
        tidegate_link_hits_total 2\nother 9\ntidegate_cache_bytes NaN\n";
    let read = figures::read(text);
    assert_eq!(
        (read["requests"], read["link_hits"], read["cache_bytes"], read.len()),
        (7.0, 2.0, 0.0, 3)
    );
}
