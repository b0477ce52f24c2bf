//! Delivery of media, and who may have it.

use std::sync::Arc;

use tidegate_cache::{Policy, QueryPolicy};
use tidegate_media::slice::{SLICE_BYTES_MAX, SLICE_BYTES_MIN};
use tidegate_spec::{ManifestTokens, Problem};

use super::Compiler;
use super::names::Kind;
use crate::snapshot::{Access, Media, UpstreamIndex};

/// Most segments that are fetched ahead.
const PREFETCH_MAX: u32 = 16;
/// Every delivery directive (draft-pantos-hls-rfc8216bis 6.2.5).
const DIRECTIVES: &str = "_HLS_*";

impl Compiler<'_> {
    pub(super) fn access(
        &mut self,
        spec: &tidegate_spec::Route,
        path: &str,
    ) -> Option<Box<Access>> {
        if spec.countries.is_none() && spec.referers.is_none() {
            return None;
        }
        let countries = spec.countries.as_ref();
        let path_of = |key: &str| format!("{path}.countries.{key}");
        let only = countries.map_or(&[][..], |c| &c.only);
        let except = countries.map_or(&[][..], |c| &c.except);
        Some(Box::new(Access {
            countries: self.countries(only, &path_of("only")),
            countries_except: self.countries(except, &path_of("except")),
            referers: spec
                .referers
                .as_ref()
                .map(|referers| self.pages(&referers.only, &format!("{path}.referers.only"))),
            referer_empty: spec.referers.as_ref().is_none_or(|referers| referers.empty),
        }))
    }

    fn countries(&mut self, words: &[String], path: &str) -> Box<[[u8; 2]]> {
        let mut countries = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            match <[u8; 2]>::try_from(word.as_bytes()) {
                Ok(code) if code.iter().all(u8::is_ascii_uppercase) => countries.push(code),
                _ => {
                    let message = format!("\"{word}\" is no country code");
                    let problem = Problem::new(format!("{path}[{index}]"), message);
                    self.problems.push(problem.hint("two capital letters, such as DE"));
                }
            }
        }
        countries.into()
    }

    fn pages(&mut self, hosts: &[String], path: &str) -> Box<[Box<str>]> {
        let mut pages = Vec::with_capacity(hosts.len());
        for (index, host) in hosts.iter().enumerate() {
            let name = host.strip_prefix('*').unwrap_or(host);
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
            let whole = host.starts_with('*') == name.starts_with('.');
            if name.is_empty() || !whole || !name.bytes().all(plain) {
                let message = format!("\"{host}\" is no host");
                let problem = Problem::new(format!("{path}[{index}]"), message);
                self.problems.push(problem.hint("write example.com or *.example.com"));
            }
            pages.push(name.to_ascii_lowercase().into());
        }
        pages.into()
    }

    pub(super) fn media(&mut self, spec: &tidegate_spec::Route, path: &str) -> Option<Box<Media>> {
        let media = spec.media.as_ref()?;
        let path = format!("{path}.media");
        let standby = media.standby.as_ref().and_then(|name| {
            self.resolve(Kind::Upstream, name, &format!("{path}.standby")).map(UpstreamIndex)
        });
        let slice_bytes = media.slice.map(|size| size.0);
        if slice_bytes.is_some_and(|bytes| !(SLICE_BYTES_MIN..=SLICE_BYTES_MAX).contains(&bytes)) {
            self.problem(format!("{path}.slice"), "a slice has 32KiB to 128MiB");
        }
        if media.prefetch > PREFETCH_MAX {
            self.problem(format!("{path}.prefetch"), "at most 16 segments are fetched ahead");
        }
        if media.tokens == ManifestTokens::Mint && spec.verify.is_none() {
            let message = "tokens are minted with the route's keyset, and it has none";
            let problem = Problem::new(format!("{path}.tokens"), message);
            self.problems.push(problem.hint("add verify, or take copy"));
        }
        self.duration(media.token_lifetime, &format!("{path}.token_lifetime"));
        self.duration(media.playlist_token_lifetime, &format!("{path}.playlist_token_lifetime"));
        Some(Box::new(Media {
            tokens: media.tokens,
            token_s: media.token_lifetime.as_secs().max(1),
            playlist_token_s: media.playlist_token_lifetime.as_secs().max(1),
            token_segments: media.token_segments as usize,
            slice_bytes,
            prefetch: media.prefetch as usize,
            cmsd: media.cmsd,
            standby,
            stalled_after: media.stalled_after.max(1).into(),
        }))
    }
}

/// A policy that leaves the query out of the key keeps the directives: each names another playlist.
pub(super) fn with_directives(policy: Arc<Policy>) -> Arc<Policy> {
    let query = match &policy.query {
        QueryPolicy::Keep => return policy,
        QueryPolicy::Ignore => QueryPolicy::Only(vec![DIRECTIVES.into()]),
        QueryPolicy::Only(names) => {
            let directives = std::iter::once(Box::from(DIRECTIVES));
            QueryPolicy::Only(names.iter().cloned().chain(directives).collect())
        }
        QueryPolicy::Drop(names) => {
            let dropped = names.iter().filter(|name| !name.starts_with("_HLS_")).cloned();
            QueryPolicy::Drop(dropped.collect())
        }
    };
    Arc::new(Policy { query, ..(*policy).clone() })
}
