//! Where a link may lead: absolute web addresses on the public internet, outside of our own domains.

use std::net::{Ipv4Addr, Ipv6Addr};

use tidegate_origin_kit::Violation;
use url::{Host, Url};

/// Bytes of the longest target, as it is written into `Location`.
pub(crate) const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Names that lead into a private network by convention (RFC 6761, RFC 6762, RFC 8375 and the like).
const PRIVATE_SUFFIXES: &[&str] = &[
    "localhost",
    "local",
    "internal",
    "localdomain",
    "lan",
    "intranet",
    "private",
    "home.arpa",
    "onion",
];

/// What a target is checked against.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// Schemes; `http` and `https` when empty.
    pub(crate) schemes: Vec<String>,
    /// Hosts that are ours: a link to them could lead in a circle.
    pub(crate) own_hosts: Vec<String>,
    /// Lets private and reserved targets pass; for closed networks.
    pub(crate) private: bool,
}

/// The target in canonical form, or why it is refused.
pub(crate) fn check(text: &str, policy: &Policy) -> Result<String, Violation> {
    let no = |code, detail: &str| Violation::new("/url", code, detail);
    if text.len() > TARGET_BYTES_MAX {
        return Err(no("length", "the address is longer than 8 KiB"));
    }
    // The parser drops tabs and line breaks; an address that has them was made to deceive.
    if text.chars().any(|c| c.is_control()) {
        return Err(no("characters", "the address has control characters"));
    }
    let url = Url::parse(text.trim())
        .map_err(|e| no("syntax", &format!("not an absolute address: {e}")))?;
    check_parts(&url, policy).map_err(|(code, detail)| no(code, &detail))?;
    let target = String::from(url);
    if target.len() > TARGET_BYTES_MAX {
        return Err(no("length", "the address is longer than 8 KiB once encoded"));
    }
    Ok(target)
}

type Refused = (&'static str, String);

fn check_parts(url: &Url, policy: &Policy) -> Result<(), Refused> {
    check_scheme(url.scheme(), policy)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("userinfo", "the address carries a user name or password".to_owned()));
    }
    let Some(host) = url.host() else {
        return Err(("host", "the address has no host".to_owned()));
    };
    if is_own(&host, policy) {
        return Err(("loop", "the address leads back to this service".to_owned()));
    }
    if !policy.private && is_private(&host) {
        return Err(("private", "the address leads into a private or reserved network".to_owned()));
    }
    Ok(())
}

fn check_scheme(scheme: &str, policy: &Policy) -> Result<(), Refused> {
    let allowed = match policy.schemes.as_slice() {
        [] => scheme == "http" || scheme == "https",
        schemes => schemes.iter().any(|s| s == scheme),
    };
    if allowed {
        return Ok(());
    }
    Err(("scheme", format!("addresses of the scheme `{scheme}` are not allowed")))
}

fn is_own(host: &Host<&str>, policy: &Policy) -> bool {
    let host = host.to_string();
    let host = host.trim_end_matches('.');
    policy.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
}

// The parser has brought decimal, octal and hexadecimal forms of addresses to one form before this.
fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_private_name(name),
        Host::Ipv4(ip) => is_private_v4(*ip),
        Host::Ipv6(ip) => is_private_v6(*ip),
    }
}

fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let below = |suffix: &&str| {
        name == *suffix || name.strip_suffix(*suffix).is_some_and(|rest| rest.ends_with('.'))
    };
    !name.contains('.') || PRIVATE_SUFFIXES.iter().any(below)
}

/// The blocks of the IANA special-purpose registry that are not globally reachable (RFC 6890).
fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = embedded_v4(ip) {
        return is_private_v4(inner);
    }
    // Only 2000::/3 is handed out for global unicast.
    let s = ip.segments();
    let global = s[0] & 0xe000 == 0x2000;
    let documentation = (s[0] == 0x2001 && s[1] == 0x0db8) || (s[0] == 0x3fff && s[1] < 0x1000);
    let protocol = s[0] == 0x2001 && s[1] < 0x0200;
    !global || documentation || protocol
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let from = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
            if ip != Ipv6Addr::LOCALHOST && !ip.is_unspecified() =>
        {
            from(high, low)
        }
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => from(high, low),
        [0x2002, high, low, ..] => from(high, low),
        _ => None,
    }
}
