//! Certificates of this node: their files, read again when they change, and when they end.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use tidegate_snapshot::{Certificate, Material, Problem, certificates};
use tidegate_spec::{Certificate as Written, Spec};
use tidegate_telemetry::{Counter, Samples};

use crate::{Edge, clock::Clock};

/// How often certificate files are looked at.
const FILES_POLL_MS: u64 = 2_000;

/// The certificates of a spec that are in files, and where those are.
#[derive(Debug)]
pub(crate) struct CertificateFiles {
    spec: Spec,
    base: PathBuf,
    /// As they were when they were last read, or about to be.
    seen: Mutex<Stamps>,
}

/// What tells that a file was changed.
type Stamps = BTreeMap<PathBuf, Option<(SystemTime, u64, u64)>>;

// === impl CertificateFiles ===

impl CertificateFiles {
    /// To be called before the files are read: a change while they are read is seen later.
    pub(crate) fn of(spec: &Spec, base: &Path) -> Self {
        // Nothing else of the spec is kept: it may be large.
        let spec = Spec { certificates: spec.certificates.clone(), ..Spec::default() };
        let files = Self { spec, base: base.to_owned(), seen: Mutex::default() };
        files.have_changed();
        files
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.spec.certificates.iter().flat_map(files);
        files.map(|(_, file)| self.base.join(file))
    }

    /// Whether they have since this was last asked.
    fn have_changed(&self) -> bool {
        let now: Stamps = self.paths().map(|path| (path.clone(), stamp(&path))).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, now.clone()) != now
    }

    fn read(&self) -> Result<Vec<Certificate>, Vec<Problem>> {
        let mut material = Material::default();
        let problems = read_files(&self.spec, &self.base, &mut material);
        if problems.is_empty() { certificates(&self.spec, &material) } else { Err(problems) }
    }
}

/// The files of a certificate, each under its key in the spec.
fn files(certificate: &Written) -> impl Iterator<Item = (&'static str, &str)> {
    let Written { certificate_file, key_file, ocsp_file, .. } = certificate;
    let files =
        [("certificate_file", certificate_file), ("key_file", key_file), ("ocsp_file", ocsp_file)];
    files.into_iter().filter_map(|(key, file)| Some((key, file.as_deref()?)))
}

/// Reads every certificate file that a spec names; what cannot be read is a problem.
pub(crate) fn read_files(spec: &Spec, base: &Path, material: &mut Material) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut read = |place: String, file: &str| match std::fs::read(base.join(file)) {
        Ok(content) => material.insert_file(file, content),
        Err(error) => {
            let message = format!("cannot read {}: {error}", base.join(file).display());
            problems.push(Problem::new(place, message));
        }
    };
    for (at, certificate) in spec.certificates.iter().enumerate() {
        for (key, file) in files(certificate) {
            read(format!("certificates[{at}].{key}"), file);
        }
    }
    for (at, site) in spec.sites.iter().enumerate() {
        if let Some(file) = site.tls.as_ref().and_then(|tls| tls.client_ca_file.as_deref()) {
            read(format!("sites[{at}].tls.client_ca_file"), file);
        }
    }
    problems
}

fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// Shows changed files as soon as they are whole. Looking at them beats being told about them where
/// links and network file systems are involved.
pub(crate) async fn follow(edge: Weak<Edge>) {
    loop {
        tokio::time::sleep(Duration::from_millis(FILES_POLL_MS)).await;
        let Some(edge) = edge.upgrade() else { return };
        let running = edge.node.running.load_full();
        if running.certificate_files.have_changed() {
            reload(&edge, &running.certificate_files);
        }
    }
}

fn reload(edge: &Edge, files: &CertificateFiles) {
    let prepared = files.read().and_then(|all| {
        warn(&all, &edge.node.clock);
        let prepared = edge.node.tls.prepare_certificates(&all);
        prepared.map_err(|error| vec![Problem::new("certificates", error.to_string())])
    });
    match prepared {
        Ok(prepared) => {
            edge.node.tls.show(Arc::new(prepared));
            Counter::TlsReloads.inc();
            tracing::info!("certificate files changed and were read again");
        }
        Err(problems) => {
            Counter::TlsReloadsFailed.inc();
            for problem in problems {
                tracing::error!(%problem, "changed certificate files cannot be used: those before stay");
            }
        }
    }
}

/// Says which certificates have ended, or have not begun.
pub(crate) fn warn(all: &[Certificate], clock: &Clock) {
    let now = clock.now().unix_s() as i64;
    for certificate in all {
        if let Some(warning) = certificate.warning(now) {
            tracing::warn!(certificate = certificate.name, hosts = ?certificate.hosts, "{warning}");
        }
    }
}

/// When certificates end, for `/metrics`.
pub(crate) struct Expiries(pub(crate) Weak<Edge>);

impl tidegate_telemetry::Source for Expiries {
    fn collect(&self, samples: &mut Samples) {
        let Some(edge) = self.0.upgrade() else { return };
        for (name, not_after_unix_s) in edge.node.tls.expiries() {
            samples.gauge(
                "tidegate_edge_certificate_expiry_unix_seconds",
                "Last second of a certificate's validity.",
                &[("certificate", &name)],
                not_after_unix_s as f64,
            );
        }
    }
}
