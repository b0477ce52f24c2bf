//! The table beside a links service and a log that are never wrong.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{SECOND, record};
use crate::links::{Filter, Limits, Lookup, Op, Table, Ticket};

#[derive(Clone, Debug)]
enum Step {
    /// The links service makes or changes a code.
    Put(u8),
    /// It takes one away.
    Delete(u8),
    /// The edge receives so many changes.
    Receive(usize),
    /// A generation is built at the service and reaches the edge.
    Generation,
    /// A question leaves the edge; the service answers now, the answer arrives later.
    Ask(u8),
    /// The oldest answer under way arrives.
    Arrive,
    /// A visitor comes.
    Visit(u8),
    /// A heartbeat.
    Confirm,
    /// Time passes, in milliseconds.
    Pass(u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..6).prop_map(Step::Put),
        (0u8..6).prop_map(Step::Delete),
        (0usize..4).prop_map(Step::Receive),
        Just(Step::Generation),
        (0u8..6).prop_map(Step::Ask),
        Just(Step::Arrive),
        (0u8..6).prop_map(Step::Visit),
        (0u8..6).prop_map(Step::Visit),
        Just(Step::Confirm),
        (0u16..1_500).prop_map(Step::Pass),
    ]
}

#[derive(Default)]
struct World {
    /// The service: version of each live code.
    live: HashMap<String, u64>,
    /// The log: the code of change n at place n - 1, with the state after it.
    log: Vec<(String, Option<u64>)>,
    received: usize,
    generation: u64,
    answers: Vec<(Ticket, String, Option<u64>)>,
    now_us: u64,
}

impl World {
    fn change(&mut self, code: &str, version: Option<u64>) {
        match version {
            Some(version) => self.live.insert(code.to_owned(), version),
            None => self.live.remove(code),
        };
        self.log.push((code.to_owned(), version));
    }

    /// The versions that the edge may show: the newest it received, or any later one.
    fn allowed(&self, code: &str) -> Vec<Option<u64>> {
        let known = self.log[..self.received].iter().rev().find(|(c, _)| c == code);
        let later = self.log[self.received..].iter().filter(|(c, _)| c == code);
        std::iter::once(known.and_then(|(_, v)| *v)).chain(later.map(|(_, v)| *v)).collect()
    }

    fn step(&mut self, table: &Table, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Put(n) => self.change(&name(*n), Some(self.log.len() as u64 + 1)),
            Step::Delete(n) => self.change(&name(*n), None),
            Step::Receive(many) => self.receive(table, *many),
            Step::Generation => self.generation(table),
            Step::Ask(n) => {
                let code = name(*n);
                if let Lookup::Ask(ticket) = table.lookup("d", &code, self.now_us) {
                    let answer = self.live.get(&code).copied();
                    self.answers.push((ticket, code, answer));
                }
            }
            Step::Arrive => self.arrive(table),
            Step::Visit(n) => self.visit(table, &name(*n))?,
            Step::Confirm => table.confirm(self.received as u64, self.now_us),
            Step::Pass(ms) => self.now_us += u64::from(*ms) * 1_000,
        }
        Ok(())
    }

    fn receive(&mut self, table: &Table, many: usize) {
        let upto = (self.received + many).min(self.log.len());
        let ops: Vec<Op<'_>> = self.log[self.received..upto]
            .iter()
            .map(|(code, _)| Op { domain: "d", code })
            .collect();
        table.apply(self.received as u64, upto as u64, &ops).unwrap();
        self.received = upto;
    }

    fn generation(&mut self, table: &Table) {
        self.generation += 1;
        let mut filter = Filter::new(self.generation, self.log.len() as u64, 100, 0.3);
        self.live.keys().for_each(|code| filter.insert("d", code));
        table.replace(filter);
        self.received = self.log.len();
    }

    fn arrive(&mut self, table: &Table) {
        if self.answers.is_empty() {
            return;
        }
        let (ticket, code, version) = self.answers.remove(0);
        match version {
            Some(version) => table.learn(ticket, record(&code, &version.to_string()), self.now_us),
            None => table.missed(ticket, "d", &code, self.now_us),
        }
    }

    fn visit(&self, table: &Table, code: &str) -> Result<(), TestCaseError> {
        match table.lookup("d", code, self.now_us) {
            Lookup::Redirect(record) => {
                let shown = record.location().parse().unwrap();
                prop_assert!(
                    self.allowed(code).contains(&Some(shown)),
                    "{code} at {shown} is stale"
                );
            }
            Lookup::Unknown => {
                prop_assert!(self.allowed(code).contains(&None), "{code} exists");
            }
            Lookup::Ask(_) => {}
        }
        Ok(())
    }
}

fn name(n: u8) -> String {
    format!("code{n}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_answer_is_older_than_what_the_edge_received(
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let table = Table::new(Limits::default());
        let mut world = World { now_us: SECOND, ..World::default() };
        for step in &steps {
            world.step(&table, step)?;
        }
    }
}
