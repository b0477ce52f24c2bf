use super::*;

/// The path that goes upstream when `path` matches `pattern`.
fn rewritten(pattern: &str, rewrite: &str, path: &str) -> String {
    let snapshot = compiled(&format!(
        "upstreams: [{{ name: app, servers: ['http://a'] }}]
sites:
  - name: s
    hosts: ['*']
    routes: [{{ match: '{pattern}', action: {{ proxy: {{ upstream: app, rewrite: {rewrite} }} }} }}]"
    ));
    let found = snapshot.router.find("h", Method::Get, path, &FieldList::default()).unwrap();
    let Action::Proxy { rewrite: Some(rewrite), .. } = &snapshot.route(found.route).action else {
        panic!("no rewrite")
    };
    rewrite.path(path, &found.params).into_owned()
}

#[test]
fn paths_change_on_their_way() {
    for (pattern, rewrite, path, expected) in [
        ("/a/*", "'/b/{rest}'", "/a/x/y", "/b/x/y"),
        ("/u/{id}/{n}", "{ path: '/{n}/{id}' }", "/u/1/2", "/2/1"),
        ("/a/*", "{ strip_prefix: /a }", "/a/x", "/x"),
        ("/a/*", "{ strip_prefix: /a/ }", "/a/", "/"),
        ("/*", "{ strip_prefix: /a }", "/ab", "/ab"),
        ("/*", "{ strip_prefix: /a }", "/a", "/"),
        ("/*", "{ add_prefix: /v1 }", "/x", "/v1/x"),
        ("/*", "{ add_prefix: /v1/ }", "/", "/v1/"),
        ("/a/*", "{ strip_prefix: /a, add_prefix: /b }", "/a/x", "/b/x"),
        ("/a/*", "'/{rest}'", "/a//evil", "/evil"),
    ] {
        assert_eq!(rewritten(pattern, rewrite, path), expected, "{pattern} {rewrite} {path}");
    }
}
