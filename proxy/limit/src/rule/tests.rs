use super::*;

#[test]
fn rates_read_and_print() {
    for (text, count, period_us, printed) in [
        ("50/s", 50, 1_000_000, "50/s"),
        ("600/min", 600, 60_000_000, "600/60s"),
        ("1000 / h", 1000, 3_600_000_000, "1000/3600s"),
        ("5000/day", 5000, 86_400_000_000, "5000/86400s"),
        ("10/250ms", 10, 250_000, "10/250ms"),
        ("1/5s", 1, 5_000_000, "1/5s"),
    ] {
        let rate: Rate = text.parse().expect(text);
        assert_eq!(rate, Rate { count, period_us });
        assert_eq!(rate.to_string(), printed);
        assert_eq!(printed.parse(), Ok(rate));
    }
}

#[test]
fn wrong_rates_say_why() {
    for text in ["", "50", "50/", "/s", "50/fortnight", "-1/s", "1.5/s", "50/s/s"] {
        let error = text.parse::<Rate>().expect_err(text);
        assert!(matches!(error, RuleError::Rate(_)), "{text}: {error}");
    }
    for text in ["0/s", "1/0s", "2000000000/s", "1/400d", "1/99999999999999d"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
}

#[test]
fn names_fit_a_structured_field() {
    let rule = |name: &str| {
        let algorithm = Algorithm::TokenBucket { rate: Rate::per_second(1), burst: 1 };
        Rule::new(RuleOptions::new(name, vec![], algorithm))
    };
    assert!(rule("per-client").is_ok());
    for name in ["", "per client", "a\"b", "a\\b", "größe", &"x".repeat(65)] {
        assert!(rule(name).is_err(), "{name}");
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let rule = |algorithm| Rule::new(RuleOptions::new("r", vec![], algorithm));
    let rate = Rate::per_second(1);
    assert!(rule(Algorithm::TokenBucket { rate, burst: 0 }).is_err());
    assert!(rule(Algorithm::Concurrency { limit: 0, hold_us: 1 }).is_err());
    assert!(rule(Algorithm::Concurrency { limit: 1, hold_us: 0 }).is_err());
    let far = Algorithm::Calendar { limit: 1, period: Period::Day, utc_offset_s: 90_000 };
    assert!(rule(far).is_err());
    let here = Algorithm::Calendar { limit: 1, period: Period::Day, utc_offset_s: 0 };
    let mut options = RuleOptions::new("r", vec![], here);
    assert!(Rule::new(options.clone()).is_ok());
    options.enforce_per_mille = 1001;
    assert!(Rule::new(options.clone()).is_err());
    options.enforce_per_mille = 0;
    assert!(Rule::new(options.clone()).is_ok());
    options.key = vec![KeyPart::Route; KEY_PARTS_MAX + 1];
    assert!(Rule::new(options).is_err());
}

#[test]
fn a_tier_has_its_own_numbers() {
    let bucket = |burst| Algorithm::TokenBucket { rate: Rate::per_second(1), burst };
    let by = KeyPart::Claim("tier".into());
    let of = vec![("free".to_owned(), bucket(10)), ("pro".to_owned(), bucket(100))];
    let tiers = Some(Tiers { by, of });
    let rule = Rule::new(RuleOptions { tiers, ..RuleOptions::new("r", vec![], bucket(1)) });
    let rule = rule.expect("a good rule");
    let fields = tidegate_http::FieldList::default();
    let limit = |tier: Option<&'static str>| {
        let claim = move |name: &str, f: &mut dyn FnMut(&str)| {
            if let Some(tier) = tier.filter(|_| name == "tier") {
                f(tier);
            }
        };
        let client = std::net::Ipv4Addr::LOCALHOST.into();
        let (host, method, path, route, query) = ("h", "GET", "/", "r", None);
        let fields = &fields;
        let request = Request {
            client,
            host,
            method,
            path,
            query,
            route,
            fields,
            claim: Some(&claim),
            country: None,
        };
        let tier = rule.tier(&request);
        assert_eq!(tier.name(), "r");
        tier.quota().limit()
    };
    assert_eq!(limit(Some("free")), 10);
    assert_eq!(limit(Some("pro")), 100);
    assert_eq!(limit(Some("none such")), 1);
    assert_eq!(limit(None), 1);
    let bad = Some(Tiers { by: KeyPart::Host, of: vec![("h".to_owned(), bucket(0))] });
    assert!(
        Rule::new(RuleOptions { tiers: bad, ..RuleOptions::new("r", vec![], bucket(1)) }).is_err()
    );
}
