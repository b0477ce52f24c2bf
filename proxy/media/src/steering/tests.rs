use super::*;

fn way(id: &str, weight: u32) -> Pathway {
    Pathway { id: id.to_owned(), weight, throughput_min_bps: 0, clone: None }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn sessions_are_shared_out_by_weight_and_stay() {
    let (ways, well) = ([way("a", 3), way("b", 1)], [Standing::Well; 2]);
    let first = |session| order(&ways, &well, session)[0];
    let to_a = (0..1000).filter(|session| first(*session) == "a").count();
    assert!((700..800).contains(&to_a), "{to_a}");
    assert_eq!(order(&ways, &well, 7), order(&ways, &well, 7));
    assert_eq!(order(&ways, &well, 7).len(), 2);
}

#[test]
fn what_is_down_comes_last_and_weightless_after_the_weighed() {
    let ways = [way("down", 9), way("slow", 9), way("spare", 0), way("up", 1)];
    let standings = [Standing::Down, Standing::Slow, Standing::Well, Standing::Well];
    let wanted = ["up", "spare", "slow", "down"];
    assert!((0..50).all(|session| order(&ways, &standings, session) == wanted));
    assert!(order(&[], &[], 1).is_empty());
}

#[test]
fn a_session_takes_its_lot_along() {
    let ways = [way("a", 1), way("b", 1)];
    let manifest = |query, fresh| read(&answer(&ways, |_| true, Report::of(query), fresh, 30));
    let first = manifest(Some("tg=t.1&_HLS_pathway=a&_HLS_throughput=5"), 0xabc);
    assert_eq!(first["VERSION"], 1);
    assert_eq!(first["TTL"], 30);
    assert_eq!(first["RELOAD-URI"], "?session=abc&tg=t.1");
    assert!(first.get("PATHWAY-CLONES").is_none());
    for fresh in 0..50 {
        let again = manifest(Some("session=abc&tg=t.1"), fresh);
        assert_eq!(again["PATHWAY-PRIORITY"], first["PATHWAY-PRIORITY"]);
    }
}

#[test]
fn a_pathway_that_was_too_slow_is_left_for_good() {
    let ways = [Pathway { throughput_min_bps: 5_000_000, ..way("a", 1) }, way("b", 0)];
    let manifest = |query: &str| read(&answer(&ways, |_| true, Report::of(Some(query)), 1, 30));
    let (to_a, to_b) = (json!(["a", "b"]), json!(["b", "a"]));
    assert_eq!(manifest("_HLS_pathway=a&_HLS_throughput=5000000")["PATHWAY-PRIORITY"], to_a);
    let moved = manifest("_DASH_pathway=%22b,a%22&_DASH_throughput=%229000000,4999999%22");
    assert_eq!(moved["PATHWAY-PRIORITY"], to_b);
    assert_eq!(moved["RELOAD-URI"], "?session=1&slow=a");
    let later = manifest("session=1&slow=a,nowhere&_HLS_pathway=b&_HLS_throughput=9000000");
    assert_eq!((&later["PATHWAY-PRIORITY"], &later["RELOAD-URI"]), (&to_b, &moved["RELOAD-URI"]));
}

#[test]
fn clones_say_how_their_addresses_differ() {
    let params = vec![("via".to_owned(), "b".to_owned())];
    let clone = CloneOf { base: ".".to_owned(), host: Some("b.example".to_owned()), params };
    let ways = [way(".", 1), Pathway { clone: Some(clone), ..way("b", 1) }];
    let text = answer(&ways, |index| index == 1, Report::default(), 1, 30);
    assert_eq!(read(&text)["PATHWAY-PRIORITY"], json!(["b", "."]));
    assert_eq!(
        read(&text)["PATHWAY-CLONES"],
        json!([{ "BASE-ID": ".", "ID": "b", "URI-REPLACEMENT": { "HOST": "b.example", "PARAMS": { "via": "b" } } }])
    );
}
