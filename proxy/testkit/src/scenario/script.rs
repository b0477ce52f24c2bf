//! A scenario as read.

use std::time::Duration;

/// A scenario as read.
#[derive(Debug, PartialEq)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// Every origin it names, in the order of their first appearance.
    pub(super) origins: Vec<String>,
}

/// One line that does something.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) act: Act,
}

#[derive(Debug, PartialEq)]
pub(super) enum Act {
    /// Keys of the node file.
    Node(String),
    Spec(Source),
    Apply(Source),
    Refuse(Source),
    Advance(Duration),
    Metric {
        name: String,
        labels: Vec<String>,
        compare: Compare,
        value: f64,
    },
    Client(String, ClientAct),
    /// Origin, label, what it does.
    Origin(String, String, OriginAct),
}

/// Where a spec is written.
#[derive(Debug, PartialEq)]
pub(super) enum Source {
    File(String),
    Text(String),
}

#[derive(Debug, PartialEq)]
pub(super) enum ClientAct {
    Send(Draft),
    SendRaw(Vec<u8>),
    Expect(Part, Expect),
    ExpectRaw(Vec<u8>),
    Broken,
    Closed,
    Close,
    End,
}

#[derive(Debug, PartialEq)]
pub(super) enum OriginAct {
    Send(Draft),
    SendRaw(Vec<u8>),
    Expect(Part, Expect),
    ExpectRaw(Vec<u8>),
    Always(Draft),
    Broken,
    Close,
    Reset,
    Down,
    Up,
    Requests(usize),
    Connections(usize),
}

/// How much of a message is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Head,
    Body,
}

/// A message to send.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Draft {
    pub(super) line: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) no_host: bool,
    pub(super) no_length: bool,
    /// Its content in pieces; `None` when none was written.
    pub(super) content: Option<Vec<Vec<u8>>>,
}

/// A message to expect.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Expect {
    pub(super) line: String,
    pub(super) fields: Vec<(String, Test)>,
    pub(super) content: Option<Test>,
}

/// What is expected of a value.
#[derive(Debug, PartialEq)]
pub(super) enum Test {
    Is(Vec<u8>),
    Present,
    Absent,
    Contains(String),
    Starts(String),
    Lines(usize),
    Number(Compare, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    AtLeast,
    AtMost,
}

impl Compare {
    pub(super) fn holds(self, got: f64, wanted: f64) -> bool {
        match self {
            Self::Equal => (got - wanted).abs() < f64::EPSILON,
            Self::AtLeast => got >= wanted,
            Self::AtMost => got <= wanted,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
        }
    }
}
