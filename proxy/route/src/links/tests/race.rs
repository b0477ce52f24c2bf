//! Lookups, answers and changes on several threads at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{SECOND, filter, op, record};
use crate::links::{Limits, Lookup, Table};

/// One code is changed again and again, with generations between; its version only grows.
#[test]
fn no_reader_sees_a_version_older_than_one_announced_before_it_looked() {
    let table = Table::new(Limits::default());
    table.replace(filter(1, 0, &["a"]));
    let service = AtomicU64::new(0);
    let announced = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| read(&table, &service, &announced, &done));
        }
        for version in 1..=20_000u64 {
            service.store(version, Ordering::SeqCst);
            table.apply(version - 1, version, &[op("a")]).unwrap();
            announced.store(version, Ordering::SeqCst);
            if version % 500 == 0 {
                table.replace(filter(version, version, &["a"]));
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(table.state().seq, 20_000);
}

fn read(table: &Table, service: &AtomicU64, announced: &AtomicU64, done: &AtomicBool) {
    while !done.load(Ordering::SeqCst) {
        table.confirm(0, SECOND);
        let floor = announced.load(Ordering::SeqCst);
        match table.lookup("d", "a", SECOND) {
            Lookup::Redirect(record) => {
                let version: u64 = record.location().parse().unwrap();
                assert!(version >= floor, "saw {version} after {floor} was announced");
            }
            Lookup::Ask(ticket) => {
                let version = service.load(Ordering::SeqCst);
                table.learn(ticket, record("a", &version.to_string()), SECOND);
            }
            Lookup::Unknown => panic!("the code exists"),
        }
    }
}
