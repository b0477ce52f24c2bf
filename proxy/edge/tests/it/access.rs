//! The access log as the node writes it.

use serde_json::Value;
use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge as _, Origin};

use crate::node::Node;

const SPEC: &str = "
sites:
  - name: shop
    hosts: ['*']
    routes:
      - { name: pages, match: /*, action: { proxy: origin }, cache: 'off' }
      - { name: tea, match: /teapot, action: { respond: { status: 418, body: tea } } }
upstreams: [{ name: origin, servers: ['ORIGIN'] }]
";
const NODE: &str = "trusted_proxies = ['127.0.0.1']\n[access_log]\npath = 'access.log'\n";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn a_record_says_who_asked_what_and_how_much_it_was() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let records = runtime.block_on(async {
        let origin = Origin::start().await;
        origin.always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let spec = SPEC.replace("ORIGIN", &origin.url());
        let node = Node::with_file(&spec, NODE, Clock::system(), 1).await.unwrap();
        let mut client = Client::connect(node.addr()).await;
        let post = format!(
            "POST /a?secret=1 HTTP/1.1\r\nHost: Shop.example\r\nTraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\
             X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nUser-Agent: test\r\n\
             Referer: https://a.example/?q=1\r\nContent-Length: 10\r\n\r\n"
        );
        client.send(format!("{post}0123456789")).await;
        assert_eq!(client.response().await.unwrap().status(), 200);
        let tea = "POST /teapot HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nmilk";
        client.send(tea).await;
        assert_eq!(client.response().await.unwrap().status(), 418);
        client.send("GET /a HTTP/1.1\r\nHost: a b\r\n\r\n").await;
        assert_eq!(client.response().await.unwrap().status(), 400);
        (node.access_log().await, post.len() + 10, tea.len())
    });
    let (records, posted, tea) = records;
    let records: Vec<Value> =
        records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second, third] = &records[..] else { panic!("{records:#?}") };

    assert_eq!(first["client"], "192.0.2.7");
    assert_eq!(first["scheme"], "https");
    assert_eq!((&first["host"], &first["path"]), (&"shop.example".into(), &"/a".into()));
    assert_eq!((&first["site"], &first["route"]), (&"shop".into(), &"pages".into()));
    assert_eq!(first["request_id"], TRACE);
    assert_eq!((&first["status"], &first["phase"]), (&200.into(), &"pass".into()));
    assert_eq!(first["bytes_received"], posted);
    assert!(first["bytes_sent"].as_u64() >= Some(5) && first["upstream"].is_string());
    assert_eq!(first["referer"], "https://a.example/");
    assert_eq!(first["user_agent"], "test");

    assert_eq!((&second["status"], &second["bytes_received"]), (&418.into(), &tea.into()));
    assert_eq!(second["client"], "127.0.0.1");
    assert_eq!(second["request_id"].as_str().map(str::len), Some(32));
    assert_eq!((&third["status"], &third["reason"]), (&400.into(), &"host_invalid".into()));
}

#[test]
fn a_record_has_the_labels_that_plugins_attached() {
    const SPEC: &str = "
plugins: [{ name: label, module: { file: tests/testdata/probe.wasm }, config: label }]
sites:
  - name: all
    hosts: ['*']
    routes:
      - { match: /cached/*, plugins: [label], action: { proxy: origin } }
      - { match: /here/*, plugins: [label], action: { respond: { body: here } } }
      - { match: /*, action: { respond: { body: plain } } }
upstreams: [{ name: origin, servers: ['ORIGIN'] }]
";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let records = runtime.block_on(async {
        let origin = Origin::start().await;
        origin.always(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello",
        );
        let spec = SPEC.replace("ORIGIN", &origin.url());
        let node = Node::with_file(&spec, NODE, Clock::system(), 1).await.unwrap();
        let mut client = Client::connect(node.addr()).await;
        for path in ["/cached/a", "/cached/a", "/here/a", "/plain"] {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
            assert_eq!(client.response().await.unwrap().status(), 200);
        }
        node.access_log().await
    });
    let records: Vec<Value> =
        records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, Option<&str>)> = records
        .iter()
        .map(|record| (record["phase"].as_str().unwrap(), record["labels"].as_str()))
        .collect();
    // From upstream, out of the cache, made here, and a route without plugins.
    assert_eq!(
        told,
        [
            ("miss", Some("probe=/cached/a")),
            ("hit", Some("probe=/cached/a")),
            ("respond", Some("probe=/here/a")),
            ("respond", None),
        ]
    );
}
