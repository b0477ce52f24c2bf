//! Content steering manifests (draft-pantos-content-steering, DASH-IF CTS): which pathway a player should
//! take, from weights, from what is known to be down, and from what the player says.
//!
//! What has to be remembered of a session stands in the address that it asks next, so every node answers
//! alike: the number that its lot is drawn from, and the pathways that were too slow for it.

use serde_json::{Value, json};
use tidegate_http::percent_decode;

#[cfg(test)]
mod tests;

/// Most pathways of a steering manifest.
pub const PATHWAYS_MAX: usize = 32;
/// Most that is read of what a player says about each of its pathways.
const REPORTS_MAX: usize = PATHWAYS_MAX;
/// The parameters of the address that a session asks next.
const SESSION: &str = "session";
const SLOW: &str = "slow";

/// How a pathway stands; a player takes the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It can take sessions.
    Well,
    /// It can, but was too slow for this one.
    Slow,
    /// It can take nothing.
    Down,
}

/// A way to the content, such as one of several edges or networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pathway {
    /// `PATHWAY-ID` of HLS, `serviceLocation` of DASH.
    pub id: String,
    /// Its share of the sessions; 0 takes only what no other can.
    pub weight: u32,
    /// A session that measures less than this is sent elsewhere, bits a second; 0 keeps all.
    pub throughput_min_bps: u64,
    /// The pathway whose addresses it has but for these, where manifests do not name it.
    pub clone: Option<CloneOf>,
}

/// How a pathway's addresses follow from another's (`PATHWAY-CLONES`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneOf {
    /// The pathway that manifests name.
    pub base: String,
    /// The host in place of that one's.
    pub host: Option<String>,
    /// Query parameters that addresses get.
    pub params: Vec<(String, String)>,
}

/// What a request for a steering manifest says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number that the session's lot is drawn from, where it has one already.
    pub session: Option<u64>,
    /// Pathways that were too slow for it before.
    pub slow: Vec<String>,
    /// Pathways it used lately, the newest first, and what it measured there, bits a second.
    pub measured: Vec<(String, Option<u64>)>,
    /// The rest of the query, which the next request carries as well: tokens among it.
    pub rest: String,
}

impl Report {
    /// Reads `_HLS_pathway` and `_HLS_throughput`, or `_DASH_pathway` and `_DASH_throughput`, which are
    /// quoted lists; and what an earlier answer put into the address.
    pub fn of(query: Option<&str>) -> Self {
        let mut report = Self::default();
        let (mut pathways, mut throughputs) = (Vec::new(), Vec::new());
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let list = || list(value);
            match name {
                SESSION => report.session = u64::from_str_radix(value, 16).ok(),
                SLOW => report.slow = list(),
                "_HLS_pathway" | "_DASH_pathway" => pathways = list(),
                "_HLS_throughput" | "_DASH_throughput" => throughputs = list(),
                _ => {
                    let joint = if report.rest.is_empty() { "" } else { "&" };
                    report.rest.push_str(joint);
                    report.rest.push_str(pair);
                }
            }
        }
        let mut throughputs = throughputs.iter().map(|text| text.parse().ok());
        report.measured =
            pathways.into_iter().map(|id| (id, throughputs.next().flatten())).collect();
        report
    }

    /// Adds what is too slow by what the player measured.
    fn judge(&mut self, pathways: &[Pathway]) {
        for (id, throughput) in &self.measured {
            let pathway = pathways.iter().find(|pathway| pathway.id == *id);
            let least = pathway.map_or(0, |pathway| pathway.throughput_min_bps);
            let starves = throughput.is_some_and(|throughput| throughput < least);
            if starves && !self.slow.contains(id) {
                self.slow.push(id.clone());
            }
        }
        self.slow.retain(|id| pathways.iter().any(|pathway| pathway.id == *id));
    }
}

fn list(value: &str) -> Vec<String> {
    let Some(value) = percent_decode(value) else { return Vec::new() };
    let words = value.trim_matches('"').split(',').map(|word| word.trim_matches(['"', ' ']));
    words.filter(|word| !word.is_empty()).take(REPORTS_MAX).map(str::to_owned).collect()
}

/// The manifest for a request. `well` says of each pathway whether it can take anything; `fresh` is the
/// number of a session that has none yet.
pub fn answer(
    pathways: &[Pathway],
    well: impl Fn(usize) -> bool,
    mut report: Report,
    fresh: u64,
    ttl_s: u32,
) -> String {
    report.judge(pathways);
    let standing = |index: usize, pathway: &Pathway| {
        if !well(index) {
            Standing::Down
        } else if report.slow.contains(&pathway.id) {
            Standing::Slow
        } else {
            Standing::Well
        }
    };
    let standings: Vec<Standing> =
        pathways.iter().enumerate().map(|(index, pathway)| standing(index, pathway)).collect();
    let session = report.session.unwrap_or(fresh);
    let order = order(pathways, &standings, session);
    let mut manifest = json!({
        "VERSION": 1,
        "TTL": ttl_s,
        "RELOAD-URI": next(&report, session),
        "PATHWAY-PRIORITY": order,
    });
    let clones: Vec<Value> = pathways.iter().filter_map(clone_of).collect();
    if !clones.is_empty() {
        manifest["PATHWAY-CLONES"] = clones.into();
    }
    manifest.to_string()
}

/// The address that the session asks next: this one with another query.
fn next(report: &Report, session: u64) -> String {
    let mut next = format!("?{SESSION}={session:x}");
    if !report.slow.is_empty() {
        next.push_str(&format!("&{SLOW}={}", report.slow.join(",")));
    }
    if !report.rest.is_empty() {
        next.push_str(&format!("&{}", report.rest));
    }
    next
}

fn clone_of(pathway: &Pathway) -> Option<Value> {
    let clone = pathway.clone.as_ref()?;
    let mut replacement = json!({});
    if let Some(host) = &clone.host {
        replacement["HOST"] = host.as_str().into();
    }
    if !clone.params.is_empty() {
        let params = clone.params.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        replacement["PARAMS"] = Value::Object(params.collect());
    }
    Some(json!({ "BASE-ID": clone.base, "ID": pathway.id, "URI-REPLACEMENT": replacement }))
}

/// The order of pathways for a session: the best standing first, and among equals by lot, in proportion to
/// their weights. The lot is drawn from the session's number, so a session keeps its order as long as
/// nothing changes.
fn order<'p>(pathways: &'p [Pathway], standings: &[Standing], session: u64) -> Vec<&'p str> {
    let mut left: Vec<(&Pathway, Standing)> =
        pathways.iter().zip(standings.iter().copied()).collect();
    let mut order = Vec::with_capacity(left.len());
    let mut lot = session;
    while let Some(best) = left.iter().map(|(_, standing)| *standing).min() {
        let stands = |(_, standing): &&(&Pathway, Standing)| *standing == best;
        let total: u64 = left.iter().filter(stands).map(|(p, _)| u64::from(p.weight)).sum();
        lot = mixed(lot);
        let mut drawn = if total == 0 { 0 } else { lot % total };
        let chosen = left.iter().position(|one| {
            if !stands(&one) {
                return false;
            }
            let weight = u64::from(one.0.weight);
            if total == 0 || drawn < weight {
                return true;
            }
            drawn -= weight;
            false
        });
        let Some(chosen) = chosen else { return order };
        order.push(left.remove(chosen).0.id.as_str());
    }
    order
}

/// The finaliser of SplitMix64.
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
