//! The formats of others, one file each, verified as their own signers make them.
//!
//! | word | format | keys |
//! |---|---|---|
//! | `akamai` | Akamai EdgeAuth 2.0 | secret |
//! | `ats-url-sig` | Apache Traffic Server url_sig | secret |
//! | `bunny` | BunnyCDN token authentication v2 | secret |
//! | `cat` | Common Access Token, CTA-5007 | secret, P-256, Ed25519 |
//! | `cdni` | CDNI URI Signing, RFC 9246 | secret, RSA, P-256, Ed25519 |
//! | `cloudflare` | Cloudflare timed HMAC | secret |
//! | `cloudflare-stream` | Cloudflare Stream token in the path | RSA, any of JWT |
//! | `cloudfront` | Amazon CloudFront signed URLs and cookies | RSA, P-256 |
//! | `fastly` | Fastly sample token | secret |
//! | `jwt` | plain JWT (RFC 7519) | secret, RSA, P-256, Ed25519 |
//! | `media-cdn` | Google Media CDN tokens, URLs, cookies | secret, Ed25519 |
//! | `ome-signed-policy` | OvenMediaEngine SignedPolicy | secret |
//! | `secure-link` | nginx secure_link_md5 | secret |

use std::collections::BTreeMap;

use crate::keyset::{KeysetError, Scheme};
use crate::native;

mod akamai;
mod ats_url_sig;
mod bunny;
mod cat;
mod cdni;
mod cloudflare;
mod cloudflare_stream;
mod cloudfront;
mod fastly;
mod jwt;
mod media_cdn;
mod ome_signed_policy;
mod secure_link;

#[cfg(test)]
mod tests;

/// The words of all formats.
pub(crate) const WORDS: &[&str] = &[
    native::FORMAT,
    akamai::FORMAT,
    ats_url_sig::FORMAT,
    bunny::FORMAT,
    cat::FORMAT,
    cdni::FORMAT,
    cloudflare::FORMAT,
    cloudflare_stream::FORMAT,
    cloudfront::FORMAT,
    fastly::FORMAT,
    jwt::FORMAT,
    media_cdn::FORMAT,
    ome_signed_policy::FORMAT,
    secure_link::FORMAT,
];

type Settings = BTreeMap<String, String>;

/// The format of a word.
pub(crate) fn build(word: &str, settings: &Settings) -> Result<Box<dyn Scheme>, KeysetError> {
    Ok(match word {
        native::FORMAT => Box::new(native::Native::new(settings)?),
        akamai::FORMAT => Box::new(akamai::Akamai::new(settings)?),
        ats_url_sig::FORMAT => Box::new(ats_url_sig::AtsUrlSig::new(settings)?),
        bunny::FORMAT => Box::new(bunny::Bunny::new(settings)?),
        cat::FORMAT => Box::new(cat::Cat::new(settings)?),
        cdni::FORMAT => Box::new(cdni::Cdni::new(settings)?),
        cloudflare_stream::FORMAT => Box::new(cloudflare_stream::CloudflareStream::new(settings)?),
        jwt::FORMAT => Box::new(jwt::Jwt::new(settings)?),
        cloudflare::FORMAT => Box::new(cloudflare::Cloudflare::new(settings)?),
        cloudfront::FORMAT => Box::new(cloudfront::CloudFront::new(settings)?),
        fastly::FORMAT => Box::new(fastly::Fastly::new(settings)?),
        media_cdn::FORMAT => Box::new(media_cdn::MediaCdn::new(settings)?),
        ome_signed_policy::FORMAT => Box::new(ome_signed_policy::OmeSignedPolicy::new(settings)?),
        secure_link::FORMAT => Box::new(secure_link::SecureLink::new(settings)?),
        _ => return Err(KeysetError::Format(word.to_owned())),
    })
}

/// Any bytes as the claims of a token of this format that a key has signed.
pub(crate) fn fuzz_claims(word: &str, data: &[u8], key: &crate::key::Key) {
    match word {
        cat::FORMAT => cat::fuzz(data, key),
        cdni::FORMAT | cloudflare_stream::FORMAT | jwt::FORMAT => jwt::fuzz(word, data, key),
        cloudfront::FORMAT => cloudfront::fuzz(data),
        media_cdn::FORMAT => media_cdn::fuzz(data),
        ome_signed_policy::FORMAT => ome_signed_policy::fuzz(data),
        akamai::FORMAT => akamai::fuzz(data),
        bunny::FORMAT => bunny::fuzz(data),
        native::FORMAT => native::fuzz(data),
        // The others have no claims that are read after the signature.
        _ => {}
    }
}
