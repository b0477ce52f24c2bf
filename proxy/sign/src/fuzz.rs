//! Bodies of the fuzz targets, one format each; the tests run them too.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tidegate_http::FieldList;

use crate::{Algorithm, FORMATS, Key, Keyset, KeysetOptions, Request, formats, verify};

#[cfg(test)]
mod tests;

const NOW_S: u64 = 1_700_000_000;

/// Any bytes as a request to a keyset of this format, and as the claims of a good token of it.
///
/// # Panics
/// When a request passes that nobody signed, or for a word that is no format.
pub fn format(word: &str, data: &[u8]) {
    request(word, data);
    formats::fuzz_claims(word, data, signer());
}

/// Four lines: path, query, cookie, authorization.
fn request(word: &str, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let path = ["/", lines.next().unwrap_or_default()].concat();
    let query = lines.next();
    let mut fields = FieldList::default();
    for (name, value) in ["cookie", "authorization", "cta-common-access-token"].iter().zip(lines) {
        fields.push(name, value);
    }
    let request = Request {
        https: true,
        host: "h.example",
        port: None,
        method: "GET",
        path: &path,
        path_sent: &path,
        query,
        client: [192, 0, 2, 1].into(),
        country: Some("DE"),
        fields: &fields,
        wants_claims: true,
    };
    assert!(verify(keyset(word), &request, NOW_S).is_err(), "{word} let in {text:?}");
}

fn keyset(word: &str) -> &'static Keyset {
    static KEYSETS: OnceLock<BTreeMap<&'static str, Keyset>> = OnceLock::new();
    let all = KEYSETS
        .get_or_init(|| FORMATS.iter().filter_map(|word| Some((*word, build(word)?))).collect());
    &all[word]
}

fn build(word: &str) -> Option<Keyset> {
    let settings: &[(&str, &str)] = match word {
        "cloudflare" => &[("ttl", "60")],
        "secure-link" => &[("template", "$secure_link_expires$uri$secret")],
        _ => &[],
    };
    let settings = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let keys = vec![signer().clone(), Key::new("e1", Algorithm::Ed25519, &[7; 32]).ok()?];
    let formats = vec![(word.to_owned(), settings)];
    Keyset::new(KeysetOptions { name: "fuzz".to_owned(), keys, formats, skew_s: 0 }).ok()
}

fn signer() -> &'static Key {
    static SIGNER: OnceLock<Key> = OnceLock::new();
    SIGNER.get_or_init(|| {
        Key::new("k1", Algorithm::HmacSha256, b"a secret of the fuzz targets")
            .unwrap_or_else(|_| unreachable!())
    })
}
