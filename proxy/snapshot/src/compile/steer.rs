//! Content steering: the ways that players are sent.

use std::time::Duration;

use tidegate_media::steering::{CloneOf, PATHWAYS_MAX, Pathway};
use tidegate_spec::{Problem, SteerAction};

use super::Compiler;
use super::names::Kind;
use super::sites::is_authority;
use crate::snapshot::{Action, Steer, UpstreamIndex};

/// Shorter than this, players ask more than they play.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(86_400);

impl Compiler<'_> {
    pub(super) fn steer(&mut self, spec: &SteerAction, path: &str) -> Option<Action> {
        if !(TTL_MIN..=TTL_MAX).contains(&spec.ttl) {
            self.problem(format!("{path}.ttl"), "a player asks again after 1s to 24h");
        }
        if spec.pathways.is_empty() || spec.pathways.len() > PATHWAYS_MAX {
            let message = format!("there are 1 to {PATHWAYS_MAX} pathways");
            self.problem(format!("{path}.pathways"), message);
        }
        let mut pathways: Vec<Pathway> = Vec::with_capacity(spec.pathways.len());
        let mut upstreams = Vec::with_capacity(spec.pathways.len());
        for (index, pathway) in spec.pathways.iter().enumerate() {
            let path = format!("{path}.pathways[{index}]");
            if pathways.iter().any(|other| other.id == pathway.id) {
                self.problem(format!("{path}.id"), format!("\"{}\" stands here twice", pathway.id));
            }
            pathways.push(self.pathway(spec, pathway, &path));
            upstreams.push(pathway.upstream.as_ref().and_then(|name| {
                self.resolve(Kind::Upstream, name, &format!("{path}.upstream")).map(UpstreamIndex)
            }));
        }
        let ttl_s = u32::try_from(spec.ttl.as_secs()).unwrap_or(u32::MAX).max(1);
        let (pathways, upstreams) = (pathways.into(), upstreams.into());
        Some(Action::Steer(Box::new(Steer { pathways, upstreams, ttl_s })))
    }

    fn pathway(
        &mut self,
        spec: &SteerAction,
        pathway: &tidegate_spec::Pathway,
        path: &str,
    ) -> Pathway {
        // draft-pantos-content-steering: what an id may hold.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if pathway.id.is_empty() || !pathway.id.bytes().all(plain) {
            let message = format!("\"{}\" is no pathway", pathway.id);
            let problem = Problem::new(format!("{path}.id"), message);
            self.problems.push(problem.hint("letters, digits, \"-\", \".\" and \"_\""));
        }
        let clone = pathway.clone_of.as_ref().map(|base| {
            let known = |other: &&tidegate_spec::Pathway| other.id == *base;
            let base_of = spec.pathways.iter().find(known);
            if base_of.is_none_or(|other| other.clone_of.is_some()) {
                let message = format!("\"{base}\" is no pathway with addresses of its own");
                self.problem(format!("{path}.clone_of"), message);
            }
            CloneOf {
                base: base.clone(),
                host: pathway.host.clone(),
                params: pathway.params.clone().into_iter().collect(),
            }
        });
        if clone.is_none() && (pathway.host.is_some() || !pathway.params.is_empty()) {
            let problem = Problem::new(path, "host and params are those of a clone");
            self.problems.push(problem.hint("add clone_of"));
        }
        if pathway.host.as_deref().is_some_and(|host| !is_authority(host)) {
            let message = "a host is a name or address, with a port or without";
            self.problem(format!("{path}.host"), message);
        }
        Pathway {
            id: pathway.id.clone(),
            weight: pathway.weight,
            throughput_min_bps: pathway.throughput_min.map_or(0, |size| size.0.saturating_mul(8)),
            clone,
        }
    }
}
