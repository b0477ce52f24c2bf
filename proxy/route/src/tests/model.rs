//! The router beside the plainest one that could be written.

use proptest::prelude::*;
use tidegate_http::{FieldList, Method};

use super::rule;
use crate::pattern::Segment;
use crate::{HostPattern, PathPattern, RouteId, Router, Rule, SiteRules};

/// How specific a segment is; the smaller, the more.
fn rank(pattern: &PathPattern) -> Vec<u8> {
    let mut ranks: Vec<u8> =
        pattern.segments().iter().map(|s| u8::from(matches!(s, Segment::Param(_)))).collect();
    if pattern.takes_rest() {
        ranks.push(2);
    }
    ranks
}

/// The parameters, when the pattern takes the path.
fn takes(pattern: &PathPattern, path: &str) -> Option<Vec<String>> {
    let mut parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let mut params = Vec::new();
    for segment in pattern.segments() {
        let part = if parts.is_empty() { return None } else { parts.remove(0) };
        match segment {
            Segment::Text(text) if **text == *part => {}
            Segment::Param(_) if !part.is_empty() => params.push(part.to_owned()),
            Segment::Text(_) | Segment::Param(_) => return None,
        }
    }
    match pattern.takes_rest() {
        true if parts.is_empty() => return None,
        true => params.push(parts.join("/")),
        false if !parts.is_empty() => return None,
        false => {}
    }
    Some(params)
}

/// Every rule looked at, the most specific kept.
fn naive(
    rules: &[Rule],
    method: Method<'_>,
    path: &str,
    fields: &FieldList,
) -> Option<(u32, Vec<String>)> {
    let passes = |rule: &&Rule| {
        rule.methods.has(method) && rule.fields.iter().all(|test| test.holds(fields))
    };
    let taking =
        rules.iter().filter(passes).filter_map(|rule| Some((rule, takes(&rule.path, path)?)));
    let (rule, params) = taking.min_by_key(|(rule, _)| (rank(&rule.path), rule.id))?;
    Some((rule.id.0, params))
}

fn any_rule() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "c", "", "{p}", "%41"]);
    let method = prop::sample::select(vec!["", "GET ", "POST ", "GET PUT "]);
    let field = prop::sample::select(vec!["", "", " x=1", " y=1"]);
    (method, prop::collection::vec(segment, 1..5), any::<bool>(), field).prop_map(
        |(method, segments, rest, field)| {
            let mut names = 0;
            let segments = segments.into_iter().map(|segment| {
                names += 1;
                if segment == "{p}" { format!("/{{p{names}}}") } else { format!("/{segment}") }
            });
            let path: String = segments.collect();
            format!("{method}{path}{}{field}", if rest { "/*" } else { "" })
        },
    )
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "c", "", "d", "%41"]);
    prop::collection::vec(segment, 1..6)
        .prop_map(|segments| segments.into_iter().map(|segment| format!("/{segment}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_router_finds_what_looking_at_every_rule_finds(
        rules in prop::collection::vec(any_rule(), 0..16),
        paths in prop::collection::vec(any_path(), 1..12),
        (x, y) in any::<(bool, bool)>(),
        method in prop::sample::select(vec![Method::Get, Method::Head, Method::Post, Method::Delete]),
    ) {
        let rules: Vec<Rule> =
            (0..).map(RouteId).zip(&rules).map(|(id, text)| rule(id, text)).collect();
        let site = SiteRules { hosts: vec![HostPattern::Any], rules: rules.clone() };
        let router = Router::build(vec![site]).unwrap();
        let mut fields = FieldList::default();
        if x { fields.push("X", "1"); }
        if y { fields.push("Y", "1"); }
        for path in &paths {
            let found = router.find("h", method, path, &fields).map(|found| {
                let params = (0..found.params.len()).map(|n| found.params.text(n, path).to_owned());
                (found.route.0, params.collect::<Vec<_>>())
            });
            prop_assert_eq!(found, naive(&rules, method, path, &fields), "{}", path);
        }
    }
}
