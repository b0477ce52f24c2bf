//! Well-known field names, so that a [`crate::Head`] finds their values without a search.

macro_rules! known {
    ($($name:ident = $word:literal,)*) => {
        /// A field name that the edge looks at often.
        #[expect(missing_docs, reason = "each variant is the field of its name")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known { $($name,)* }

        impl Known {
            /// Every well-known name, in the order of the discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            const WORDS: &'static [&'static str] = &[$($word,)*];
        }
    };
}

known! {
    Host = "host",
    Connection = "connection",
    ContentLength = "content-length",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    Expect = "expect",
    Te = "te",
    Trailer = "trailer",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    ProxyAuthorization = "proxy-authorization",
    Accept = "accept",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    AcceptCharset = "accept-charset",
    UserAgent = "user-agent",
    Referer = "referer",
    Origin = "origin",
    Cookie = "cookie",
    Authorization = "authorization",
    CacheControl = "cache-control",
    Pragma = "pragma",
    Range = "range",
    IfRange = "if-range",
    IfNoneMatch = "if-none-match",
    IfMatch = "if-match",
    IfModifiedSince = "if-modified-since",
    IfUnmodifiedSince = "if-unmodified-since",
    ContentType = "content-type",
    ContentEncoding = "content-encoding",
    ContentRange = "content-range",
    Date = "date",
    Via = "via",
    CdnLoop = "cdn-loop",
    Forwarded = "forwarded",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XForwardedHost = "x-forwarded-host",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    Priority = "priority",
    MaxForwards = "max-forwards",
    IdempotencyKey = "idempotency-key",
    AccessControlRequestMethod = "access-control-request-method",
    Http2Settings = "http2-settings",
}

/// The number of well-known names.
pub(crate) const KNOWN_COUNT: usize = Known::WORDS.len();

const SLOTS: usize = 128;
const FREE: u8 = u8::MAX;

/// Slot of a hash over length and three bytes -> discriminant. The multipliers were found by trial;
/// the build fails when a new name collides, and then new ones are needed.
const TABLE: [u8; SLOTS] = {
    let mut table = [FREE; SLOTS];
    let mut i = 0;
    while i < KNOWN_COUNT {
        let slot = slot(Known::WORDS[i].as_bytes());
        assert!(table[slot] == FREE, "two well-known names share a slot: choose other multipliers");
        table[slot] = i as u8;
        i += 1;
    }
    table
};

impl Known {
    /// The name in lower case.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// The well-known name equal to `name`, a token, in any case.
    #[inline]
    pub fn lookup(name: &[u8]) -> Option<Self> {
        if name.is_empty() {
            return None;
        }
        let index = TABLE[slot(name)] as usize;
        let word = Self::WORDS.get(index)?;
        folds_to(name, word.as_bytes()).then(|| Self::ALL[index])
    }
}

/// Whether `name` is `word` in another case, eight bytes at a time: names are compared for every
/// line of every request. Setting bit 0x20 makes letters lower case; the words hold only letters,
/// digits and hyphens, and no other byte of a token becomes one of these by it.
#[inline]
fn folds_to(name: &[u8], word: &[u8]) -> bool {
    if name.len() != word.len() {
        return false;
    }
    let (Some(name_end), Some(word_end)) = (name.last_chunk::<8>(), word.last_chunk::<8>()) else {
        return name.iter().zip(word).all(|(n, w)| n | 0x20 == *w);
    };
    const FOLD: u64 = u64::from_ne_bytes([0x20; 8]);
    let differ =
        |n: &[u8; 8], w: &[u8; 8]| (u64::from_ne_bytes(*n) | FOLD) ^ u64::from_ne_bytes(*w);
    let (names, words) = (name.as_chunks::<8>().0, word.as_chunks::<8>().0);
    let all = names.iter().zip(words).fold(0, |all, (n, w)| all | differ(n, w));
    all | differ(name_end, word_end) == 0
}

/// Setting bit 0x20 folds the case of letters; what it does to other bytes does not matter here.
#[inline]
const fn slot(name: &[u8]) -> usize {
    let first = (name[0] | 0x20) as usize;
    let last = (name[name.len() - 1] | 0x20) as usize;
    let middle = (name[name.len() / 2] | 0x20) as usize;
    (name.len() * 62 + first * 48 + last * 31 + middle) % SLOTS
}

#[cfg(test)]
mod tests;
