use crate::*;

#[test]
fn a_text_stands_for_the_map_it_shortens() {
    let short = read(
        "sites:
  - name: a
    hosts: ['*']
    routes:
      - { match: /x, action: { proxy: app }, verify: keys }
      - { match: { path: /y, headers: { x-a: '1' } }, action: { redirect: /z } }
upstreams: [{ name: app, servers: ['http://a'], health: /up }]
",
    )
    .unwrap();
    let long = read(
        "sites:
  - name: a
    hosts: ['*']
    routes:
      - match: { path: /x }
        action: { proxy: { upstream: app } }
        verify: { keyset: keys }
      - match: { path: /y, headers: { x-a: { is: '1' } } }
        action: { redirect: { to: /z } }
upstreams: [{ name: app, servers: [{ url: 'http://a' }], health: { path: /up } }]
",
    )
    .unwrap();
    assert_eq!(short, long);
    assert_eq!(short.to_json(), long.to_json());
    assert_eq!(short.to_json()["sites"][0]["routes"][0]["match"], "/x", "written short");
}

#[test]
fn json_is_yaml() {
    let yaml = "limits:\n- name: a\n  rate: 5/s\n";
    let json = r#"{"limits":[{"name":"a","rate":"5/s"}]}"#;
    assert_eq!(read(yaml).unwrap(), read(json).unwrap());
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(Spec::from_json(&value).unwrap(), read(json).unwrap());
    let spec: Spec = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&spec).unwrap(), json);
    let error = serde_json::from_str::<Spec>(r#"{"limit":[]}"#).unwrap_err().to_string();
    assert!(error.contains("did you mean \"limits\"?"), "{error}");
}

#[test]
fn an_empty_value_is_an_absent_one() {
    let spec = read("sites:\nupstreams: ~\nlimits: [{ name: a, rate: 1/s, burst: }]\n").unwrap();
    assert_eq!(spec.limits[0].burst, None);
}

#[test]
fn settings_of_others_are_kept_as_written() {
    let text = "services: { links: { a: null, b: [1, -2, 2.5, true], c: '01' } }";
    let spec = read(text).unwrap();
    let expected = serde_json::json!({ "a": null, "b": [1, -2, 2.5, true], "c": "01" });
    assert_eq!(spec.services["links"], expected);
}

#[test]
fn what_must_be_text_is_not_guessed() {
    let problems = read("limits: [{ name: on, rate: 5/s, cost: 2 }]").unwrap_err();
    assert_eq!(problems.len(), 1, "on is a word in YAML 1.2: {problems:?}");
    assert_eq!(problems[0].hint.as_deref(), Some("write \"2\" in quotes"));
}

#[test]
fn exactly_one_of_a_choice() {
    for action in ["{}", "{ proxy: a, link: b }", "text", "{ prox: a }"] {
        let text = format!(
            "sites: [{{ name: a, hosts: [], routes: [{{ match: /, action: {action} }}] }}]"
        );
        let problems = read(&text).unwrap_err();
        assert_eq!(problems.len(), 1, "{action}: {problems:?}");
        assert!(problems[0].path.starts_with("sites[0].routes[0].action"), "{problems:?}");
    }
}

#[test]
fn proxy_to_is_a_whole_spec() {
    let spec = Spec::proxy_to("http://127.0.0.1:8000");
    assert_eq!(spec.sites[0].hosts, ["*"]);
    assert_eq!(read(&spec.to_yaml()).unwrap(), spec);
    assert_eq!(read(&canonical::json(&spec.to_json())).unwrap(), spec);
}

#[test]
fn canonical_json_sorts_keys_at_every_depth() {
    let value = serde_json::json!({ "b": { "d": 1, "c": "é\n" }, "a": [true, null] });
    assert_eq!(canonical::json(&value), r#"{"a":[true,null],"b":{"c":"é\n","d":1}}"#);
}
