//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.

use tidegate_http::{FieldList, Method};

use crate::links::Filter;
use crate::redirect;
use crate::{HostPattern, MethodSet, PathPattern, RouteId, Router, Rule, SiteRules, Template};

/// Lines of patterns, an empty line, then lines of paths: no panic, and a route found takes the path.
pub fn router(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (patterns, paths) = text.split_once("\n\n").unwrap_or((text, ""));
    let patterns: Vec<PathPattern> =
        patterns.lines().filter_map(|line| PathPattern::parse(line).ok()).collect();
    let rules = (0..).map(RouteId).zip(&patterns).map(|(id, path)| Rule {
        id,
        path: path.clone(),
        methods: MethodSet::any(),
        fields: Vec::new(),
    });
    let site = SiteRules { hosts: vec![HostPattern::Any], rules: rules.collect() };
    let Ok(router) = Router::build(vec![site]) else { return };
    for path in paths.lines() {
        let Some(found) = router.find("", Method::Get, path, &FieldList::default()) else {
            continue;
        };
        let pattern = &patterns[found.route.0 as usize];
        assert_eq!(found.params.len(), pattern.names().count(), "a place for every name");
        assert_eq!(rebuilt(pattern, &found.params, path), path.strip_prefix('/').unwrap_or(path));
    }
}

/// Lines `from to`, an empty line, then lines of paths: no panic, and no path leads to another host.
pub fn redirects(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (rules, paths) = text.split_once("\n\n").unwrap_or((text, ""));
    let rules = rules.lines().filter_map(|line| {
        let (from, to) = line.split_once(' ')?;
        let from = PathPattern::parse(from).ok()?;
        let to = Template::parse(to, &from).ok().filter(|_| to.starts_with('/'))?;
        Some(redirect::Rule { from, to, status: 302, keep_query: true })
    });
    let table = redirect::Table::build(rules.filter(|rule| !rule.to.leads_elsewhere()));
    for path in paths.lines().filter(|path| path.starts_with('/')) {
        let Some(target) = table.find(path, None) else { continue };
        let elsewhere = ["//", "/\\", "\\"].iter().any(|start| target.location.starts_with(start));
        assert!(!elsewhere, "{path} leads to {}", target.location);
    }
}

/// The bytes of a link filter: no panic, neither while reading nor on a lookup.
pub fn filter(data: &[u8]) {
    if let Ok(filter) = Filter::from_bytes(data) {
        let _ = filter.may_have("default", "abc");
        assert_eq!(filter.to_bytes(), data);
    }
}

/// The path that a pattern with these parameters stands for, without the slash at its front.
fn rebuilt(pattern: &PathPattern, params: &crate::Params, path: &str) -> String {
    use crate::pattern::Segment;
    let mut next = 0;
    let mut param = || {
        next += 1;
        params.text(next - 1, path)
    };
    let mut parts: Vec<&str> = Vec::new();
    for segment in pattern.segments() {
        parts.push(match segment {
            Segment::Text(text) => text,
            Segment::Param(_) => param(),
        });
    }
    if pattern.takes_rest() {
        parts.push(param());
    }
    parts.join("/")
}
