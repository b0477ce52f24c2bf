//! Tests of the compiler.

mod compile;
mod compress;
mod cors;
mod edits;
mod keys;
mod random;
mod rewrite;

use tidegate_http::{FieldList, Method};
use tidegate_spec::Spec;

use super::*;

/// A spec that compiles.
fn compiled(text: &str) -> Snapshot {
    match compile_text(text, 7) {
        Ok((_, snapshot)) => snapshot,
        Err(problems) => panic!("{problems:#?}"),
    }
}

/// What is wrong with a spec.
fn problems(text: &str) -> Vec<String> {
    let problems = compile_text(text, 7).expect_err("a spec with problems");
    problems.iter().map(Problem::to_string).collect()
}

/// The route of a GET.
fn route<'s>(snapshot: &'s Snapshot, path: &str) -> &'s Route {
    let fields = FieldList::default();
    let found = snapshot.router.find("example.com", Method::Get, path, &fields).expect("a route");
    snapshot.route(found.route)
}

/// Facts of no request.
struct Nothing;

impl Facts for Nothing {
    fn text(&self, variable: Variable) -> std::borrow::Cow<'_, str> {
        format!("<{variable:?}>").into()
    }
}
