//! A snapshot with everything that runs beside it: plugin chains, upstream groups, link tables.

use std::{collections::HashMap, path::Path, sync::Arc};

use arc_swap::ArcSwapOption;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use tidegate_route::{Match, RouteId};
use tidegate_snapshot::{
    LinkDomainIndex, Material, Problem, Snapshot, UpstreamIndex, compile, compile_with,
};
use tidegate_spec::{ListSource, OnFailure, PluginModule, Spec, upstream as spec};
use tidegate_upstream::{Group, GroupConfig, config};
use tidegate_wasm::{Chain, LimitsConfig, Plugin, PluginConfig, Signature};

use crate::{
    certificates::{self, CertificateFiles},
    limit::{Overlay, Tally, tally},
    node::{LinkTable, Node},
    systems::Places,
};

/// A snapshot and what runs with it.
pub(crate) struct Running {
    pub(crate) snapshot: Snapshot,
    groups: Vec<Arc<Group>>,
    link_tables: Vec<LinkTable>,
    chains: Vec<Chain>,
    pub(crate) places: Places,
    /// What was pushed about its limits.
    pub(crate) overlay: ArcSwapOption<Overlay>,
    /// What its limits decided on this node, in their order.
    pub(crate) tallies: Box<[Arc<Tally>]>,
    /// Whether any site wants to know its clients by their certificates.
    pub(crate) asks_clients: bool,
    pub(crate) certificate_files: CertificateFiles,
    /// What TLS clients are shown once this is in force.
    pub(crate) tls: Option<Arc<tidegate_tls::Prepared>>,
}

/// Where plugin modules and lists come from: bytes by the SHA-256 in hex of their content.
pub type Modules = HashMap<String, Arc<[u8]>>;

impl Running {
    /// Compiles a spec and starts what it needs; nothing of it is in force yet. Takes as long as
    /// compiling its plugins does: not for a worker thread.
    ///
    /// # Errors
    /// Every problem found, those of plugins among them; the node stays as it is.
    pub(crate) fn prepare(
        node: &Node,
        spec: &Spec,
        revision: u64,
        base: &Path,
        modules: &Modules,
    ) -> Result<Self, Vec<Problem>> {
        let certificate_files = CertificateFiles::of(spec, base);
        let mut material = material(spec, base)?;
        read_lists(spec, base, modules, &mut material)?;
        let snapshot = compile_with(spec, revision, &material)?;
        let tls = node
            .tls
            .prepare(&snapshot)
            .map_err(|error| vec![Problem::new("certificates", error.to_string())])?;
        certificates::warn(&snapshot.certificates, &node.clock);
        let plugins = load_plugins(node, &snapshot, base, modules)?;
        let chains = snapshot
            .routes
            .iter()
            .map(|route| {
                Chain::new(route.plugins.iter().map(|at| plugins[at.0 as usize].clone()).collect())
            })
            .collect();
        let groups: Result<Vec<_>, _> = snapshot.upstreams.iter().map(group_config).collect();
        let groups = groups.map_err(|problem| vec![problem])?;
        let link_tables =
            snapshot.link_domains.iter().map(|domain| node.link_tables.table(&domain.table));
        let overlay = node.pushed.lay_over(&snapshot, &node.limit_table).map(Arc::new);
        Ok(Self {
            overlay: ArcSwapOption::new(overlay),
            tallies: tally::of_all(&node.tallies, snapshot.limits.iter()),
            groups: node.upstreams.apply(&groups),
            link_tables: link_tables.collect(),
            chains,
            places: node.places.clone(),
            asks_clients: snapshot.sites.iter().any(|site| site.client_authority.is_some()),
            certificate_files,
            tls: Some(Arc::new(tls)),
            snapshot,
        })
    }

    /// What a node runs before its first configuration: nothing.
    ///
    /// # Errors
    /// None but a defect of the compiler of specs.
    pub(crate) fn empty() -> Result<Self, Vec<Problem>> {
        let snapshot = compile(&Spec::default(), 0)?;
        let (groups, link_tables, chains) = Default::default();
        Ok(Self {
            snapshot,
            groups,
            link_tables,
            chains,
            places: Places::default(),
            overlay: ArcSwapOption::empty(),
            tallies: Box::default(),
            asks_clients: false,
            certificate_files: CertificateFiles::of(&Spec::default(), Path::new(".")),
            tls: None,
        })
    }

    pub(crate) fn chain(&self, route: RouteId) -> &Chain {
        &self.chains[route.0 as usize]
    }

    pub(crate) fn group(&self, index: UpstreamIndex) -> &Arc<Group> {
        &self.groups[index.0 as usize]
    }

    pub(crate) fn link_table(&self, index: LinkDomainIndex) -> &LinkTable {
        &self.link_tables[index.0 as usize]
    }

    /// Site and route by name, for logs and plugins.
    pub(crate) fn names(&self, found: Option<Match>) -> (&str, &str) {
        match found {
            None => ("", ""),
            Some(found) => {
                let site = &self.snapshot.site(found.site).name;
                (site, &self.snapshot.route(found.route).name)
            }
        }
    }
}

/// Reads the key files that the spec names.
fn material(spec: &Spec, base: &Path) -> Result<Material, Vec<Problem>> {
    let mut material = Material::default();
    let mut problems = certificates::read_files(spec, base, &mut material);
    for (at, keyset) in spec.keysets.iter().enumerate() {
        for (key_at, key) in keyset.keys.iter().enumerate() {
            let Some(file) = &key.secret_file else { continue };
            match std::fs::read(base.join(file)) {
                Ok(text) => match URL_SAFE_NO_PAD.decode(text.trim_ascii()) {
                    Ok(bytes) => material.insert(&keyset.name, &key.id, bytes),
                    Err(error) => problems.push(Problem::new(
                        format!("keysets[{at}].keys[{key_at}].secret_file"),
                        format!("{} is not base64url: {error}", base.join(file).display()),
                    )),
                },
                Err(error) => problems.push(Problem::new(
                    format!("keysets[{at}].keys[{key_at}].secret_file"),
                    format!("cannot read {}: {error}", base.join(file).display()),
                )),
            }
        }
    }
    if problems.is_empty() { Ok(material) } else { Err(problems) }
}

/// Reads the files of lists, or takes them from what was fetched.
fn read_lists(
    spec: &Spec,
    base: &Path,
    modules: &Modules,
    material: &mut Material,
) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (at, list) in spec.lists.iter().enumerate() {
        let (name, read) = match &list.source {
            None => continue,
            Some(ListSource::File(file)) => {
                let path = base.join(file);
                let read = std::fs::read(&path);
                (file, read.map_err(|error| format!("cannot read {}: {error}", path.display())))
            }
            Some(ListSource::Sha256(hash)) => {
                let bytes = modules.get(hash).map(|bytes| bytes.to_vec());
                (
                    hash,
                    bytes.ok_or_else(|| format!("the list with sha256 {hash} is not on this node")),
                )
            }
        };
        match read {
            Ok(bytes) => material.insert_list(name, bytes),
            Err(message) => problems.push(Problem::new(format!("lists[{at}].source"), message)),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn load_plugins(
    node: &Node,
    snapshot: &Snapshot,
    base: &Path,
    modules: &Modules,
) -> Result<Vec<Arc<Plugin>>, Vec<Problem>> {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for (at, plugin) in snapshot.plugins.iter().enumerate() {
        let loads = plugin_config(plugin, base, modules)
            .and_then(|config| node.plugins.load(config).map_err(|error| error.to_string()));
        match loads {
            Ok(plugin) => loaded.push(plugin),
            Err(message) => problems.push(Problem::new(format!("plugins[{at}].module"), message)),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

fn plugin_config(
    plugin: &tidegate_snapshot::Plugin,
    base: &Path,
    modules: &Modules,
) -> Result<PluginConfig, String> {
    let spec = &plugin.spec;
    let (module, sha256) = match &spec.module {
        PluginModule::File(file) => {
            let path = base.join(file);
            let bytes = std::fs::read(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            (Arc::from(bytes), None)
        }
        PluginModule::Sha256(hash) => match modules.get(hash) {
            Some(bytes) => (Arc::clone(bytes), Some(hash.clone())),
            None => return Err(format!("the module with sha256 {hash} is not on this node")),
        },
        PluginModule::Registry(entry) => {
            return Err(format!("{entry} is known to a control plane only: name a file"));
        }
    };
    let mut config = PluginConfig::new(spec.name.as_str(), module);
    config.sha256 = sha256;
    config.root_id.clone_from(&spec.root_id);
    config.vm_id.clone_from(&spec.vm_id);
    config.configuration = plugin.configuration.to_vec();
    config.vm_configuration = plugin.vm_configuration.to_vec();
    config.signature = signature(spec)?;
    config.on_failure = match spec.on_failure {
        OnFailure::Open => tidegate_wasm::OnFailure::Open,
        OnFailure::Closed => tidegate_wasm::OnFailure::Closed,
    };
    config.upstreams = Some(spec.upstreams.clone());
    let memory_bytes_max = usize::try_from(spec.memory_bytes_max.0).unwrap_or(usize::MAX);
    config.limits = LimitsConfig {
        callback_ms_max: u64::try_from(spec.call_timeout.as_millis()).unwrap_or(u64::MAX).max(1),
        memory_bytes_max,
        memory_bytes_recycle: memory_bytes_max / 4 * 3,
        body_bytes_max: usize::try_from(spec.body_bytes_max.0).unwrap_or(usize::MAX),
        ..LimitsConfig::default()
    };
    Ok(config)
}

/// The signature that the module must bear, where the spec names a key.
fn signature(spec: &tidegate_spec::Plugin) -> Result<Option<Signature>, String> {
    let Some(key) = &spec.public_key else { return Ok(None) };
    let bytes = |what: &str, text: &str| {
        STANDARD.decode(text).map_err(|error| format!("{what} is not base64: {error}"))
    };
    let signature = Signature {
        public_key: bytes("public_key", key)?,
        signature: bytes("signature", &spec.signature)?,
    };
    Ok(Some(signature))
}

fn group_config(upstream: &spec::Upstream) -> Result<GroupConfig, Problem> {
    let mut servers = Vec::with_capacity(upstream.servers.len());
    for server in &upstream.servers {
        let address = server.url.parse().map_err(|error: config::AddressError| {
            Problem::new(format!("upstreams[{}].servers", upstream.name), error.to_string())
        })?;
        servers.push(config::ServerConfig {
            address,
            weight: server.weight,
            priority: server.priority.into(),
        });
    }
    Ok(GroupConfig {
        name: upstream.name.clone(),
        servers,
        balance: match upstream.balance {
            spec::Balance::RoundRobin => config::Balance::RoundRobin,
            spec::Balance::LeastRequests => config::Balance::LeastRequests,
            spec::Balance::ConsistentHash => config::Balance::Hash,
        },
        timeouts: config::Timeouts {
            connect: upstream.connect_timeout,
            first_byte: upstream.first_byte_timeout,
            between_bytes: upstream.between_bytes_timeout,
            write: upstream.between_bytes_timeout,
            total: upstream.total_timeout,
            keepalive: upstream.keepalive,
        },
        retry: config::Retry {
            retries_max: upstream.retries.attempts,
            budget_percent: upstream.retries.budget_percent,
            budget_min: upstream.retries.budget_min,
        },
        ejection: config::Ejection {
            consecutive_faults: upstream.ejection.consecutive_faults,
            base: upstream.ejection.base,
            max: upstream.ejection.max,
            ejected_percent_max: upstream.ejection.ejected_percent_max,
        },
        health: upstream.health.as_ref().map(health_check),
        breaker: config::Breaker {
            exchanges_max: upstream.breaker.requests_max,
            server_exchanges_max: upstream.breaker.server_requests_max,
        },
        tls: config::Tls {
            server_name: upstream.tls.server_name.clone(),
            verify: upstream.tls.verify,
        },
    })
}

fn health_check(check: &spec::HealthCheck) -> config::HealthCheck {
    config::HealthCheck {
        path: Some(check.path.clone()),
        host: check.host.clone().unwrap_or_default(),
        interval: check.interval,
        timeout: check.timeout,
        healthy_after: check.healthy_after,
        unhealthy_after: check.unhealthy_after,
        status: check.status.map_or((200, 399), |status| (status, status)),
        body_contains: check.body_contains.clone(),
    }
}
