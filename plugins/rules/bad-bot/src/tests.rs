use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

use crate::BadBot;

fn rule(json: &str) -> BadBot {
    BadBot::new(settings(json.as_bytes()).unwrap().config).unwrap()
}

fn refused(rule: &BadBot, world: &FakeWorld) -> Option<&'static str> {
    match rule.decide(world) {
        Decision::Refuse(refusal) => Some(refusal.reason),
        Decision::Allow | Decision::Tag { .. } => None,
    }
}

#[test]
fn a_listed_user_agent_is_refused() {
    let rule = rule(r#"{"user_agents": ["*badbot*", "curl/*"], "except": ["*goodbadbot*"]}"#);
    let agent = |agent| FakeWorld::new("GET", "/").with("user-agent", agent);
    assert_eq!(refused(&rule, &agent("Mozilla/5.0 (BadBot 2)")), Some("user_agent"));
    assert_eq!(refused(&rule, &agent("curl/8.1")), Some("user_agent"));
    assert_eq!(refused(&rule, &agent("GoodBadBot")), None);
    assert_eq!(refused(&rule, &agent("Mozilla/5.0")), None);
    assert_eq!(refused(&rule, &FakeWorld::new("GET", "/")), None);
}

#[test]
fn a_mark_is_refused_by_its_value() {
    let rule = rule(r#"{"marks": [{"header": "X-Demo-Bot", "value": "1"}]}"#);
    let mark = |value| FakeWorld::new("GET", "/").with("x-demo-bot", value);
    assert_eq!(refused(&rule, &mark("1")), Some("mark"));
    assert_eq!(refused(&rule, &mark("0")), None);
    assert_eq!(refused(&rule, &FakeWorld::new("GET", "/")), None);
}

#[test]
fn no_user_agent_is_refused_when_asked() {
    let rule = rule(r#"{"refuse_empty": true}"#);
    assert_eq!(refused(&rule, &FakeWorld::new("GET", "/")), Some("empty"));
    assert_eq!(refused(&rule, &FakeWorld::new("GET", "/").with("user-agent", "")), Some("empty"));
}

#[test]
fn an_unknown_key_is_an_error() {
    let error = settings::<crate::Config>(br#"{"user_agent": []}"#).unwrap_err();
    assert!(error.contains("user_agent"), "{error}");
}
