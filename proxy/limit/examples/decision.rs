//! One decision, many times over, for counting its instructions:
//! `valgrind --tool=callgrind target/release/examples/decision 100000` and again with `200000`; the
//! difference by 100,000 is one key hashed and one limit checked.

#![expect(clippy::unwrap_used, reason = "a measurement stops where it cannot go on")]

use tidegate_http::FieldList;
use tidegate_limit::{Algorithm, Charge, Rate, Request, Rule, RuleOptions, Secret, Table};

fn main() {
    let decisions: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let algorithm = Algorithm::TokenBucket { rate: Rate::per_second(1_000_000), burst: 1_000_000 };
    let key = vec!["header:x-api-key".parse().unwrap()];
    let rule = Rule::new(RuleOptions::new("keys", key, algorithm)).unwrap();
    let table = Table::new(100_000, Secret::new([3; 16]));
    let heads: Vec<FieldList> = (0..1_000)
        .map(|n| {
            let mut fields = FieldList::default();
            fields.push("host", "bench.example.com");
            fields.push("x-api-key", format!("client-{n:08x}"));
            fields
        })
        .collect();
    let mut passed = 0;
    for n in 0..decisions {
        let request = Request {
            client: [192, 0, 2, 1].into(),
            host: "bench.example.com",
            method: "GET",
            path: "/o/1",
            query: None,
            route: "bench /*",
            fields: &heads[(n % 1_000) as usize],
            claim: None,
            country: None,
        };
        let key = table.key(&rule, &request).unwrap();
        let charge = Charge { rule: &rule, key, cost: rule.cost(&request) };
        passed += u64::from(table.check(&[charge], 1_795_000_000_000_000 + n).is_ok());
    }
    assert_eq!(passed, decisions);
}
