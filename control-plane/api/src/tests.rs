use serde_json::value::RawValue;

use crate::{Event, Permission, PurgeTarget, Role, SpecEvent, TableOp, WatchQuery, paths};

#[test]
fn lines_of_the_stream_keep_their_shape() {
    let spec = RawValue::from_string("{\"sites\":[]}".into()).unwrap();
    let line = Event::Spec(SpecEvent { revision: 3, hash: "ab".into(), spec });
    let text = serde_json::to_string(&line).unwrap();
    assert_eq!(text, r#"{"spec":{"revision":3,"hash":"ab","spec":{"sites":[]}}}"#);
    let Event::Spec(back) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
    assert_eq!(back.spec.get(), "{\"sites\":[]}");
    let text =
        r#"{"table":{"table":"links","generation":1,"seq":2,"ops":[{"op":"put","key":"d/c"}]}}"#;
    let Event::Table(table) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
    assert_eq!(table.ops, [TableOp::put("d/c")]);
    let text = serde_json::to_string(&PurgeTarget::Tag("x".into())).unwrap();
    assert_eq!(text, r#"{"tag":"x"}"#);
}

#[test]
fn paths_are_filled_and_encoded() {
    assert_eq!(paths::fill(paths::NODE_ACKS, &["a/b c"]), "/v1/nodes/a%2Fb%20c/acks");
    assert_eq!(paths::fill(paths::SPEC, &[]), "/v1/spec");
}

#[test]
fn table_positions_are_read() {
    let query = WatchQuery { tables: "links:7,x,y:z".into(), ..WatchQuery::default() };
    let all: Vec<_> = query.table_positions().into_iter().collect();
    assert_eq!(all, [("links".into(), 7), ("x".into(), 0), ("y".into(), 0)]);
}

#[test]
fn only_nodes_report_and_only_admins_make_tokens() {
    for role in Role::ALL {
        assert_eq!(Role::parse(role.as_str()), Some(role));
        assert_eq!(role.may(Permission::Report), role.is_node(), "{role:?}");
        assert_eq!(role.may(Permission::TokensWrite), role == Role::Admin, "{role:?}");
    }
}
