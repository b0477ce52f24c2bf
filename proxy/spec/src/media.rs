//! Segmented media on a route, and who may have it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::resource::{resource, words};
use crate::units::Size;

resource! {
    /// Delivery of segmented media: HLS, LL-HLS and DASH by the book. `{}` turns it on.
    pub struct MediaPolicy {
        /// What the addresses inside manifests carry.
        pub tokens: ManifestTokens = ManifestTokens::Keep,
        /// How long minted tokens open segments, keys and parts.
        pub token_lifetime: Duration = Duration::from_secs(600),
        /// How long minted tokens open the playlists of a multivariant playlist.
        pub playlist_token_lifetime: Duration = Duration::from_secs(86_400),
        /// How many leading segments of the path a minted token opens; 0 is the manifest's own folder.
        pub token_segments: u32 = 0,
        /// Large files are fetched and kept in slices of this size; whole when absent.
        pub slice: Option<Size>,
        /// Segments that are fetched ahead of the players, by manifest and by CMCD; 0 fetches none.
        pub prefetch: u32 = 0,
        /// Whether answers say what this node knows of them (CMSD-Dynamic).
        pub cmsd: bool = false,
        /// An upstream that is asked while the route's own fails, or stands still in a live stream.
        pub standby: Option<String>,
        /// Target durations without anything new after which a live stream stands still.
        pub stalled_after: u32 = 3,
    }
}

words! {
    /// What the addresses inside manifests carry.
    pub enum ManifestTokens {
        /// What the origin wrote.
        Keep = "keep",
        /// The token parameters of the request for the manifest.
        Copy = "copy",
        /// A short-lived token of Tidegate's own, signed with the route's keyset.
        Mint = "mint",
    }
}

resource! {
    /// Content steering: which way to the content players take, from weights and health.
    pub struct SteerAction {
        /// The ways, such as several edges or networks.
        pub pathways: Vec<Pathway>,
        /// How long a player keeps to an answer before it asks again.
        pub ttl: Duration = Duration::from_secs(30),
    }
}

resource! {
    /// A way to the content.
    pub struct Pathway {
        /// `PATHWAY-ID` of HLS, `serviceLocation` of DASH.
        pub id: String,
        /// Its share of the sessions; 0 takes only what no other can.
        pub weight: u32 = 1,
        /// An upstream whose servers tell, by checks and exchanges, whether the pathway is well.
        pub upstream: Option<String>,
        /// Sessions that measure less bandwidth than this, in bytes a second, are sent elsewhere.
        pub throughput_min: Option<Size>,
        /// The pathway whose addresses this one has, where manifests do not name it.
        pub clone_of: Option<String>,
        /// The host in the place of that one's.
        pub host: Option<String>,
        /// Query parameters that its addresses get.
        pub params: BTreeMap<String, String>,
    }
}

resource! {
    /// Countries of clients (ISO 3166-1 alpha-2), from the node's `countries` file.
    pub struct CountryPolicy {
        /// Only these; a client of an unknown country is refused.
        pub only: Vec<String>,
        /// All but these.
        pub except: Vec<String>,
    }
}

resource! {
    /// Which pages may embed what is served.
    pub struct RefererPolicy {
        /// Hosts of the pages: `example.com`, `*.example.com`.
        pub only: Vec<String>,
        /// Whether a request without `Referer` and `Origin` passes: many players send none.
        pub empty: bool = true,
    }
}
