//! Requests sent ahead while an earlier one waits for its origin.

use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge, Origin};

use crate::node::Node;

/// Together several times what the edge reads ahead.
const AHEAD: usize = 6_000;
/// About five kilobytes.
const WITH_IT: usize = 150;

#[test]
fn what_is_sent_ahead_of_a_slow_answer_is_answered_in_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut origin = Origin::start().await;
        let spec = format!(
            r#"
sites:
  - name: all
    hosts: ["*"]
    routes:
      - match: /slow
        action: {{ proxy: o1 }}
        cache: "off"
      - match: /text
        action: {{ respond: {{ body: "now" }} }}
upstreams:
  - name: o1
    servers: ["{}"]
"#,
            origin.url()
        );
        let node = Node::with_threads(&spec, Clock::system(), 1).await.unwrap();
        let mut client = Client::connect(node.addr()).await;
        // Some come with the slow request itself, so that reading ahead begins in the middle.
        let text = "GET /text HTTP/1.1\r\nHost: a\r\n\r\n";
        let first = format!("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n{}", text.repeat(WITH_IT));
        client.send(&first).await;
        let request = origin.request().await.unwrap();
        client.send(&text.repeat(AHEAD - WITH_IT)).await;
        request.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlater").await;
        assert_eq!(client.response().await.unwrap().text(), "later");
        for _ in 0..AHEAD {
            assert_eq!(client.response().await.unwrap().text(), "now");
        }
        node.stop().await;
    });
}
