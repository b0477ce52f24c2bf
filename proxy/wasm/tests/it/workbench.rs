//! The workbench over modules in WAT and over the rules that ship.

use std::sync::Arc;

use tidegate_list::{Kind, List};
use tidegate_wasm::workbench::{
    Report, Version, WorkbenchError, abi_questions, abi_suite, bench, conform, inspect, replay,
    run_cases, template,
};

use crate::{rules::rule, world::module};

fn problems(report: &Report) -> Vec<&str> {
    report.cases.iter().flat_map(|case| &case.problems).map(String::as_str).collect()
}

#[test]
fn the_cases_of_every_rule_hold() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/rules");
    let mut seen = 0;
    for folder in std::fs::read_dir(rules).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(text) = std::fs::read_to_string(folder.join("cases.toml")) else { continue };
        let name = folder.file_name().unwrap().to_str().unwrap().replace('-', "_");
        let report =
            run_cases(&rule(&name), &text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(report.passed(), "{name}: {:#?}", problems(&report));
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} rules have cases");
}

#[test]
fn what_is_not_as_expected_is_told() {
    let text = r#"
        config = '{"marks": [{"header": "x-demo-bot", "value": "1"}]}'
        [[case]]
        name = "wrong in every way"
        [[case.step]]
        request = "GET /"
        headers = { x-demo-bot = "1" }
        [case.step.expect]
        status = 200
        answered = false
        body = "nonsense"
        answer_headers = { content-type = "text/plain" }
        labels = { "label.refused" = "other" }
        logs = ["nothing"]
        metrics = { bad_bot_refused = 7, bad_bot_unknown = 1 }
        calls = ["a GET /"]
        fuel_max = 1
        [[case]]
        name = "loads"
        load_error = "anything"
        [[case]]
        name = "does not load"
        config = "[]"
    "#;
    let report = run_cases(&rule("bad_bot"), text).unwrap();
    assert!(!report.passed());
    let counts: Vec<usize> = report.cases.iter().map(|case| case.problems.len()).collect();
    assert_eq!(counts, [10, 1, 1], "{:#?}", problems(&report));
    assert!(report.cases[0].fuel > 1_000);
}

#[test]
fn cases_give_the_same_fuel_each_time() {
    let text = "[[case]]\nname = \"once\"\n[[case.step]]\nrequest = \"GET /\"\n";
    let fuel = || run_cases(&rule("bad_bot"), text).unwrap().cases[0].fuel;
    assert_eq!(fuel(), fuel());
}

#[test]
fn a_file_that_is_none_is_an_error() {
    for text in ["", "config = 7", "[[case]]\nnam = \"typo\""] {
        let error = run_cases(&rule("bad_bot"), text).unwrap_err();
        assert!(matches!(error, WorkbenchError::Cases(_)), "{error}");
    }
}

#[test]
fn a_module_is_inspected_without_running() {
    let wat = module(
        "(import \"env\" \"vendor_magic\" (func))",
        "(func (export \"proxy_on_tick\") (param i32))",
    );
    let inspection = inspect(&wat::parse_str(wat).unwrap()).unwrap();
    assert_eq!(inspection.abi, ["proxy_abi_version_0_2_1"]);
    assert_eq!(inspection.missing, ["env.vendor_magic"]);
    assert_eq!(inspection.memory_bytes, 131_072);
    assert!(inspection.callbacks.contains(&"proxy_on_tick".to_owned()));
    assert!(inspect(b"text").is_err());
}

#[test]
fn the_cost_is_measured() {
    let report = bench(&rule("header_check"), br#"{"header": "x", "refuse": "y"}"#).unwrap();
    assert!(report.ns > 0 && report.fuel > 100 && report.memory_bytes > 65_536, "{report:?}");
    let refusing = bench(&rule("header_check"), br#"{"header": "accept", "refuse": "*"}"#);
    assert!(matches!(refusing, Err(WorkbenchError::Bench(_))));
}

#[test]
fn a_new_rule_has_its_name_everywhere() {
    let files = template("my-rule", "{ path = \"../../sdk\" }").unwrap();
    let text: String = files.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        text.contains("MyRule") && text.contains("my_rule_refused") && text.contains("my-rule")
    );
    assert!(!text.contains('@'), "a place was not filled");
    for name in ["", "My", "a b", "../x", "1st"] {
        assert!(template(name, "").is_err(), "{name}");
    }
}

#[test]
fn the_suite_of_the_abi_holds() {
    let report = abi_suite().unwrap();
    assert!(report.passed(), "{:#?}", problems(&report));
    assert!(report.cases.len() >= 20);
    assert_eq!(abi_questions().unwrap().len(), report.cases.len());
}

#[test]
fn every_rule_gets_on_with_the_host() {
    for name in ["bad_bot", "honeypot", "shortlink_spam", "waf_lite"] {
        let found = conform(&rule(name), b"").unwrap();
        assert!(found.is_sound(), "{name}: {found:#?}");
    }
    let refused = conform(&rule("header_check"), b"").unwrap();
    assert!(refused.refused.unwrap().contains("missing field"));
}

#[test]
fn a_module_that_traps_somewhere_is_told_where() {
    let wat = module(
        "",
        "(func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32) unreachable)",
    );
    let found = conform(&wat::parse_str(wat).unwrap(), b"").unwrap();
    let failed = found.situations.iter().filter(|one| one.problem.is_some()).count();
    assert!(!found.is_sound() && failed >= 3 && failed < found.situations.len(), "{found:#?}");
}

#[test]
fn two_versions_differ_where_they_decide_differently() {
    let line = |agent: &str, path: &str| {
        format!(
            r#"{{"time_us":1800000000000000,"status":200,"method":"GET","scheme":"http","host":"a","path":"{path}","client":"192.0.2.7","user_agent":"{agent}"}}"#
        )
    };
    let log = [line("Mozilla/5.0", "/"), "no request".into(), line("BadBot/1", "/x")].join("\n");
    let module = rule("bad_bot");
    let version = |json: &'static str| Version { module: &module, configuration: json.as_bytes() };
    let old = version(r#"{"user_agents": ["*other*"]}"#);
    let new = version(r#"{"user_agents": ["*badbot*"]}"#);
    let report = replay(old, new, &[], log.as_bytes()).unwrap();
    assert_eq!((report.requests, report.unreadable, report.different), (2, 1, 1), "{report:?}");
    assert_eq!((report.answered, report.failures), ([0, 1], [0, 0]));
    let difference = &report.differences[0];
    assert_eq!((difference.line, difference.request.as_str()), (3, "GET a/x"));
    assert_eq!(difference.old, "passes");
    assert!(difference.new.starts_with("answers 403"), "{difference:?}");
    assert_eq!(replay(new, new, &[], log.as_bytes()).unwrap().different, 0);
}

#[test]
fn the_twins_of_a_rule_in_other_languages_do_the_same() {
    let cases = include_str!("../../../../plugins/maintenance-cases.toml");
    let twins: [&[u8]; 2] = [
        include_bytes!("../testdata/maintenance.wasm"),
        include_bytes!("../testdata/maintenance_as.wasm"),
    ];
    for twin in twins {
        let report = run_cases(twin, cases).unwrap();
        assert!(report.passed(), "{:#?}", problems(&report));
        assert!(conform(twin, b"/shop").unwrap().is_sound());
    }
}

#[test]
fn both_versions_ask_the_lists_of_a_replay() {
    let module = rule("ip_reputation");
    let log = r#"{"time_us":1,"method":"GET","host":"a","path":"/","client":"192.0.2.7"}"#;
    let list = List::new(Kind::Address, ["192.0.2.0/24"]).unwrap();
    let lists: [(Arc<str>, Arc<List>); 1] = [("bad".into(), Arc::new(list))];
    let version = |json: &'static str| Version { module: &module, configuration: json.as_bytes() };
    let (old, new) = (version("{}"), version(r#"{"refuse_lists": ["bad"]}"#));
    let report = replay(old, new, &lists, log.as_bytes()).unwrap();
    assert_eq!((report.different, report.answered), (1, [0, 1]), "{report:?}");
    assert_eq!(replay(old, new, &[], log.as_bytes()).unwrap().different, 0);
}

#[test]
fn the_lists_of_a_file_of_cases_have_a_kind() {
    let cases = |lists: &str| {
        format!(
            "config = '{{\"refuse_lists\": [\"bad\"]}}'\nlists = {{ bad = {lists} }}\n[[case]]\nname = 'a'\n\
             [[case.step]]\nrequest = 'GET /'\nclient = '192.0.2.7'\nexpect = {{ status = 403 }}\n"
        )
    };
    let run = |lists: &str| run_cases(&rule("ip_reputation"), &cases(lists)).unwrap();
    assert!(run("['192.0.2.0/24']").passed());
    assert!(run("{ kind = 'text', entries = ['192.0.2.7'] }").passed());
    assert!(!run("{ kind = 'text', entries = ['192.0.2.0/24'] }").passed());
    let report = run("{ kind = 'address', entries = ['192.0.2.0/33'] }");
    assert!(problems(&report)[0].contains("list bad"), "{report:?}");
    assert!(
        problems(&run("{ kind = 'other', entries = [] }"))[0].contains("address, hash or text")
    );
}
