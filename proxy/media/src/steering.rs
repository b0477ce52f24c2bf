//! Content steering manifests (draft-pantos-content-steering, DASH-IF CTS): which pathway a player should
//! take, from weights and from what is known to be down.

use serde_json::json;

#[cfg(test)]
mod tests;

/// A way to the content, such as one of several edges or networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pathway {
    /// `PATHWAY-ID` of HLS, `serviceLocation` of DASH.
    pub id: String,
    /// Its share of the sessions; 0 takes only what no other can.
    pub weight: u32,
    /// Whether it can take anything at all.
    pub healthy: bool,
}

/// The order of pathways for a session: healthy ones before the others, and among them by lot, in
/// proportion to their weights. The lot is drawn from the session's hash, so a session keeps its order
/// as long as nothing changes.
pub fn order(pathways: &[Pathway], session: u64) -> Vec<&str> {
    let mut left: Vec<&Pathway> = pathways.iter().collect();
    let mut order = Vec::with_capacity(left.len());
    let mut lot = session;
    while !left.is_empty() {
        let healthy = left.iter().any(|pathway| pathway.healthy);
        let stands = |pathway: &&Pathway| pathway.healthy == healthy;
        let total: u64 = left.iter().filter(|p| stands(p)).map(|p| u64::from(p.weight)).sum();
        lot = mixed(lot);
        let mut drawn = if total == 0 { 0 } else { lot % total };
        let chosen = left.iter().position(|pathway| {
            if !stands(pathway) {
                return false;
            }
            let weight = u64::from(pathway.weight);
            if total == 0 || drawn < weight {
                return true;
            }
            drawn -= weight;
            false
        });
        let Some(chosen) = chosen else { return order };
        order.push(left.remove(chosen).id.as_str());
    }
    order
}

/// The manifest, as both formats read it.
pub fn manifest(order: &[&str], ttl_s: u32, reload: Option<&str>) -> String {
    let mut manifest = json!({ "VERSION": 1, "TTL": ttl_s, "PATHWAY-PRIORITY": order });
    if let Some(reload) = reload {
        manifest["RELOAD-URI"] = reload.into();
    }
    manifest.to_string()
}

/// The finaliser of SplitMix64.
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
