use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::TokioExecutor;
use tidegate_control_client::Client;
use tidegate_control_client::api::{Permission, Role};

use crate::world::World;

/// Sends a request; its status and body.
pub(crate) async fn send(
    world: &World,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: String,
) -> (u16, String) {
    let http = Pooled::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = http::Request::builder().method(method).uri(format!("{}{path}", world.url()));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.starts_with(['{', '[']) {
        request = request.header("content-type", "application/json");
    }
    let response = http.request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    // The stream never ends: its head says enough.
    if path.starts_with("/v1/watch") && status == 200 {
        return (status, String::new());
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Every path of the API with what it asks for.
const DOORS: &[(&str, &str, Permission)] = {
    use Permission as P;
    &[
        ("GET", "/", P::NodesRead),
        ("GET", "/ui/fleet", P::NodesRead),
        ("GET", "/metrics", P::Metrics),
        ("GET", "/openapi.json", P::SpecRead),
        ("GET", "/v1/spec", P::SpecRead),
        ("PUT", "/v1/spec", P::SpecWrite),
        ("POST", "/v1/spec/validate", P::SpecRead),
        ("GET", "/v1/revisions", P::SpecRead),
        ("GET", "/v1/revisions/1", P::SpecRead),
        ("POST", "/v1/revisions/1/rollback", P::SpecWrite),
        ("GET", "/v1/rollout", P::SpecRead),
        ("POST", "/v1/rollout/promote", P::SpecWrite),
        ("POST", "/v1/rollout/abort", P::SpecWrite),
        ("GET", "/v1/watch?node=x", P::Watch),
        ("GET", "/v1/nodes", P::NodesRead),
        ("DELETE", "/v1/nodes/x", P::NodesWrite),
        ("POST", "/v1/nodes/x/acks", P::Report),
        ("POST", "/v1/nodes/x/heartbeat", P::Report),
        ("POST", "/v1/nodes/x/purges", P::Report),
        ("GET", "/v1/blobs/ab", P::BlobRead),
        ("PUT", "/v1/blobs/ab", P::BlobWrite),
        ("GET", "/v1/plugins", P::SpecRead),
        ("POST", "/v1/plugins", P::SpecWrite),
        ("GET", "/v1/tables/t", P::Watch),
        ("POST", "/v1/tables/t/ops", P::TableWrite),
        ("PUT", "/v1/tables/t/base", P::TableWrite),
        ("POST", "/v1/purges", P::Purge),
        ("GET", "/v1/purges/1", P::Purge),
        ("POST", "/v1/enrolments", P::NodesWrite),
        ("POST", "/v1/counters", P::Report),
        ("GET", "/v1/limits", P::NodesRead),
        ("GET", "/v1/anomalies", P::NodesRead),
        ("GET", "/v1/audit", P::AuditRead),
        ("GET", "/v1/tokens", P::TokensWrite),
        ("POST", "/v1/tokens", P::TokensWrite),
        ("DELETE", "/v1/tokens/x", P::TokensWrite),
    ]
};

async fn tokens(world: &World) -> Vec<(Role, String)> {
    let admin = world.admin();
    let mut all = Vec::new();
    for role in Role::ALL {
        let made = admin.token_add(&format!("t-{}", role.as_str()), role).await.unwrap();
        all.push((role, made.secret));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_opens_to_the_roles_that_may_and_to_nobody_else() {
    let world = World::start().await;
    let tokens = tokens(&world).await;
    for (method, path, permission) in DOORS {
        for wrong in [None, Some(""), Some("tg_wrong")] {
            let (status, body) = send(&world, method, path, wrong, String::new()).await;
            assert_eq!(status, 401, "{method} {path} with {wrong:?}: {body}");
        }
        for (role, token) in &tokens {
            let (status, body) = send(&world, method, path, Some(token), String::new()).await;
            let refused = status == 403 || status == 401;
            assert_eq!(
                !refused,
                role.may(*permission),
                "{role:?} {method} {path}: {status} {body}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_doors_is_whole() {
    let world = World::start().await;
    let token = world.token(Role::Admin);
    let (_, text) = send(&world, "GET", "/openapi.json", Some(&token), String::new()).await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shape = |path: &str| {
        let path = path.split('?').next().unwrap_or(path);
        path.split('/').filter(|part| !part.is_empty()).count()
    };
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let fixed: Vec<_> = path.split('/').filter(|part| !part.starts_with('{')).collect();
            let known = DOORS.iter().any(|(m, p, _)| {
                m.eq_ignore_ascii_case(method)
                    && shape(p) == shape(path)
                    && fixed.iter().all(|part| p.split(['/', '?']).any(|other| other == *part))
            });
            assert!(
                known || path == "/healthz" || path == "/v1/enrol",
                "{method} {path} is in no test"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_health_answers_without_credentials() {
    let world = World::start().await;
    let (status, body) = send(&world, "GET", "/healthz", None, String::new()).await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    for path in ["/v1/unknown", "/ui/htmx.min.js", "/v1/specs/../spec"] {
        let (status, _) = send(&world, "GET", path, None, String::new()).await;
        assert_eq!(status, 401, "{path}");
    }
    let admin = world.token(Role::Admin);
    let (status, body) = send(&world, "GET", "/v1/unknown", Some(&admin), String::new()).await;
    assert!(status == 403 || status == 404, "{status} {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_and_refusals_are_in_the_audit_log() {
    let world = World::start().await;
    let admin = world.admin();
    let made = admin.token_add("ci", Role::Purger).await.unwrap();
    let purger = Client::new(&world.url(), &made.secret).unwrap();
    assert_eq!(purger.nodes_list().await.unwrap_err().status(), Some(403));
    let log = admin.audit(0, true).await.unwrap();
    let refusal = log.entries.iter().find(|entry| entry.actor == "ci").unwrap();
    assert_eq!((refusal.action.as_str(), refusal.outcome.as_str()), ("access", "forbidden"));
    admin.token_drop("ci").await.unwrap();
    assert_eq!(purger.nodes_list().await.unwrap_err().status(), Some(401));
    assert!(admin.tokens().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_is_readable_by_its_owner_alone_and_stays() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::start().await;
    let path = world.folder.path().join("root.token");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = world.token(Role::Admin);
    world.stop().await;
    world.again().await;
    assert_eq!(world.token(Role::Admin), before);
    assert!(world.admin().nodes_list().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_nodes_and_escapes_what_people_wrote() {
    use tidegate_control_client::Apply;
    let world = World::start().await;
    let apply = Apply { message: "<script>alert(1)</script>".into(), ..Apply::default() };
    let spec = crate::world::respond("one");
    world.admin().spec_apply(&spec, std::path::Path::new("."), &apply).await.unwrap();
    let _edge = world.edge("edge-fra-1").await;
    world.until_node("edge-fra-1", |node| node.healthy).await;
    let token = world.token(Role::Admin);
    let (status, page) = send(&world, "GET", "/", Some(&token), String::new()).await;
    assert_eq!(status, 200);
    assert!(page.contains("edge-fra-1") && page.contains("healthy"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_good_once_for_one_node_that_then_speaks_for_itself_alone() {
    use tidegate_control_client::SubscriberConfig;
    use tidegate_control_client::api::EnrolmentNew;
    let world = World::start().await;
    let admin = world.admin();
    let invite = |role, node: Option<&str>| EnrolmentNew {
        role,
        node: node.map(str::to_owned),
        seconds: 60,
    };
    let enrol = |secret: String, node: &'static str| {
        let client = Client::new(&world.url(), &secret).unwrap();
        async move { client.enrol(node).await }
    };
    assert!(admin.enrolment_add(&invite(Role::Admin, None)).await.is_err(), "nodes only");
    let made = admin.enrolment_add(&invite(Role::Node, Some("e1"))).await.unwrap();
    assert_eq!(enrol(made.secret.clone(), "e2").await.unwrap_err().status(), Some(401));
    let token = enrol(made.secret.clone(), "e1").await.unwrap();
    assert_eq!(enrol(made.secret, "e1").await.unwrap_err().status(), Some(401));
    assert_eq!(enrol("tg_wrong".into(), "e1").await.unwrap_err().status(), Some(401));
    world.apply(&crate::world::respond("one")).await;
    let own = SubscriberConfig { token: token.secret.clone(), ..world.settings("e1") };
    let _edge = crate::world::Edge::start(own).await;
    world.until_node("e1", |node| node.healthy).await;
    let other = "{\"revision\":1,\"hash\":\"\",\"phase\":\"rejected\"}".to_owned();
    let (status, body) =
        send(&world, "POST", "/v1/nodes/e2/acks", Some(&token.secret), other).await;
    assert_eq!(status, 403, "{body}");
    let (status, _) =
        send(&world, "GET", "/v1/watch?node=e2", Some(&token.secret), String::new()).await;
    assert_eq!(status, 403);
}
