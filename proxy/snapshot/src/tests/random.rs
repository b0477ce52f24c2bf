use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::fuzz;

const SAMPLES: [&str; 3] = [
    include_str!("../../../../conf/examples/cdn.yaml"),
    include_str!("../../../../conf/examples/media.yaml"),
    include_str!("../../../../conf/examples/redirects.yaml"),
];

/// Every place of a document.
fn places(tree: &Json, at: &mut Vec<String>, all: &mut Vec<String>) {
    all.push(format!("/{}", at.join("/")).trim_end_matches('/').to_owned());
    let children: Vec<(String, &Json)> = match tree {
        Json::Array(items) => items.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        Json::Object(map) => {
            map.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Vec::new(),
    };
    for (step, value) in children {
        at.push(step);
        places(value, at, all);
        at.pop();
    }
}

fn any_value() -> impl Strategy<Value = Json> {
    prop::sample::select(vec![
        json!(null),
        json!(0),
        json!(-1),
        json!(true),
        json!(""),
        json!("/"),
        json!("/*"),
        json!("/{a}/{a}"),
        json!("*"),
        json!("a b"),
        json!("origin"),
        json!("0s"),
        json!("999999999d"),
        json!("https://{rest}"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "name": "x" }),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_damaged_spec_compiles_or_says_why(
        sample in 0usize..3,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4),
    ) {
        let mut tree = tidegate_spec::read(SAMPLES[sample]).unwrap().to_json();
        for (index, value) in damages {
            let mut all = Vec::new();
            places(&tree, &mut Vec::new(), &mut all);
            let place = &all[index.index(all.len())];
            *tree.pointer_mut(place).expect("a place of the tree") = value;
        }
        fuzz::spec(tree.to_string().as_bytes());
    }

    #[test]
    fn every_problem_of_a_damaged_spec_has_a_place_in_it(
        sample in 0usize..3,
        index in any::<prop::sample::Index>(),
        value in any_value(),
    ) {
        let mut tree = tidegate_spec::read(SAMPLES[sample]).unwrap().to_json();
        let mut all = Vec::new();
        places(&tree, &mut Vec::new(), &mut all);
        *tree.pointer_mut(&all[index.index(all.len())]).expect("a place") = value;
        let text = serde_json::to_string_pretty(&tree).unwrap();
        if let Err(problems) = compile_text(&text, 1) {
            for problem in problems {
                prop_assert!(problem.line.is_some(), "{problem} in\n{text}");
            }
        }
    }
}
