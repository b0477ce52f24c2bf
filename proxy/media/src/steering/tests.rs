use super::*;

fn way(id: &str, weight: u32, healthy: bool) -> Pathway {
    Pathway { id: id.to_owned(), weight, healthy }
}

#[test]
fn sessions_are_shared_out_by_weight_and_stay() {
    let ways = [way("a", 3, true), way("b", 1, true)];
    let first = |session| order(&ways, session)[0];
    let to_a = (0..1000).filter(|session| first(*session) == "a").count();
    assert!((700..800).contains(&to_a), "{to_a}");
    assert_eq!(order(&ways, 7), order(&ways, 7));
    assert_eq!(order(&ways, 7).len(), 2);
}

#[test]
fn what_is_down_comes_last_and_weightless_after_the_weighed() {
    let ways = [way("down", 9, false), way("spare", 0, true), way("up", 1, true)];
    assert!((0..50).all(|session| order(&ways, session) == ["up", "spare", "down"]));
    assert!(order(&[], 1).is_empty());
}

#[test]
fn the_manifest_is_json() {
    let text = manifest(&["a", "b"], 10, Some("/steer"));
    let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        read,
        json!({ "VERSION": 1, "TTL": 10, "PATHWAY-PRIORITY": ["a", "b"], "RELOAD-URI": "/steer" })
    );
}
