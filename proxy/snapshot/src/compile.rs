//! From a spec to a snapshot, with every problem on the way.

mod anomalies;
mod caches;
mod certificates;
mod headers;
mod keysets;
mod limits;
mod links;
mod lists;
mod media;
mod names;
mod plugins;
mod sites;
mod steer;
mod upstreams;

use tidegate_spec::{Document, Problem, Spec};

use crate::certificate::Certificate;
use crate::material::Material;
use crate::snapshot::Snapshot;
use names::Names;

/// Compiles a spec. Keys that are in files or not generated yet are reported in
/// [`Snapshot::missing_keys`], not as problems: they are looked for on the node.
pub fn compile(spec: &Spec, revision: u64) -> Result<Snapshot, Vec<Problem>> {
    compile_with(spec, revision, &Material::default())
}

/// Compiles a spec with the key material of this node.
pub fn compile_with(
    spec: &Spec,
    revision: u64,
    material: &Material,
) -> Result<Snapshot, Vec<Problem>> {
    let mut compiler = Compiler { spec, names: Names::of(spec), problems: Vec::new() };
    compiler.check_names();
    let snapshot = compiler.snapshot(revision, material);
    match snapshot {
        Some(snapshot) if compiler.problems.is_empty() => Ok(snapshot),
        _ => Err(compiler.problems),
    }
}

/// Reads the certificates of a spec again, and nothing else of it.
pub fn certificates(spec: &Spec, material: &Material) -> Result<Vec<Certificate>, Vec<Problem>> {
    let mut compiler = Compiler { spec, names: Names::of(spec), problems: Vec::new() };
    let (certificates, _) = compiler.certificates(material);
    if compiler.problems.is_empty() { Ok(certificates) } else { Err(compiler.problems) }
}

/// Reads and compiles a document as people write it: the problems of both, with their lines, in order.
pub fn compile_text(text: &str, revision: u64) -> Result<(Spec, Snapshot), Vec<Problem>> {
    let document = Document::parse(text)?;
    match compile(document.spec(), revision) {
        Ok(snapshot) => Ok((document.into_spec()?, snapshot)),
        Err(found) => Err(document.join(found)),
    }
}

/// One compilation under way.
pub(crate) struct Compiler<'s> {
    spec: &'s Spec,
    names: Names<'s>,
    problems: Vec<Problem>,
}

impl Compiler<'_> {
    fn snapshot(&mut self, revision: u64, material: &Material) -> Option<Snapshot> {
        let upstreams = self.upstreams();
        let caches = self.caches();
        let limits = self.limits();
        let anomalies = self.anomalies();
        let (keysets, mut missing_keys) = self.keysets(material);
        let (certificates, missing) = self.certificates(material);
        missing_keys.extend(missing);
        let tls = self.tls(material);
        let plugins = self.plugins();
        let lists = self.lists(material);
        let link_domains = self.link_domains();
        let redirects = self.redirects();
        let (sites, mut routes, router) = self.sites(&caches, material);
        for route in &mut routes {
            let mut own = route.limits.iter().filter_map(|index| limits.get(index.0 as usize));
            route.wants_claims = own.any(tidegate_limit::Rule::wants_claims);
        }
        Some(Snapshot {
            revision,
            hash: self.spec.hash(),
            router: router?,
            sites,
            routes,
            upstreams,
            limits,
            anomalies,
            keysets,
            certificates,
            tls,
            plugins,
            lists,
            list_files: self.list_files(),
            link_domains,
            redirects,
            counters: self.counters(),
            services: self.spec.services.clone(),
            missing_keys,
        })
    }

    fn problem(&mut self, path: String, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// The value, or a problem at `path`.
    fn ok<T, E: std::fmt::Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.problem(path.to_owned(), error.to_string())).ok()
    }
}
