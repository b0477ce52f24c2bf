use std::{fs, net::IpAddr};

use super::{AccessLog, AccessRecord, AccessSettings, AccessTarget};
use crate::{Counter, Phase, Reason};

struct Log {
    log: AccessLog,
    dir: tempfile::TempDir,
}

impl Log {
    fn new(sample_one_in: u32, buffer_bytes_max: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let target = AccessTarget::File(dir.path().join("access.log"));
        let settings = AccessSettings { target, sample_one_in, buffer_bytes_max };
        Self { log: AccessLog::start(&settings).unwrap(), dir }
    }

    fn lines(&self, file: &str) -> Vec<serde_json::Value> {
        self.log.flush();
        let text = fs::read_to_string(self.dir.path().join(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn record() -> AccessRecord<'static> {
    AccessRecord {
        time_us: 1_700_000_000_000_001,
        status: 200,
        method: "GET",
        host: "example.com",
        path: "/a\"b",
        client: "2001:db8::1".parse::<IpAddr>().unwrap(),
        bytes_sent: 1234,
        duration_us: 56,
        phase: Phase::Hit,
        site: "demo",
        user_agent: b"x\xff\n\\",
        referer: b"https://example.org/p?token=secret",
        ..AccessRecord::default()
    }
}

#[test]
fn a_record_is_one_json_line() {
    let log = Log::new(1, 1 << 20);
    log.log.write(&record());
    let lines = log.lines("access.log");
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["time_us"], 1_700_000_000_000_001_u64);
    assert_eq!(line["path"], "/a\"b");
    assert_eq!(line["client"], "2001:db8::1");
    assert_eq!(line["phase"], "hit");
    assert_eq!(line["user_agent"], "x\u{fffd}\n\\");
    assert_eq!(line["referer"], "https://example.org/p");
    assert!(line.get("reason").is_none() && line.get("upstream").is_none());
}

#[test]
fn both_families_of_addresses_are_written() {
    let log = Log::new(1, 1 << 20);
    for client in ["192.0.2.10", "0.0.0.0", "255.255.255.255", "::ffff:192.0.2.1", "2001:db8::"] {
        let client: IpAddr = client.parse().unwrap();
        log.log.write(&AccessRecord { client, ..record() });
        let lines = log.lines("access.log");
        assert_eq!(lines[lines.len() - 1]["client"], client.to_string());
    }
}

#[test]
fn sampling_keeps_what_is_remarkable() {
    let log = Log::new(10, 1 << 20);
    for _ in 0..100 {
        log.log.write(&record());
    }
    log.log.write(&AccessRecord { status: 503, ..record() });
    log.log.write(&AccessRecord {
        status: 403,
        reason: Some(Reason::SignatureExpired),
        ..record()
    });
    let lines = log.lines("access.log");
    assert_eq!(lines.len(), 12);
    assert_eq!(lines.iter().filter(|line| line["one_in"] == 10).count(), 10);
    assert_eq!(lines[11]["reason"], "signature_expired");
}

#[test]
fn a_full_queue_drops_and_counts() {
    let before = Counter::AccessRecordsDropped.value();
    // Room for less than one line in each buffer.
    let log = Log::new(1, 100);
    log.log.write(&record());
    assert_eq!(log.lines("access.log").len(), 0);
    assert!(Counter::AccessRecordsDropped.value() > before);
}

#[test]
fn reopen_follows_a_rotated_file() {
    let log = Log::new(1, 1 << 20);
    log.log.write(&record());
    assert_eq!(log.lines("access.log").len(), 1);
    fs::rename(log.dir.path().join("access.log"), log.dir.path().join("access.log.1")).unwrap();
    log.log.reopen();
    log.log.flush();
    log.log.write(&record());
    assert_eq!((log.lines("access.log").len(), log.lines("access.log.1").len()), (1, 1));
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let log = Log::new(1, 1 << 20);
    log.log.write(&record());
    assert_eq!(log.lines("access.log").len(), 1);
    let path = log.dir.path().join("access.log");
    fs::rename(&path, log.dir.path().join("access.log.1")).unwrap();
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !path.exists() {
        assert!(std::time::Instant::now() < give_up, "nobody opened the file again");
        log.log.flush();
    }
    log.log.write(&record());
    assert_eq!((log.lines("access.log").len(), log.lines("access.log.1").len()), (1, 1));
}

#[test]
fn a_writer_that_is_stuck_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for both, so that neither side waits for the other; nobody reads yet.
    let mut end = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let target = AccessTarget::File(pipe);
    let settings = AccessSettings { target, sample_one_in: 1, buffer_bytes_max: 64 << 10 };
    let log = AccessLog::start(&settings).unwrap();
    let (written, dropped) =
        (Counter::AccessRecordsWritten.value(), Counter::AccessRecordsDropped.value());
    // Far more than pipe and buffer hold: were a request to wait for the writer, this would not end.
    (0..20_000).for_each(|_| log.write(&record()));
    assert!(Counter::AccessRecordsWritten.value() > written);
    assert!(Counter::AccessRecordsDropped.value() > dropped);
    std::thread::spawn(move || std::io::copy(&mut end, &mut std::io::sink()));
    log.flush();
}

#[test]
fn the_last_handle_writes_what_is_left() {
    let Log { log, dir } = Log::new(1, 1 << 20);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let log = log.clone();
            std::thread::spawn(move || (0..250).for_each(|_| log.write(&record())))
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    drop(log);
    let text = fs::read_to_string(dir.path().join("access.log")).unwrap();
    assert_eq!(text.lines().count(), 1000);
}

#[test]
fn off_is_off() {
    let log = AccessLog::off();
    assert!(!log.is_on());
    log.write(&record());
    log.reopen();
    log.flush();
}

#[test]
fn count_fills_every_family() {
    let before = (Phase::Stale.value(), Reason::UpstreamTls.value());
    AccessRecord { phase: Phase::Stale, reason: Some(Reason::UpstreamTls), ..record() }.count();
    assert_eq!((Phase::Stale.value(), Reason::UpstreamTls.value()), (before.0 + 1, before.1 + 1));
}
