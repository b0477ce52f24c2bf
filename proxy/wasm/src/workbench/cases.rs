//! Files of cases, TOML.
//!
//! ```toml
//! config = '{"marks": [{"header": "x-demo-bot", "value": "1"}]}'
//!
//! [[case]]
//! name = "a marked request is refused"
//!
//! [[case.step]]
//! request = "GET /"
//! headers = { x-demo-bot = "1" }
//! expect = { status = 403, body = "Forbidden", metrics = { bad_bot_refused = 1 } }
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_list::{Kind, List};

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    /// Configuration of the plugin, JSON, for cases that have none of their own.
    #[serde(default)]
    pub(crate) config: String,
    /// Lists that plugins ask by name.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, ListCase>,
    /// Property `plugin_root_id`.
    #[serde(default)]
    pub(crate) root_id: String,
    #[serde(default, rename = "case")]
    pub(crate) cases: Vec<Case>,
}

/// A list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ListCase {
    /// Its entries: addresses and networks when all of them are, else texts.
    Entries(Vec<String>),
    /// Its kind and its entries.
    Kind { kind: String, entries: Vec<String> },
}

impl ListCase {
    pub(crate) fn list(&self) -> Result<List, String> {
        let (kind, entries) = match self {
            Self::Entries(entries) => (List::guess(texts(entries)), entries),
            Self::Kind { kind, entries } => {
                let kinds = [Kind::Address, Kind::Hash, Kind::Text];
                let kind = kinds.into_iter().find(|known| known.as_str() == kind);
                (kind.ok_or("the kind of a list is address, hash or text")?, entries)
            }
        };
        List::new(kind, texts(entries)).map_err(|wrong| wrong.to_string())
    }
}

fn texts(entries: &[String]) -> impl Iterator<Item = &str> {
    entries.iter().map(String::as_str)
}

/// One case: a fresh plugin and some requests one after the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) config: Option<String>,
    /// The plugin has to refuse its configuration, with these words.
    #[serde(default)]
    pub(crate) load_error: Option<String>,
    #[serde(default, rename = "step")]
    pub(crate) steps: Vec<Step>,
}

/// One request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Method and target.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// Address of the client.
    #[serde(default)]
    pub(crate) client: Option<String>,
    /// Further properties.
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
    /// Milliseconds that pass before this request.
    #[serde(default)]
    pub(crate) after_ms: u64,
    /// How often the request is repeated; what is expected is checked each time.
    #[serde(default = "once")]
    pub(crate) times: u32,
    /// What upstreams answer to the plugin's calls, by upstream.
    #[serde(default)]
    pub(crate) answers: BTreeMap<String, Answer>,
    /// Status of the origin, when the request gets there.
    #[serde(default = "ok")]
    pub(crate) response: u16,
    #[serde(default)]
    pub(crate) response_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) expect: Expect,
}

fn once() -> u32 {
    1
}

fn ok() -> u16 {
    200
}

/// Answer of an upstream to the plugin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
}

/// What has to be true after a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expect {
    /// Status that the client sees; the plugin's own or the origin's.
    pub(crate) status: Option<u16>,
    /// Whether the plugin answered itself.
    pub(crate) answered: Option<bool>,
    /// Words in the body of the plugin's answer.
    pub(crate) body: Option<String>,
    /// Fields of the plugin's answer.
    pub(crate) answer_headers: BTreeMap<String, String>,
    /// Fields that the origin sees; an empty value means absent.
    pub(crate) request_headers: BTreeMap<String, String>,
    /// Fields that the client sees of the origin's response.
    pub(crate) response_headers: BTreeMap<String, String>,
    /// Body that the origin sees.
    pub(crate) request_body: Option<String>,
    /// Labels, by path.
    pub(crate) labels: BTreeMap<String, String>,
    /// Words that appear in log lines of this request.
    pub(crate) logs: Vec<String>,
    /// The plugin's metrics, counted from the start of the case.
    pub(crate) metrics: BTreeMap<String, i64>,
    /// Calls made, as `upstream METHOD /path`.
    pub(crate) calls: Option<Vec<String>>,
    /// Instructions at most.
    pub(crate) fuel_max: Option<u64>,
}
