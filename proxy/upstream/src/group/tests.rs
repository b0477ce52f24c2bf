use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::config::{Address, Balance, Ejection};

fn address(last: u8) -> Address {
    format!("http://192.0.2.{last}:80").parse().unwrap()
}

fn group(weights: &[u32], balance: Balance) -> Group {
    let mut config = GroupConfig::new("g", (1..).map(address).take(weights.len()).collect());
    config.balance = balance;
    for (server, weight) in config.servers.iter_mut().zip(weights) {
        server.weight = *weight;
    }
    Group::new(config, None, Clock::system())
}

fn chosen(group: &Group, times: usize, hash_key: impl Fn(usize) -> Option<u64>) -> Vec<usize> {
    let servers = group.servers();
    let mut counts = vec![0; servers.len()];
    for turn in 0..times {
        let wish = Wish { tried: &[], hash_key: hash_key(turn) };
        let server = group.choose(wish).unwrap();
        counts[servers.iter().position(|s| Arc::ptr_eq(s, &server)).unwrap()] += 1;
    }
    counts
}

#[test]
fn turns_are_spread_and_exact() {
    let group = group(&[5, 1, 1], Balance::RoundRobin);
    let order: Vec<usize> = (0..7)
        .map(|_| chosen(&group, 1, |_| None).iter().position(|count| *count == 1).unwrap())
        .collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn great_weights_are_scaled_and_none_is_lost() {
    let group = group(&[1_000_000, 500_000, 1], Balance::RoundRobin);
    let members = group.members.load();
    let turns = &members.levels[0].turns;
    assert!(turns.len() < 5000, "{}", turns.len());
    let distinct: HashSet<u32> = turns.iter().copied().collect();
    assert_eq!(distinct.len(), 3);
}

#[test]
fn the_less_busy_of_two_takes_more() {
    let group = group(&[1, 1], Balance::LeastRequests);
    let busy = ServerGuard::enter(Arc::clone(&group.servers()[0]));
    assert_eq!(chosen(&group, 10, |_| None), [0, 10]);
    drop(busy);
    assert!(chosen(&group, 100, |_| None).iter().all(|count| *count > 0));
}

#[test]
fn keys_spread_by_weight_and_move_little_when_a_server_goes() {
    let group = group(&[2, 1, 1], Balance::Hash);
    let counts = chosen(&group, 4000, |turn| Some(turn as u64));
    assert!((1800..2200).contains(&counts[0]), "{counts:?}");
    assert!((850..1150).contains(&counts[1]), "{counts:?}");
    let servers = group.servers();
    let owner = |group: &Group, key| {
        group.choose(Wish { tried: &[], hash_key: Some(key) }).unwrap().label.clone()
    };
    let before: Vec<_> = (0..1000).map(|key| owner(&group, key)).collect();
    let gone = &servers[2];
    gone.state.ejections.eject(&Ejection::default(), u64::MAX / 2);
    for (key, before) in before.iter().enumerate() {
        let after = owner(&group, key as u64);
        assert!(*before == gone.label || *before == after, "key {key} moved for nothing");
    }
}

#[test]
fn one_hot_key_does_not_overrun_its_server() {
    let group = group(&[1, 1, 1, 1], Balance::Hash);
    let mut held = Vec::new();
    for _ in 0..40 {
        let server = group.choose(Wish { tried: &[], hash_key: Some(7) }).unwrap();
        held.push(ServerGuard::enter(server));
    }
    for server in group.servers() {
        let load = server.state.under_way.load(Ordering::Relaxed);
        assert!(load <= 13, "{load} of 40 are more than a quarter and a quarter of that");
    }
}

#[test]
fn a_tried_server_comes_last_and_a_broken_view_is_not_believed() {
    let group = group(&[1, 1], Balance::RoundRobin);
    let servers = group.servers();
    let tried = [Arc::clone(&servers[0])];
    for _ in 0..4 {
        let server = group.choose(Wish { tried: &tried, hash_key: None }).unwrap();
        assert!(Arc::ptr_eq(&server, &servers[1]));
    }
    for server in &servers {
        assert_eq!(server.state.health.take(false, 1, 1), Some(false));
    }
    assert_eq!(chosen(&group, 4, |_| None), [2, 2]);
}

#[test]
fn ejections_grow_and_are_forgotten() {
    let rule = Ejection {
        consecutive_faults: 3,
        base: Duration::from_secs(5),
        max: Duration::from_secs(12),
        ejected_percent_max: 50,
    };
    let state = Ejections::default();
    assert!(!state.fault(&rule) && !state.fault(&rule));
    state.success(&rule, 0);
    assert!(!state.fault(&rule) && !state.fault(&rule) && state.fault(&rule));
    assert_eq!(state.eject(&rule, 0), 5_000_000);
    assert!(state.is_out(4_999_999) && !state.is_out(5_000_000));
    // One more fault is enough now, and it lasts longer, up to the longest.
    assert!(state.fault(&rule));
    assert_eq!(state.eject(&rule, 5_000_000), 15_000_000);
    assert_eq!(state.eject(&rule, 15_000_000), 27_000_000);
    // After a good time as long as the longest ejection, it begins anew.
    state.success(&rule, 39_000_001);
    assert!(!state.fault(&rule));
}

#[test]
fn health_changes_after_enough_answers_in_a_row() {
    let health = Health::default();
    health.checks.fetch_add(1, Ordering::Relaxed);
    assert_eq!(health.take(false, 2, 3), None);
    assert_eq!(health.take(true, 2, 3), None);
    assert_eq!(health.take(false, 2, 3), None);
    assert_eq!(health.take(false, 2, 3), None);
    assert_eq!(health.take(false, 2, 3), Some(false));
    assert_eq!(health.take(true, 2, 3), None);
    assert_eq!(health.take(true, 2, 3), Some(true));
}

#[test]
fn a_budget_of_retries_is_a_share_of_what_is_under_way() {
    let mut config = GroupConfig::new("g", vec![address(1)]);
    config.retry.budget_percent = 20;
    config.retry.budget_min = 1;
    let group = Arc::new(Group::new(config, None, Clock::system()));
    let _exchanges: Vec<_> = (0..10).map(|_| ExchangeGuard::enter(&group).unwrap()).collect();
    let one = RetryGuard::enter(&group);
    let two = RetryGuard::enter(&group);
    assert!(one.is_some() && two.is_some() && RetryGuard::enter(&group).is_none());
    drop(one);
    assert!(RetryGuard::enter(&group).is_some());
}
