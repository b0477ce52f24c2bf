//! The accuracy matrix and its gates.

use tidegate_limit::Mode;

use crate::world::{Cell, Fault, Figures, Pattern, World};

const BASE: Cell = Cell {
    mode: Mode::Approx,
    limit: 1_000,
    nodes: 16,
    load: 5.0,
    skew: 0.8,
    pattern: Pattern::Steady,
    fault: Fault::None,
    rtt_ms: 1,
    seconds: 8,
    near: 0,
    seed: 1,
};

/// The cells, in the order of the table.
fn cells(mode: Mode) -> Vec<Cell> {
    let mut cells = Vec::new();
    for nodes in [1, 3, 16, 64] {
        for load in [0.5, 0.8, 1.0, 1.5, 5.0, 20.0] {
            cells.push(Cell { mode, nodes, load, ..BASE });
        }
    }
    for (limit, nodes, load) in [(100, 4, 0.8), (100, 4, 5.0), (10_000, 4, 0.8), (10_000, 4, 1.5)] {
        cells.push(Cell { mode, limit, nodes, load, seconds: 4, ..BASE });
    }
    for skew in [0.0, 1.2] {
        cells.push(Cell { mode, skew, ..BASE });
    }
    for (pattern, load) in [
        (Pattern::Step, 5.0),
        (Pattern::Square, 2.5),
        (Pattern::Boundary, 0.5),
        (Pattern::Keys(2_000), 5.0),
    ] {
        cells.push(Cell { mode, pattern, load, seconds: 6, ..BASE });
    }
    for fault in [
        Fault::OwnerRestart,
        Fault::OwnerDown,
        Fault::OneCut,
        Fault::HalfCut,
        Fault::ClockSkew,
        Fault::Loss,
        Fault::Duplicates,
    ] {
        for load in [0.8, 5.0] {
            let seconds = if fault == Fault::OwnerDown { 36 } else { 12 };
            let limit = if fault == Fault::OwnerDown { 300 } else { BASE.limit };
            cells.push(Cell { mode, fault, load, seconds, limit, ..BASE });
        }
    }
    for rtt_ms in [20, 100] {
        for load in [0.8, 5.0] {
            cells.push(Cell { mode, rtt_ms, load, ..BASE });
        }
    }
    cells
}

#[test]
fn the_gates_hold_and_the_table_in_docs_is_what_was_measured() {
    let mut table = String::from(HEAD);
    let mut broken = Vec::new();
    for mode in [Mode::Strict, Mode::Lease, Mode::Approx] {
        for cell in cells(mode) {
            let figures = World::new(cell).run();
            table.push_str(&line(&cell, &figures));
            broken.extend(gates(&cell, &figures));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    crate::recorded("accuracy", &table);
}

/// What must hold, and does not.
fn gates(cell: &Cell, figures: &Figures) -> Vec<String> {
    let mut broken = Vec::new();
    let mut gate = |holds: bool, what: &str| {
        if !holds {
            broken.push(format!("{what}: {}", line(cell, figures)));
        }
    };
    let cut = matches!(cell.fault, Fault::OneCut | Fault::HalfCut | Fault::OwnerDown);
    match cell.mode {
        // The first second is the only one in which nobody knows of anybody.
        Mode::Approx => {
            let first = 100.0 * cell.load.max(1.0) * 0.1 + 10.0;
            gate(figures.worst <= first, "first second");
            if cell.load <= 5.0 {
                gate(figures.later <= 15.0, "later seconds");
                // Parts of a small limit deny in vain while nodes are alone, and one bucket for all would
                // itself deny most of what comes in bursts: there only what is too much is gated.
                let free = cut || cell.pattern == Pattern::Boundary;
                gate(figures.mean <= 5.0 && (free || figures.mean >= -5.0), "mean");
            }
        }
        Mode::Lease | Mode::Strict | Mode::Local => {
            gate(figures.worst <= 0.0, "over");
        }
    }
    gate(!cut || figures.during <= 2.0, "partition");
    if cell.load < 0.95 && cell.pattern == Pattern::Steady && !cut {
        let most = if cell.mode == Mode::Strict && cell.rtt_ms == 100 { 1.5 } else { 1.0 };
        gate(figures.false_deny <= most, "false denials");
    }
    broken
}

const HEAD: &str = "| mode | nodes | limit | load | what | mean | worst second | later | while cut | denied in vain | calls/s | requests/s | fairness |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";

fn line(cell: &Cell, figures: &Figures) -> String {
    let Figures { mean, worst, later, during, false_deny, calls, offered, fairness } = figures;
    let during = match cell.fault {
        Fault::OneCut | Fault::HalfCut | Fault::OwnerDown => format!("{during:+.1} %"),
        _ => String::new(),
    };
    let mode = match cell.mode {
        Mode::Approx => "approx",
        Mode::Lease => "lease",
        Mode::Strict => "strict",
        Mode::Local => "local",
    };
    let what = match (cell.pattern, cell.fault) {
        (Pattern::Steady, Fault::None) if cell.rtt_ms > 1 => {
            format!("round trip {} ms", cell.rtt_ms)
        }
        (Pattern::Steady, Fault::None) if cell.skew != BASE.skew => format!("skew {}", cell.skew),
        (Pattern::Steady, Fault::None) => "steady".to_owned(),
        (Pattern::Step, _) => "a step after 2 s".to_owned(),
        (Pattern::Square, _) => "double every other 100 ms".to_owned(),
        (Pattern::Boundary, _) => "all within 100 ms around each second".to_owned(),
        (Pattern::Keys(keys), _) => format!("{keys} keys"),
        (_, Fault::OwnerRestart) => "owner restarts, knows nothing".to_owned(),
        (_, Fault::OwnerDown) => "owner down for 30 s".to_owned(),
        (_, Fault::OneCut) => "one node cut off".to_owned(),
        (_, Fault::HalfCut) => "half of the nodes cut off".to_owned(),
        (_, Fault::ClockSkew) => "clocks off by 200 ms".to_owned(),
        (_, Fault::Loss) => "a tenth of the exchanges lost".to_owned(),
        (_, Fault::Duplicates) => "a fifth of the messages twice".to_owned(),
    };
    format!(
        "| {mode} | {} | {} | {} | {what} | {mean:+.1} % | {worst:+.1} % | {later:+.1} % | {during} | {false_deny:.2} % | {calls:.0} | {offered:.0} | {fairness:.2} |\n",
        cell.nodes, cell.limit, cell.load
    )
}
