//! Refuses, admits or labels clients by country and by the network operator (AS number), as far as
//! the host knows them (properties `source.country` and `source.asn`).

use serde::Deserialize;
use tidegate_sdk::{Decision, Refusal, Rule, World, rule};

/// What is written under `config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Countries (two letters) that are refused.
    pub refuse_countries: Vec<String>,
    /// When given, every other country is refused.
    pub only_countries: Vec<String>,
    /// AS numbers that are refused.
    pub refuse_asns: Vec<u32>,
    /// AS numbers that get the label `network` with the value `hosting`.
    pub hosting_asns: Vec<u32>,
    /// Refuses clients whose country is not known, when `only_countries` is given.
    pub refuse_unknown: bool,
}

/// The rule.
#[derive(Debug)]
pub struct GeoAsn {
    config: Config,
}

impl Rule for GeoAsn {
    const NAME: &'static str = "geo_asn";
    type Config = Config;

    fn new(mut config: Config) -> Result<Self, String> {
        for country in config.refuse_countries.iter_mut().chain(&mut config.only_countries) {
            country.make_ascii_uppercase();
            if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(format!("{country:?} is not a country code of two letters"));
            }
        }
        Ok(Self { config })
    }

    fn decide(&self, world: &dyn World) -> Decision {
        let country = world.property("source.country").map(|country| country.to_ascii_uppercase());
        let asn = world.property("source.asn").and_then(|asn| number(&asn));
        if self.refuses_country(country.as_deref()) {
            return refusal("country");
        }
        match asn {
            Some(asn) if self.config.refuse_asns.contains(&asn) => refusal("asn"),
            Some(asn) if self.config.hosting_asns.contains(&asn) => {
                Decision::Tag { name: "network".into(), value: "hosting".into() }
            }
            _ => Decision::Allow,
        }
    }
}

impl GeoAsn {
    fn refuses_country(&self, country: Option<&str>) -> bool {
        let Config { refuse_countries, only_countries, refuse_unknown, .. } = &self.config;
        let Some(country) = country else { return *refuse_unknown && !only_countries.is_empty() };
        let among = |countries: &[String]| countries.iter().any(|known| known == country);
        among(refuse_countries) || (!only_countries.is_empty() && !among(only_countries))
    }
}

/// `64496` or `AS64496`; hosts may also give eight bytes little endian.
fn number(asn: &str) -> Option<u32> {
    let text = asn.trim_start_matches("AS");
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let bytes: [u8; 8] = asn.as_bytes().try_into().ok()?;
    u32::try_from(u64::from_le_bytes(bytes)).ok()
}

fn refusal(reason: &'static str) -> Decision {
    // Status 451 is for legal demands (RFC 7725); this is a choice of the operator.
    let detail = "The service is not offered to this network or region.".to_owned();
    Decision::Refuse(Refusal { status: 403, reason, detail, retry_after_s: None })
}

rule!(GeoAsn);

#[cfg(test)]
mod tests {
    use tidegate_sdk::{Rule, fake::FakeWorld, settings};

    use crate::GeoAsn;

    fn word(json: &str, country: Option<&str>, asn: Option<&str>) -> &'static str {
        let rule = GeoAsn::new(settings(json.as_bytes()).unwrap().config).unwrap();
        let mut world = FakeWorld::new("GET", "/");
        country.map(|country| world.knowing("source.country", country));
        asn.map(|asn| world.knowing("source.asn", asn));
        rule.decide(&world).word()
    }

    #[test]
    fn countries_are_refused_or_admitted() {
        let refuse = r#"{"refuse_countries": ["aa"]}"#;
        assert_eq!(word(refuse, Some("AA"), None), "refused");
        assert_eq!(word(refuse, Some("BB"), None), "allowed");
        assert_eq!(word(refuse, None, None), "allowed");
        let only = r#"{"only_countries": ["BB"], "refuse_unknown": true}"#;
        assert_eq!(word(only, Some("AA"), None), "refused");
        assert_eq!(word(only, Some("bb"), None), "allowed");
        assert_eq!(word(only, None, None), "refused");
    }

    #[test]
    fn operators_are_refused_or_labelled() {
        let json = r#"{"refuse_asns": [64496], "hosting_asns": [64497]}"#;
        assert_eq!(word(json, None, Some("64496")), "refused");
        assert_eq!(word(json, None, Some("AS64497")), "tagged");
        assert_eq!(word(json, None, Some("64498")), "allowed");
    }

    #[test]
    fn a_wrong_country_is_an_error() {
        let settings = settings(br#"{"refuse_countries": ["Utopia"]}"#).unwrap();
        assert!(GeoAsn::new(settings.config).is_err());
    }
}
