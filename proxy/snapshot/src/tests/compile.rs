use super::*;

const SITE: &str = "
upstreams: [{ name: app, servers: ['http://a'] }]
limits: [{ name: one, rate: 1/s }, { name: two, rate: 2/s }, { name: three, rate: 3/s }]
plugins: [{ name: p, module: { file: p.wasm }, config: { a: 1 } }, { name: q, module: { file: q.wasm } }]
cache_policies: [{ name: short, ttl: 1500ms }, { name: long, ttl: { force: 1d } }]
sites:
  - name: s
    hosts: ['*']
    limits: [two]
    plugins: [q]
    cache: short
    headers: { response: { set: { x-a: site, x-b: site } } }
    routes:
      - match: /plain
        action: { proxy: app }
      - match: /full
        name: full
        action: { proxy: app }
        limits: [three, two, one]
        plugins: [p]
        cache: long
        headers: { response: { set: { x-b: route }, remove: [X-A] } }
        body_bytes_max: 1KiB
        timeout: 3s
      - { match: /off, action: { proxy: app }, cache: 'off' }
      - { match: /standard, action: { proxy: app }, cache: standard }
";

#[test]
fn a_route_adds_to_its_site() {
    let snapshot = compiled(SITE);
    let names = |route: &Route| -> Vec<String> {
        route.limits.iter().map(|index| snapshot[*index].name().to_owned()).collect()
    };
    let plain = route(&snapshot, "/plain");
    assert_eq!(&*plain.name, "s /plain");
    assert_eq!(names(plain), ["two"]);
    let full = route(&snapshot, "/full");
    assert_eq!(&*full.name, "full");
    assert_eq!(names(full), ["two", "three", "one"], "the site's first, none twice");
    let plugins: Vec<&str> = full.plugins.iter().map(|i| &*snapshot[*i].spec.name).collect();
    assert_eq!(plugins, ["q", "p"]);
    assert_eq!(full.body_bytes_max, Some(1_024));
    assert_eq!(full.timeout.unwrap().as_secs(), 3);
    let mut fields = FieldList::default();
    fields.push("X-A", "origin");
    full.headers.as_ref().unwrap().response.apply(&mut fields, &Nothing);
    assert_eq!(fields.len(), 1);
    assert_eq!(fields.value("x-b"), Some(&b"route"[..]));
}

#[test]
fn the_cache_policy_is_the_routes_or_the_sites_or_the_standard() {
    let snapshot = compiled(SITE);
    let default_s = |path| route(&snapshot, path).cache.as_ref().map(|policy| policy.ttl.default_s);
    assert_eq!(default_s("/plain"), Some(Some(2)), "1500ms is rounded up");
    assert_eq!(route(&snapshot, "/full").cache.as_ref().unwrap().ttl.force_s, Some(86_400));
    assert!(route(&snapshot, "/off").cache.is_none());
    let standard = route(&snapshot, "/standard").cache.clone().unwrap();
    assert_eq!(*standard, tidegate_cache::Policy::default());
    let alone = Spec::proxy_to("http://127.0.0.1:8000");
    let alone = compile(&alone, 1).unwrap();
    assert_eq!(**route(&alone, "/x").cache.as_ref().unwrap(), tidegate_cache::Policy::default());
}

#[test]
fn a_policy_with_nothing_said_is_the_standard() {
    let snapshot = compiled(
        "upstreams: [{ name: app, servers: ['http://a'] }]
cache_policies: [{ name: c }]
sites: [{ name: s, hosts: ['*'], cache: c, routes: [{ match: /*, action: { proxy: app } }] }]",
    );
    let policy = route(&snapshot, "/").cache.clone().unwrap();
    assert_eq!(*policy, tidegate_cache::Policy::default());
}

#[test]
fn a_plugin_reads_its_configuration_as_json() {
    let snapshot = compiled(SITE);
    assert_eq!(&*snapshot.plugins[0].configuration, br#"{"a":1}"#);
    assert!(snapshot.plugins[1].configuration.is_empty());
}

#[test]
fn a_ready_answer_is_complete() {
    let snapshot = compiled(
        "sites: [{ name: s, hosts: ['*'], routes: [
  { match: /a, action: { respond: { body: hi, headers: { X-A: b } } } },
  { match: /b, action: { respond: { status: 204 } } }] }]",
    );
    let Action::Respond(respond) = &route(&snapshot, "/a").action else { panic!("no answer") };
    assert_eq!((respond.status, &*respond.body), (200, &b"hi"[..]));
    assert_eq!(respond.fields.value("content-type"), Some(&b"text/plain; charset=utf-8"[..]));
    assert_eq!(respond.fields.value("x-a"), Some(&b"b"[..]));
    let Action::Respond(empty) = &route(&snapshot, "/b").action else { panic!("no answer") };
    assert!(empty.fields.is_empty(), "no body, no type of it");
}

#[test]
fn problems_of_reading_and_compiling_come_together_in_order() {
    let found = problems(
        "sites:
  - name: s
    hosts: ['*']
    routes:
      - { match: /a, action: { proxy: ap } }
      - { match: /b, action: { proxy: app }, timeout: 5 }
upstreams:
  - { name: app, servers: ['nowhere'], wait: 1 }
",
    );
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].starts_with(
        "line 5: sites[0].routes[0].action.proxy.upstream: there is no upstream \"ap\""
    ));
    assert!(found[1].starts_with("line 6: sites[0].routes[1].timeout: expected a duration"));
    assert!(found[2].starts_with("line 8: upstreams[0].wait: unknown key"));
    assert!(found[3].starts_with("line 8: upstreams[0].servers[0].url: \"nowhere\" has no scheme"));
}

#[test]
fn a_stand_in_is_never_a_problem_of_its_own() {
    // Everything is of the wrong type: one problem each, none that follows from it.
    let found = problems(
        "sites: [{ name: 1, hosts: 2, routes: [{ match: 3, action: 4, limits: 5, verify: 6, cache: 7 }] }]
upstreams: [{ name: 8, servers: [9], connect_timeout: 10 }]
limits: [{ name: 11, rate: 12, key: [13] }]
keysets: [{ name: 14, keys: [{ id: 15, algorithm: 16, secret: 17 }] }]
plugins: [{ name: 18, module: 19, call_timeout: 20 }]
link_domains: [{ name: 21, upstream: 22 }]
redirects: [{ name: 23, rules: [{ from: 24, to: 25, status: x }] }]",
    );
    let places: std::collections::BTreeSet<&str> =
        found.iter().map(|text| text.split(": ").nth(1).unwrap()).collect();
    assert_eq!(places.len(), found.len(), "{found:#?}");
    assert_eq!(found.len(), 26, "{found:#?}");
}

#[test]
fn what_is_described_has_no_secret() {
    let secret = "AAECAwQFBgcICQoLDA0ODw";
    let text = format!("{SITE}\nkeysets: [{{ name: k, keys: [{{ id: a, secret: {secret} }}] }}]");
    let snapshot = compiled(&text);
    let described = snapshot.describe().to_string();
    assert!(described.contains("\"revision\":7") && described.contains("s /plain"), "{described}");
    assert!(!described.contains(secret) && !format!("{snapshot:?}").contains("0, 1, 2, 3, 4"));
}

#[test]
fn a_large_fleet_compiles() {
    let mut text = "upstreams: [{ name: app, servers: ['http://a'] }]\nsites:\n".to_owned();
    for site in 0..100 {
        text.push_str(&format!(
            "  - name: s{site}\n    hosts: [h{site}.example.com]\n    routes:\n"
        ));
        for n in 0..100 {
            text.push_str(&format!("      - {{ match: '/r{n}/*', action: {{ proxy: app }} }}\n"));
        }
    }
    let snapshot = compiled(&text);
    assert_eq!(snapshot.routes.len(), 10_000);
    let fields = FieldList::default();
    let found = snapshot.router.find("h42.example.com", Method::Get, "/r17/x", &fields).unwrap();
    assert_eq!(&*snapshot.route(found.route).name, "s42 /r17/*");
}
