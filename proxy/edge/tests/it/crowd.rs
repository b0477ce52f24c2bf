//! A crowd at the live edge of one LL-HLS stream: every playlist version and every part is asked of the
//! origin once, however many viewers wait for it.

use std::time::Duration;

use tidegate_edge::Clock;
use tidegate_testkit::{
    Edge,
    crowd::{Crowd, Live},
};

use crate::node::Node;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_costs_the_origin_what_one_viewer_costs() {
    // The pause is long, since all of them and the node share the cores of a test machine.
    let crowd = Crowd { viewers: 500, parts: 12, pause: Duration::from_millis(500) };
    let live = Live::start().await;
    let spec = format!(
        "sites:\n  - name: live\n    hosts: [\"*\"]\n    routes:\n      - match: /live/*\n        action: {{ proxy: origin }}\n        media: {{}}\nupstreams:\n  - name: origin\n    servers: [\"http://{}\"]\n",
        live.addr()
    );
    let node = Node::with_threads(&spec, Clock::system(), 2).await.unwrap();
    let outcome = crowd.watch(&live, node.addr()).await;
    assert_eq!(
        outcome.asked.len() as u64,
        crowd.objects(),
        "every playlist version and every part"
    );
    let more: Vec<_> = outcome.asked.iter().filter(|(_, count)| **count != 1).collect();
    assert!(more.is_empty(), "asked more than once: {more:?}");
    node.stop().await;
}
