use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tidegate_control_client::api::Role;
use tidegate_control_client::{Apply, Client};
use tidegate_control_server::{Server, ServerConfig, StaticToken};

use super::{anywhere, get, send};
use crate::{Origin, OriginConfig};

const SPEC: &str = r#"
sites:
  - name: demo
    hosts: ["*"]
    routes:
      - match: { path: "/{code}" }
        action: { link: short }
upstreams:
  - name: services
    servers: ["http://127.0.0.1:9"]
keysets:
  - name: media
    keys: [{ id: k1, algorithm: hmac-sha256, generate: true }]
link_domains:
  - { name: short, upstream: services, table: links }
services:
  links: { short_base: "https://go.example" }
"#;

fn token(name: &str, role: Role) -> StaticToken {
    StaticToken { name: name.to_owned(), role, secret: format!("secret-of-{name}-0123456789") }
}

async fn plane(folder: &tempfile::TempDir) -> (tidegate_control_server::Handle, Client) {
    let mut config = ServerConfig::new(anywhere(), folder.path().join("plane"));
    config.tokens = vec![token("admin", Role::Admin), token("origin", Role::Service)];
    let plane = Server::start(config).await.unwrap();
    let admin = Client::new(&plane.url(), "secret-of-admin-0123456789").unwrap();
    (plane, admin)
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_keys_arrive_and_links_go_out() {
    let folder = tempfile::tempdir().unwrap();
    let (plane, admin) = plane(&folder).await;
    let mut config = OriginConfig::new(anywhere(), folder.path().join("origin"));
    config.control_plane = Some((plane.url(), "secret-of-origin-0123456789".to_owned()));
    config.node = "origin-1".to_owned();
    let origin = Origin::start(config.clone()).await.unwrap();
    let to = origin.local_addr;
    assert_eq!(get(to, "/demo/session").await.json()["signed"], false);
    admin.spec_apply(SPEC, folder.path(), &Apply::default()).await.unwrap();
    until("a signed session", async || {
        get(to, "/demo/session").await.json()["live"]
            .as_str()?
            .contains("/tg=tg1.k1.")
            .then_some(())
    })
    .await;

    let body = json!({ "url": "https://example.com/", "alias": "told" });
    let made = send(to, Method::POST, "/shorten", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["short_url"], "https://go.example/told");
    let head = admin.table_head("links").await.unwrap();
    assert!(head.seq >= 1, "the operation is on the log when the creation is answered");
    until("a base", async || (admin.table_head("links").await.ok()?.generation > 0).then_some(()))
        .await;

    // Only what ran well for a while is started from again.
    until("health", async || {
        let nodes = admin.nodes_list().await.ok()?.nodes;
        nodes.iter().find(|n| n.node == "origin-1")?.healthy.then_some(())
    })
    .await;

    let bad = SPEC.replace("short_base:", "short_bse:");
    let _ = admin.spec_apply(&bad, folder.path(), &Apply::default()).await;
    until("the node's refusal", async || {
        let nodes = admin.nodes_list().await.ok()?.nodes;
        let problems = &nodes.iter().find(|n| n.node == "origin-1")?.problems;
        problems
            .iter()
            .any(|p| p.path == "services.links" && p.message.contains("short_bse"))
            .then_some(())
    })
    .await;
    assert_eq!(get(to, "/v1/links/told").await.json()["short_url"], "https://go.example/told");
    origin.shutdown().await;
    plane.shutdown().await;

    // With nobody there any more, the last good settings and keys come from disk.
    let origin = Origin::start(config).await.unwrap();
    let to = origin.local_addr;
    assert_eq!(get(to, "/demo/session").await.json()["signed"], true);
    assert_eq!(get(to, "/v1/links/told").await.json()["short_url"], "https://go.example/told");
    let body = json!({ "url": "https://example.com/", "alias": "untold" });
    assert_eq!(send(to, Method::POST, "/shorten", Some(&body)).await.status, 202);
    origin.shutdown().await;
}
