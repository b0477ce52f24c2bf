//! Refuses or labels clients by lists of addresses and networks: written into the configuration, or
//! loaded by the host and asked for by name.

use serde::Deserialize;
use tidegate_sdk::{Decision, Network, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Networks that always pass.
    pub allow: Vec<Network>,
    /// Names of lists that always pass.
    pub allow_lists: Vec<String>,
    /// Networks that are refused.
    pub refuse: Vec<Network>,
    /// Names of lists that are refused.
    pub refuse_lists: Vec<String>,
    /// Names of lists that only get a label: the request carries `x-tidegate-reputation`.
    pub tag_lists: Vec<String>,
}

/// The rule.
#[derive(Debug)]
pub struct IpReputation {
    config: Config,
}

impl Rule for IpReputation {
    const NAME: &'static str = "ip_reputation";
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let Some(client) = world.client() else { return Decision::Allow };
        let client = client.to_canonical();
        let text = client.to_string();
        let within = |networks: &[Network]| networks.iter().any(|network| network.holds(client));
        let listed =
            |lists: &[String]| lists.iter().find(|list| world.listed(list, &text)).cloned();
        let config = &self.config;
        if within(&config.allow) || listed(&config.allow_lists).is_some() {
            return Decision::Allow;
        }
        if within(&config.refuse) || listed(&config.refuse_lists).is_some() {
            return Decision::refuse("listed", "Requests from this network are not accepted.");
        }
        match listed(&config.tag_lists) {
            Some(value) => Decision::Tag { name: "reputation".into(), value },
            None => Decision::Allow,
        }
    }
}

rule!(IpReputation);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

    use crate::IpReputation;

    fn decide(client: &str) -> Decision {
        let json = br#"{"allow": ["192.0.2.1"], "refuse": ["192.0.2.0/24", "2001:db8::/32"],
            "refuse_lists": ["bad"], "tag_lists": ["tor"]}"#;
        let rule = IpReputation::new(settings(json).unwrap().config).unwrap();
        let mut world = FakeWorld::new("GET", "/");
        world.from(client).listing("bad", "203.0.113.1").listing("tor", "203.0.113.2");
        rule.decide(&world)
    }

    #[test]
    fn lists_and_networks_decide_in_order() {
        for (client, word) in [
            ("192.0.2.1", "allowed"),
            ("192.0.2.2", "refused"),
            ("::ffff:192.0.2.2", "refused"),
            ("2001:db8::1", "refused"),
            ("203.0.113.1", "refused"),
            ("203.0.113.2", "tagged"),
            ("203.0.113.3", "allowed"),
            ("unknown", "allowed"),
        ] {
            assert_eq!(decide(client).word(), word, "{client}");
        }
    }

    #[test]
    fn a_wrong_network_is_an_error() {
        let error = settings::<crate::Config>(br#"{"refuse": ["192.0.2.0/99"]}"#).unwrap_err();
        assert!(error.contains("192.0.2.0/99"), "{error}");
    }
}
