//! A certificate made here, for listeners that have no other: good enough to try TLS, trusted by
//! nobody.

use std::{
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, DnType, KeyPair};
use tidegate_snapshot::{Certificate, CertificateError};

/// The name of the certificate in metrics and logs.
const NAME: &str = "self-signed";
const CERTIFICATE_FILE: &str = "self-signed.crt";
const KEY_FILE: &str = "self-signed.key";
/// How long it is good: less than any client's upper bound.
const LIFETIME_DAYS: i64 = 365;
/// One that ends sooner is made anew.
const LEFT_DAYS_MIN: i64 = 30;
const DAY_S: i64 = 24 * 3600;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum SelfSignedError {
    /// A file could not be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It could not be made.
    #[error("making a certificate: {0}")]
    Making(#[from] rcgen::Error),
    /// What was made cannot be read.
    #[error("making a certificate: {0}")]
    Unreadable(#[from] CertificateError),
}

/// The certificate kept in `folder`, made when there is none or it is about to end. The key's file is
/// readable by its owner alone.
///
/// # Errors
/// When it cannot be made or kept.
pub fn self_signed(folder: &Path, now_unix_s: i64) -> Result<Certificate, SelfSignedError> {
    let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
    if let Some(kept) = kept(&certificate, &key)
        && kept.not_after_unix_s > now_unix_s + LEFT_DAYS_MIN * DAY_S
    {
        return Ok(kept);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SelfSignedError::Io { path, error }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let (chain_pem, key_pem) = make(now_unix_s)?;
    write_secret(&key, key_pem.as_bytes()).map_err(failed(&key))?;
    std::fs::write(&certificate, &chain_pem).map_err(failed(&certificate))?;
    Ok(as_default(Certificate::from_pem(NAME, chain_pem.as_bytes(), key_pem.as_bytes())?))
}

fn kept(certificate: &Path, key: &Path) -> Option<Certificate> {
    let (certificate, key) = (std::fs::read(certificate).ok()?, std::fs::read(key).ok()?);
    Certificate::from_pem(NAME, &certificate, &key).ok().map(as_default)
}

fn as_default(certificate: Certificate) -> Certificate {
    Certificate { default: true, ..certificate }
}

fn make(now_unix_s: i64) -> Result<(String, String), rcgen::Error> {
    let names = ["localhost", "*.localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Tidegate self-signed");
    let year = |days: i64| {
        let (year, month, day) = civil(now_unix_s / DAY_S + days);
        rcgen::date_time_ymd(year, month, day)
    };
    params.not_before = year(-1);
    params.not_after = year(LIFETIME_DAYS);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// The date of a day counted from 1970, by the usual sums of the Gregorian calendar.
fn civil(days: i64) -> (i32, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u8, day as u8)
}

fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // An older file keeps its mode when it is written over: it goes first.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}
