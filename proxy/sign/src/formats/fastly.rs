//! The token of Fastly's sample VCL: `?token=<end>_<hex MAC>` over the path and the end in decimal.

use std::collections::BTreeMap;

use crate::carry::{self, Names};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::hex;
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request, ten_digits};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "fastly";

const SHA1_BYTES: usize = 20;

/// The sample token with its setting `parameter`.
#[derive(Debug)]
pub(crate) struct Fastly {
    parameter: String,
}

impl Fastly {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = settings.name("parameter", "token")?;
        settings.done()?;
        Ok(Self { parameter })
    }
}

impl Scheme for Fastly {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let names = Names { parameter: &self.parameter, cookie: &self.parameter, field: None };
        let (token, rest) = carry::find(request, &names)?;
        let (end, mac) = token.split_once('_').ok_or(Reason::TokenMalformed)?;
        let mac = hex(mac).ok_or(Reason::TokenMalformed)?;
        let method = if mac.len() == SHA1_BYTES { Method::HmacSha1 } else { Method::HmacSha256 };
        let message = [request.path, end].concat();
        let key = crypto::verify(keys, None, method, message.as_bytes(), &mac)?;
        let expires_s = ten_digits(end).ok_or(Reason::TokenMalformed)?;
        if clock.is_past(expires_s) {
            return Err(Reason::Expired);
        }
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_s);
        Ok(Verified::new(grant, rest))
    }
}
