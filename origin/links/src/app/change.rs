//! Changes of a link: its target, its state, its span.

use serde::{Deserialize, Deserializer};
use tidegate_origin_kit::{Fault, Micros, Moment};
use tidegate_sql::Tx;
use utoipa::ToSchema;

use super::App;
use super::create::{check_password, check_redirect, check_rules, check_span, check_words};
use crate::announce::Change;
use crate::model::link::{Link, State};
use crate::model::rule::Rule;
use crate::model::target;
use crate::settings::{Domain, LinksSettings};
use crate::store;

/// What is to become different; what is absent stays, and `null` takes a value away (RFC 7396).
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Patch {
    /// The new target.
    pub(crate) url: Option<String>,
    /// `true` switches the link off, `false` on again.
    pub(crate) disabled: Option<bool>,
    /// 301, 302, 307 or 308.
    pub(crate) redirect: Option<u16>,
    /// The link answers from this moment on.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Moment>)]
    pub(crate) valid_since: Option<Option<Moment>>,
    /// The link is gone from this moment on.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Moment>)]
    pub(crate) expires_at: Option<Option<Moment>>,
    /// The link is gone after so many visits.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    pub(crate) max_visits: Option<Option<u32>>,
    /// For people.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Option<Option<String>>,
    /// All tags.
    pub(crate) tags: Option<Vec<String>>,
    /// Asked of every visitor.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<Option<String>>,
    /// All rules.
    pub(crate) rules: Option<Vec<Rule>>,
}

/// Tells an absent member from one that is `null`.
fn present<'de, D, T>(from: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(from).map(Some)
}

impl App {
    /// Changes a link; with `expected`, only while that is its version.
    pub(crate) async fn change(
        &self,
        domain: Domain<'_>,
        code: &str,
        expected: Option<i64>,
        patch: &Patch,
    ) -> Result<Link, Fault> {
        let now = self.clock.now();
        let (target, rules) = check(patch, now, &self.settings.now())?;
        let mut patch = Patch { rules, ..patch.clone() };
        if let Some(Some(password)) = &mut patch.password {
            *password = self.hash(password).await?;
        }
        let edit = move |link: &mut Link| apply(link, &patch, target.as_deref(), now);
        let link = self.edit(domain, code, expected, edit).await?;
        self.figures.changes.with_label_values(&["change"]).inc();
        self.tell(Change::Change, &link).await;
        Ok(link)
    }

    /// Deletes a link: its code answers 410 and is never given again.
    pub(crate) async fn delete(
        &self,
        domain: Domain<'_>,
        code: &str,
        expected: Option<i64>,
    ) -> Result<(), Fault> {
        let link = self.edit(domain, code, expected, erase).await?;
        self.figures.changes.with_label_values(&["delete"]).inc();
        self.tell(Change::Delete, &link).await;
        Ok(())
    }

    async fn edit(
        &self,
        domain: Domain<'_>,
        code: &str,
        expected: Option<i64>,
        edit: impl Fn(&mut Link) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Result<Link, Fault> {
        let (name, code, now) = (domain.name.to_owned(), domain.fold(code), self.clock.now());
        self.db
            .write(async move |tx: &mut Tx| {
                let mut link = current(tx, &name, &code, expected).await?;
                edit(&mut link)?;
                link.version += 1;
                // A clock that went back must not hide the change from those who ask for what is new.
                link.updated_at = now.max(link.updated_at);
                if !store::update(tx, &link).await? {
                    return Err(Fault::Conflict {
                        code: "changed",
                        detail: "the link changed meanwhile".to_owned(),
                    });
                }
                store::tags_replace(tx, &link).await?;
                Ok(link)
            })
            .await
    }
}

async fn current(
    tx: &mut Tx,
    domain: &str,
    code: &str,
    expected: Option<i64>,
) -> Result<Link, Fault> {
    let link = store::load(tx, domain, code).await?.ok_or(Fault::NotFound("link"))?;
    if link.state == State::Deleted {
        return Err(Fault::Gone("link"));
    }
    match expected {
        Some(version) if version != link.version => Err(Fault::Stale(link.version)),
        _ => Ok(link),
    }
}

type Targets = (Option<String>, Option<Vec<Rule>>);

/// The violations of a patch; the canonical form of its targets.
fn check(patch: &Patch, now: Micros, settings: &LinksSettings) -> Result<Targets, Fault> {
    let mut wrong = Vec::new();
    let rules = patch.rules.as_deref().map(|rules| check_rules(rules, &settings.policy()));
    let rules = rules.transpose().map_err(|all| wrong.extend(all)).ok().flatten();
    wrong.extend(check_password(patch.password.as_ref().and_then(Option::as_deref)));
    let target = patch.url.as_deref().map(|url| target::check(url, &settings.policy())).transpose();
    let target = target.map_err(|v| wrong.push(v)).ok().flatten();
    wrong.extend(check_redirect(patch.redirect));
    wrong.extend(check_span(patch.valid_since.flatten(), patch.expires_at.flatten(), now));
    let title = patch.title.as_ref().and_then(Option::as_deref);
    wrong.extend(check_words(title, patch.tags.as_deref().unwrap_or_default()));
    if wrong.is_empty() { Ok((target, rules)) } else { Err(Fault::Invalid(wrong)) }
}

fn apply(link: &mut Link, patch: &Patch, target: Option<&str>, now: Micros) -> Result<(), Fault> {
    if let Some(target) = target {
        target.clone_into(&mut link.target);
    }
    if let Some(disabled) = patch.disabled {
        switch(link, disabled)?;
    }
    link.status = patch.redirect.unwrap_or(link.status);
    set(&mut link.valid_since, patch.valid_since.map(|m| m.map(|m| m.0)));
    set(&mut link.expires_at, patch.expires_at.map(|m| m.map(|m| m.0)));
    set(&mut link.visits_max, patch.max_visits.map(|n| n.map(i64::from)));
    set(&mut link.extra.title, patch.title.clone());
    set(&mut link.extra.password, patch.password.clone());
    if let Some(rules) = &patch.rules {
        link.extra.rules.clone_from(rules);
    }
    if let Some(tags) = &patch.tags {
        link.extra.tags.clone_from(tags);
    }
    let span = (link.valid_since.map(Moment), link.expires_at.map(Moment));
    let changed = patch.valid_since.is_some() || patch.expires_at.is_some();
    match check_span(span.0, span.1, now) {
        Some(violation) if changed => Err(Fault::Invalid(vec![violation])),
        _ => Ok(()),
    }
}

fn switch(link: &mut Link, disabled: bool) -> Result<(), Fault> {
    if link.state == State::Blocked {
        return Err(Fault::Legal);
    }
    link.state = if disabled { State::Disabled } else { State::Active };
    Ok(())
}

fn set<T>(place: &mut Option<T>, value: Option<Option<T>>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// The row stays so that the code stays taken; what it led to does not.
fn erase(link: &mut Link) -> Result<(), Fault> {
    link.state = State::Deleted;
    link.target.clear();
    link.extra = crate::model::link::Extra::default();
    Ok(())
}
