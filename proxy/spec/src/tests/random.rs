use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::tree::{Kind, Node};
use crate::{canonical, fuzz, tree};

const SAMPLE: &str = include_str!("../../../../conf/examples/cdn.yaml");

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        // Longer ones serde_json does not read exactly.
        (-999_999..999_999i32).prop_map(|number| json!(f64::from(number) / 1_000.0)),
        "[ -~]{0,12}".prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
        prop::sample::select(vec![
            "", "~", "null", "yes", "1e3", "-", "- a", "a: b", "#", "0x1", ".5"
        ])
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[ -~]{0,6}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// The tree without the order of keys, lines, and the spelling of numbers.
fn plain(node: &Node) -> Json {
    match &node.kind {
        Kind::Null => Json::Null,
        Kind::Bool(value) => json!(value),
        Kind::Integer(value) => json!(*value as f64),
        Kind::Float(value) => json!(value),
        Kind::Text(text) => json!(text),
        Kind::List(items) => items.iter().map(plain).collect(),
        Kind::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
        }
    }
}

/// Puts `value` in the place of the `place`-th value of the tree.
fn replace(tree: &mut Json, place: &mut usize, value: &Json) {
    if *place == 0 {
        *tree = value.clone();
    }
    *place = place.wrapping_sub(1);
    match tree {
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, place, value)),
        Json::Object(map) => map.values_mut().for_each(|item| replace(item, place, value)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn yaml_that_is_written_is_read_again(value in any_json()) {
        let text = canonical::yaml(&value);
        let read = tree::parse(&text).map_err(|p| TestCaseError::fail(format!("{p:?}\n{text}")))?;
        prop_assert_eq!(plain(&read), plain(&Node::from(&value)), "{}", text);
    }

    #[test]
    fn canonical_json_is_the_same_value(value in any_json()) {
        let text = canonical::json(&value);
        prop_assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), value);
    }

    #[test]
    fn a_damaged_spec_never_panics(place in 0usize..160, value in any_json()) {
        let mut tree = crate::read(SAMPLE).unwrap().to_json();
        replace(&mut tree, &mut place.clone(), &value);
        fuzz::spec(tree.to_string().as_bytes());
    }

    #[test]
    fn a_damaged_text_never_panics(
        at in 0..SAMPLE.len(),
        insert in "[ -~\\n]{0,3}",
        cut in 0usize..30,
    ) {
        let end = (at + cut).min(SAMPLE.len());
        if let (Some(head), Some(tail)) = (SAMPLE.get(..at), SAMPLE.get(end..)) {
            fuzz::spec(format!("{head}{insert}{tail}").as_bytes());
        }
    }

    #[test]
    fn bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::spec(&data);
        fuzz::node_file(&data);
    }
}
