//! Tests of routing.

mod find;
mod fuzz;
mod model;
mod pattern;
mod redirect;

use tidegate_http::{FieldList, Method};

use super::*;

/// A router of one site for every host; a rule is `[METHOD ]path[ name=value]`.
fn router(rules: &[&str]) -> Router {
    let site = SiteRules { hosts: vec![HostPattern::Any], rules: self::rules(rules) };
    Router::build(vec![site]).unwrap()
}

fn rules(rules: &[&str]) -> Vec<Rule> {
    (0..).map(RouteId).zip(rules).map(|(id, text)| rule(id, text)).collect()
}

fn rule(id: RouteId, text: &str) -> Rule {
    let mut methods = Vec::new();
    let mut path = None;
    let mut fields = Vec::new();
    for word in text.split(' ') {
        if word.starts_with('/') {
            path = Some(PathPattern::parse(word).unwrap());
        } else if let Some((name, value)) = word.split_once('=') {
            fields.push(FieldTest::Is(name.into(), value.into()));
        } else {
            methods.push(word);
        }
    }
    Rule { id, path: path.unwrap(), methods: MethodSet::of(methods), fields }
}

/// Which rule takes a request, written as the rules are; with the parameters.
fn found(router: &Router, request: &str) -> Option<(u32, Vec<String>)> {
    let mut method = Method::Get;
    let mut path = "";
    let mut fields = FieldList::default();
    for word in request.split(' ') {
        if word.starts_with('/') {
            path = word;
        } else if let Some((name, value)) = word.split_once('=') {
            fields.push(name, value);
        } else {
            method = Method::from_token(word);
        }
    }
    let found = router.find("example.com", method, path, &fields)?;
    let params = (0..found.params.len()).map(|n| found.params.text(n, path).to_owned()).collect();
    Some((found.route.0, params))
}
