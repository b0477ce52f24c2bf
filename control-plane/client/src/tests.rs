use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::lines::Lines;
use crate::{LastGood, Mark, Saved};

fn saved(revision: u64) -> Saved {
    Saved { revision, hash: format!("h{revision}"), spec: format!("{{\"n\":{revision}}}") }
}

fn confirmed(store: &LastGood, revision: u64) {
    store.trying(&saved(revision)).unwrap();
    store.confirm().unwrap();
}

#[test]
fn boot_prefers_the_last_confirmed_over_a_newer_one_that_was_only_tried() {
    let folder = tempfile::tempdir().unwrap();
    let store = LastGood::open(folder.path()).unwrap();
    confirmed(&store, 1);
    confirmed(&store, 2);
    store.trying(&saved(3)).unwrap();
    let order: Vec<_> = store.load().iter().map(|(s, mark)| (s.revision, *mark)).collect();
    assert_eq!(order, [(2, Mark::Confirmed), (1, Mark::Confirmed), (3, Mark::Trying)]);
    store.abandon();
    assert_eq!(store.load().len(), 2);
}

#[test]
fn three_are_kept_and_only_the_owner_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = LastGood::open(folder.path()).unwrap();
    (1..=5).for_each(|revision| confirmed(&store, revision));
    let kept: Vec<_> = store.load().iter().map(|(s, _)| s.revision).collect();
    assert_eq!(kept, [5, 4, 3]);
    for file in fs::read_dir(folder.path()).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_control_plane_that_counts_from_one_again_is_still_newer() {
    let folder = tempfile::tempdir().unwrap();
    let store = LastGood::open(folder.path()).unwrap();
    confirmed(&store, 90);
    confirmed(&store, 1);
    assert_eq!(store.load()[0].0.revision, 1);
}

/// Every state that a crash can leave: each prefix of the writes that `trying` and `confirm` make.
#[test]
fn a_crash_at_any_byte_leaves_a_confirmed_spec_to_start_from() {
    let folder = tempfile::tempdir().unwrap();
    let store = LastGood::open(folder.path()).unwrap();
    confirmed(&store, 1);
    store.trying(&saved(2)).unwrap();
    let written = fs::read(folder.path().join("0000000002-2.trying")).unwrap();
    for name in ["0000000002-2.tmp", "0000000002-2.trying", "0000000002-2.confirmed"] {
        for cut in 0..written.len() {
            store.abandon();
            let path = folder.path().join(name);
            fs::write(&path, &written[..cut]).unwrap();
            let first = store.load().remove(0);
            assert_eq!((first.0.revision, first.1), (1, Mark::Confirmed), "{name} cut at {cut}");
            fs::remove_file(&path).ok();
        }
    }
    fs::write(folder.path().join("0000000002-2.tmp"), b"left over").unwrap();
    confirmed(&store, 2);
    assert_eq!(store.load()[0].0.revision, 2, "what a crash left is no obstacle");
}

#[test]
fn a_damaged_file_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = LastGood::open(folder.path()).unwrap();
    confirmed(&store, 1);
    confirmed(&store, 2);
    let path = folder.path().join("0000000002-2.confirmed");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(store.load().iter().map(|(s, _)| s.revision).collect::<Vec<_>>(), [1]);
}

#[test]
fn lines_are_cut_wherever_the_chunks_end() {
    let text = b"{\"a\":1}\n\n{\"b\":2}\nrest";
    for size in 1..text.len() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in text.chunks(size) {
            assert!(lines.push(chunk));
            while let Some(line) = lines.next() {
                found.push(line);
            }
        }
        assert_eq!(found, [&b"{\"a\":1}"[..], b"", b"{\"b\":2}"], "chunks of {size}");
    }
}
