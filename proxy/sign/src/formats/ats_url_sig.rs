//! Apache Traffic Server's url_sig.
//!
//! `?C=<client>&E=<end>&A=<algorithm>&K=<key>&P=<parts>&S=<hex MAC>`. `P` says, digit by digit, which
//! parts of host and path are signed (the last digit holds for all that follow); after them the query
//! is signed up to and with `S=`. A keyset's key `2`, or `key2`, is the one that `K=2` means.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::carry::{self, Rest};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::hex;
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "ats-url-sig";

const PARTS_MAX: usize = 64;

/// url_sig; it has no settings.
#[derive(Debug)]
pub(crate) struct AtsUrlSig(());

impl AtsUrlSig {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        Settings::new(FORMAT, settings).done().map(|()| Self(()))
    }
}

impl Scheme for AtsUrlSig {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let query = request.query.ok_or(Reason::TokenMissing)?;
        let of = |name| carry::parameter(Some(query), name).map_err(|_| Reason::TokenMalformed);
        let mac = of("S")?.ok_or(Reason::TokenMissing)?;
        let demand = |name| of(name)?.ok_or(Reason::TokenMalformed);
        // MD5 (A=2) is not accepted.
        if demand("A")? != "1" {
            return Err(Reason::ClaimUnsupported);
        }
        let message = message(request, query, mac, demand("P")?).ok_or(Reason::TokenMalformed)?;
        let key = signer(keys, demand("K")?, &message, mac)?;
        let expires_s = demand("E")?.parse().map_err(|_| Reason::TokenMalformed)?;
        if clock.is_past(expires_s) {
            return Err(Reason::Expired);
        }
        check_client(of("C")?, request.client)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_s);
        Ok(Verified::new(grant, Rest::without(request, &["C", "E", "A", "K", "P", "S"])))
    }
}

fn signer<'k>(keys: &'k [Key], id: &str, message: &str, mac: &str) -> Result<&'k Key, Reason> {
    let mac = hex(mac).ok_or(Reason::TokenMalformed)?;
    let by_id = |id| crypto::verify(keys, Some(id), Method::HmacSha1, message.as_bytes(), &mac);
    match by_id(id) {
        Err(Reason::KeyUnknown) => by_id(&format!("key{id}")),
        decided => decided,
    }
}

fn message(request: &Request<'_>, query: &str, mac: &str, mask: &str) -> Option<String> {
    // The MAC must stand last: nothing after it is signed.
    let signed = query.strip_suffix(mac).filter(|signed| signed.ends_with("S="))?;
    let origin = request.origin();
    let (_, authority) = origin.split_once("://")?;
    let location = [authority, request.path].concat();
    let good =
        (1..=PARTS_MAX).contains(&mask.len()) && mask.bytes().all(|b| b == b'0' || b == b'1');
    if !good || !mask.contains('1') {
        return None;
    }
    let last = mask.len() - 1;
    let is_signed = |index: usize| mask.as_bytes()[index.min(last)] == b'1';
    let parts = location.split('/').enumerate().filter(|(index, _)| is_signed(*index));
    let parts: Vec<&str> = parts.map(|(_, part)| part).collect();
    Some([&parts.join("/"), "?", signed].concat())
}

fn check_client(given: Option<&str>, client: IpAddr) -> Result<(), Reason> {
    let Some(given) = given else { return Ok(()) };
    match given.parse::<IpAddr>().map_err(|_| Reason::TokenMalformed)? == client.to_canonical() {
        true => Ok(()),
        false => Err(Reason::ClientMismatch),
    }
}
