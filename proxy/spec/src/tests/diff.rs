use crate::diff::{ChangeKind, diff};
use crate::read;

const OLD: &str = "
sites:
  - name: s
    hosts: ['*']
    routes:
      - { match: /a, action: { respond: { body: one } } }
      - { match: /b, action: { proxy: app } }
      - { match: { path: /b, methods: [POST] }, action: { proxy: app }, limits: [l] }
upstreams: [{ name: app, servers: ['http://a', { url: 'http://b', weight: 2 }] }]
limits: [{ name: l, rate: 20/s }]
keysets: [{ name: k, keys: [{ id: a, secret: AAECAwQFBgcICQoLDA0ODw }] }]
redirects: [{ name: t, rules: [{ from: /x, to: /y }] }]
";

/// The differences after some replacements in the text.
fn lines(replacements: &[(&str, &str)]) -> Vec<String> {
    let mut text = OLD.to_owned();
    for (from, to) in replacements {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    diff(&read(OLD).unwrap(), &read(&text).unwrap()).iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_is_no_difference() {
    assert!(
        lines(&[("20/s", "20/sec"), ("'http://a'", "{ url: 'http://a', weight: 1 }")]).is_empty()
    );
}

#[test]
fn values_change_where_they_stand() {
    assert_eq!(lines(&[("20/s", "30/s")]), [r#"~ limits[l].rate: "20/s" -> "30/s""#]);
    let changed = lines(&[("body: one", "body: two"), ("weight: 2", "weight: 3"), ("/y", "/z")]);
    assert_eq!(
        changed,
        [
            r#"~ redirects[t].rules[/x].to: "/y" -> "/z""#,
            r#"~ sites[s].routes[/a].action.respond.body: "one" -> "two""#,
            r#"~ upstreams[app].servers[http://b].weight: 2 -> 3"#,
        ]
    );
}

#[test]
fn a_route_in_front_is_one_addition() {
    let more = "- { match: /new, action: { proxy: app } }\n      - { match: /a,";
    let changed = lines(&[("- { match: /a,", more)]);
    assert_eq!(changed, [r#"+ sites[s].routes[/new]: {"action":{"proxy":"app"},"match":"/new"}"#]);
}

#[test]
fn what_begins_and_ends_is_told_by_name() {
    let changed = lines(&[("limits: [{ name: l, rate: 20/s }]", ""), (", limits: [l]", "")]);
    assert_eq!(
        changed,
        [
            r#"- limits[l]: {"name":"l","rate":"20/s"}"#,
            r#"- sites[s].routes[POST /b].limits: ["l"]"#,
        ]
    );
}

#[test]
fn another_order_of_routes_is_told() {
    let swapped = "- { match: /b, action: { proxy: app } }\n      - { match: /a, action: { respond: { body: one } } }";
    let mut text = OLD.replace("      - { match: /b, action: { proxy: app } }\n", "");
    text = text.replace("- { match: /a, action: { respond: { body: one } } }", swapped);
    let changes = diff(&read(OLD).unwrap(), &read(&text).unwrap());
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].kind, ChangeKind::Reordered);
    assert_eq!(changes[0].path, "sites[s].routes");
}

#[test]
fn secrets_are_not_shown() {
    let changed = lines(&[("AAECAwQFBgcICQoLDA0ODw", "EBECAwQFBgcICQoLDA0ODw")]);
    assert_eq!(changed, [r#"~ keysets[k].keys[a].secret: "(secret)" -> "(secret)""#]);
    let removed = lines(&[("keysets: [{ name: k,", "keysets: [{ name: other,")]);
    assert!(removed.iter().all(|line| !line.contains("AwQFBgc")), "{removed:?}");
}
