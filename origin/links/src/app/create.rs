//! A new link.

use serde::{Deserialize, Serialize};
use tidegate_origin_kit::idempotency::{Key, Recorded};
use tidegate_origin_kit::{Fault, Micros, Moment, Violation};
use tidegate_sql::Tx;
use utoipa::ToSchema;

use super::{ANNOUNCE_PATIENCE, App};
use crate::announce::{Change, Op};
use crate::model::code;
use crate::model::link::{Extra, Link, REDIRECTS, State};
use crate::model::password::PASSWORD_BYTES_MAX;
use crate::model::rule::{RULES_MAX, Rule};
use crate::model::target::{self, Policy};
use crate::model::utm::Utm;
use crate::settings::{DEFAULT_DOMAIN, Domain, LinksSettings};
use crate::store;

/// Codes tried before giving up; each miss means that somebody chose that very code as an alias.
const CODES_TRIED_MAX: usize = 16;
const TITLE_CHARS_MAX: usize = 200;
const TAGS_MAX: usize = 20;
const TAG_CHARS_MAX: usize = 50;

/// What a caller asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NewLink {
    /// Where the link leads: an absolute http or https address on the public internet.
    #[schema(examples("https://example.com/a/long/path?with=query"))]
    pub(crate) url: String,
    /// The code to give; absent for one that the service picks.
    pub(crate) alias: Option<String>,
    /// The name of the domain; `default` when absent.
    pub(crate) domain: Option<String>,
    /// A code of 12 random characters, beyond guessing.
    pub(crate) unlisted: bool,
    /// 301, 302, 307 or 308; 302 when absent.
    pub(crate) redirect: Option<u16>,
    /// The link answers from this moment on.
    pub(crate) valid_since: Option<Moment>,
    /// The link is gone from this moment on.
    pub(crate) expires_at: Option<Moment>,
    /// The link is gone after so many visits.
    pub(crate) max_visits: Option<u32>,
    /// For people.
    pub(crate) title: Option<String>,
    /// For lists and filters.
    pub(crate) tags: Vec<String>,
    /// Asked of every visitor.
    pub(crate) password: Option<String>,
    /// Visitors that fit a rule go elsewhere; the first that fits decides.
    pub(crate) rules: Vec<Rule>,
    /// Campaign parameters to add to the address.
    pub(crate) utm: Utm,
}

/// What became of a creation.
pub(crate) enum Created {
    /// Kept and announced.
    New(Recorded),
    /// Kept; edges will know in a moment.
    Unannounced(Recorded),
    /// The answer of the first request with this key.
    Replayed(Recorded),
}

enum Tried {
    Added(Recorded),
    Replayed(Recorded),
    Taken,
}

impl App {
    /// Creates a link; `key` makes it safe to send twice, `present` is the answer to remember.
    pub(crate) async fn create(
        &self,
        new: NewLink,
        owner: &str,
        key: Option<Key>,
        present: fn(&Link, Domain<'_>) -> Recorded,
    ) -> Result<Created, Fault> {
        let settings = self.settings.now();
        let name = new.domain.clone().unwrap_or_else(|| DEFAULT_DOMAIN.to_owned());
        let domain = settings.domain(&name);
        let domain =
            domain.ok_or_else(|| Fault::invalid("/domain", "unknown", "no such domain"))?;
        let mut link = build(&new, domain, owner, self.clock.now(), &settings)?;
        if let Some(password) = &new.password {
            link.extra.password = Some(self.hash(password).await?);
        }
        for _ in 0..CODES_TRIED_MAX {
            link.code = self.pick(&new, domain).await?;
            let recorded = present(&link, domain);
            match self.try_add(&link, key.clone(), recorded).await? {
                Tried::Added(answer) => return Ok(self.announced(&link, answer).await),
                Tried::Replayed(answer) => return Ok(self.replayed(answer).await),
                Tried::Taken if new.alias.is_some() => return Err(taken(&link.code)),
                Tried::Taken => {}
            }
        }
        Err(Fault::bug("no free code found"))
    }

    async fn pick(&self, new: &NewLink, domain: Domain<'_>) -> Result<String, Fault> {
        match &new.alias {
            Some(alias) => Ok(domain.fold(alias)),
            None if new.unlisted => Ok(code::unlisted(domain.alphabet())),
            None => self.codes.next(&self.db, domain).await,
        }
    }

    async fn try_add(
        &self,
        link: &Link,
        key: Option<Key>,
        answer: Recorded,
    ) -> Result<Tried, Fault> {
        let (link, now) = (link.clone(), self.clock.now());
        // A code that is taken undoes the claim of the key as well.
        let tried = self.db.write(async move |tx: &mut Tx| {
            if let Some(key) = &key
                && let Some(before) = key.begin(tx, now).await?
            {
                return Ok(Tried::Replayed(before));
            }
            if !store::insert(tx, &link).await? {
                return Err(Undo::Taken);
            }
            if let Some(key) = &key {
                key.record(tx, &answer).await?;
            }
            Ok(Tried::Added(answer.clone()))
        });
        match tried.await {
            Ok(tried) => Ok(tried),
            Err(Undo::Taken) => Ok(Tried::Taken),
            Err(Undo::Fault(fault)) => Err(fault),
        }
    }

    async fn announced(&self, link: &Link, answer: Recorded) -> Created {
        self.figures.changes.with_label_values(&["create"]).inc();
        if self.tell(Change::Put, link).await {
            Created::New(answer)
        } else {
            Created::Unannounced(answer)
        }
    }

    /// The first answer may not have arrived because the process ended before the log took the link.
    async fn replayed(&self, answer: Recorded) -> Created {
        if let Ok(made) = serde_json::from_slice::<Made>(&answer.body) {
            let op = Op { change: Change::Put, domain: made.domain, code: made.code };
            self.announcer.announce(vec![op], ANNOUNCE_PATIENCE).await;
        }
        Created::Replayed(answer)
    }

    /// Announces what became of a link; `false` when the log did not take it in time.
    pub(super) async fn tell(&self, change: Change, link: &Link) -> bool {
        let op = Op { change, domain: link.domain.clone(), code: link.code.clone() };
        self.announcer.announce(vec![op], ANNOUNCE_PATIENCE).await
    }
}

/// What an answer says of the link it is about.
#[derive(Deserialize)]
struct Made {
    domain: String,
    code: String,
}

enum Undo {
    Taken,
    Fault(Fault),
}

impl From<Fault> for Undo {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<tidegate_sql::Error> for Undo {
    fn from(error: tidegate_sql::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// The link that a request asks for, still without its code; every violation at once.
fn build(
    new: &NewLink,
    domain: Domain<'_>,
    owner: &str,
    now: Micros,
    settings: &LinksSettings,
) -> Result<Link, Fault> {
    let mut wrong = Vec::new();
    let policy = settings.policy();
    let target = target::check(&new.utm.apply(&new.url), &policy).map_err(|v| wrong.push(v));
    let rules = check_rules(&new.rules, &policy).map_err(|all| wrong.extend(all));
    wrong.extend(check_password(new.password.as_deref()));
    wrong.extend(new.alias.as_deref().and_then(|alias| code::check_alias(alias).err()));
    wrong.extend(check_redirect(new.redirect));
    wrong.extend(check_span(new.valid_since, new.expires_at, now));
    wrong.extend(check_words(new.title.as_deref(), &new.tags));
    if new.max_visits == Some(0) {
        wrong.push(Violation::new("/max_visits", "range", "max_visits is at least 1"));
    }
    let (Ok(target), Ok(rules), true) = (target, rules, wrong.is_empty()) else {
        return Err(Fault::Invalid(wrong));
    };
    Ok(Link {
        code: String::new(),
        domain: domain.name.to_owned(),
        version: 1,
        state: State::Active,
        target,
        status: new.redirect.unwrap_or(302),
        valid_since: new.valid_since.map(|m| m.0),
        expires_at: new.expires_at.map(|m| m.0),
        visits_max: new.max_visits.map(i64::from),
        visits: 0,
        unlisted: new.unlisted,
        owner: owner.to_owned(),
        created_at: now,
        updated_at: now,
        extra: Extra { title: new.title.clone(), tags: new.tags.clone(), password: None, rules },
    })
}

/// The rules with their targets in canonical form.
pub(super) fn check_rules(rules: &[Rule], policy: &Policy) -> Result<Vec<Rule>, Vec<Violation>> {
    if rules.len() > RULES_MAX {
        return Err(vec![Violation::new("/rules", "length", format!("at most {RULES_MAX} rules"))]);
    }
    let mut wrong = Vec::new();
    let mut checked = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        match target::check(&rule.url, policy) {
            Ok(url) => checked.push(Rule { url, ..rule.clone() }),
            Err(v) => wrong.push(Violation { pointer: format!("/rules/{index}/url"), ..v }),
        }
    }
    if wrong.is_empty() { Ok(checked) } else { Err(wrong) }
}

pub(super) fn check_password(password: Option<&str>) -> Option<Violation> {
    let wrong = password.is_some_and(|p| p.is_empty() || p.len() > PASSWORD_BYTES_MAX);
    let text = format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes");
    wrong.then(|| Violation::new("/password", "length", text))
}

pub(super) fn check_redirect(status: Option<u16>) -> Option<Violation> {
    let wrong = status.is_some_and(|status| !REDIRECTS.contains(&status));
    wrong.then(|| Violation::new("/redirect", "value", "redirect is 301, 302, 307 or 308"))
}

pub(super) fn check_span(
    since: Option<Moment>,
    until: Option<Moment>,
    now: Micros,
) -> Option<Violation> {
    let until = until?;
    if until.0 <= now {
        return Some(Violation::new("/expires_at", "past", "expires_at lies in the past"));
    }
    let never = since.is_some_and(|since| since >= until);
    never.then(|| Violation::new("/expires_at", "order", "expires_at lies before valid_since"))
}

pub(super) fn check_words(title: Option<&str>, tags: &[String]) -> Option<Violation> {
    if title.is_some_and(|t| t.chars().count() > TITLE_CHARS_MAX || t.contains(char::is_control)) {
        let text = format!("a title has at most {TITLE_CHARS_MAX} characters and one line");
        return Some(Violation::new("/title", "length", text));
    }
    let bad = |t: &String| {
        t.is_empty() || t.chars().count() > TAG_CHARS_MAX || t.contains(char::is_control)
    };
    if tags.len() > TAGS_MAX || tags.iter().any(bad) {
        let text = format!("at most {TAGS_MAX} tags of 1 to {TAG_CHARS_MAX} characters");
        return Some(Violation::new("/tags", "length", text));
    }
    None
}

fn taken(code: &str) -> Fault {
    Fault::Conflict { code: "alias-taken", detail: format!("the alias `{code}` is taken") }
}
