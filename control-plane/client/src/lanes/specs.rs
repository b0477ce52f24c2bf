//! Takes specs into use: the newest one, one at a time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tidegate_control_api::{Phase, Problem};
use tidegate_spec::Spec;
use tokio::sync::watch;

use super::shared::Shared;
use crate::{Handler, LastGood, Mark, Saved, SpecUpdate};

pub(crate) struct SpecLane<H> {
    shared: Arc<Shared>,
    last_good: LastGood,
    handler: Arc<H>,
    /// What a spec that turns out unhealthy is taken back for.
    confirmed: Option<Saved>,
}

impl<H: Handler> SpecLane<H> {
    pub(crate) fn new(shared: Arc<Shared>, last_good: LastGood, handler: Arc<H>) -> Self {
        Self { shared, last_good, handler, confirmed: None }
    }

    /// Starts from the best spec on disk that the handler takes.
    pub(crate) async fn boot(&mut self) {
        for (saved, mark) in self.last_good.load() {
            let revision = saved.revision;
            match self.hand_over(&saved, true).await {
                Ok(()) => {
                    tracing::info!(revision, ?mark, "started from the spec on disk");
                    self.booted(saved, mark);
                    return;
                }
                Err(problems) => {
                    let problem = problems.first().map(ToString::to_string);
                    tracing::warn!(revision, problem, "the spec on disk was refused");
                }
            }
        }
    }

    fn booted(&mut self, saved: Saved, mark: Mark) {
        self.shared.set_active(&saved);
        if mark == Mark::Confirmed {
            self.shared.ack(&saved, Phase::Healthy, Vec::new());
            self.confirmed = Some(saved);
        } else {
            // Nothing was ever confirmed here; it will be, or not, when it is pushed again.
            self.shared.set_judged(&Saved { hash: String::new(), ..saved });
        }
    }

    pub(crate) async fn run(mut self, mut newest: watch::Receiver<Option<Saved>>) {
        while newest.changed().await.is_ok() {
            let next = newest.borrow_and_update().clone();
            if let Some(saved) = next {
                self.take(saved, &mut newest).await;
            }
        }
    }

    async fn take(&mut self, saved: Saved, newest: &mut watch::Receiver<Option<Saved>>) {
        self.shared.ack(&saved, Phase::Received, Vec::new());
        // The same bytes under a new number, as after a revert: they are in use already.
        if self.shared.active().is_some_and(|(_, hash)| hash == saved.hash) {
            self.shared.set_active(&saved);
            return self.settle(saved, newest).await;
        }
        if let Err(error) = self.last_good.trying(&saved) {
            let problem =
                Problem::new("", format!("it cannot be kept on this node's disk: {error}"));
            return self.reject(&saved, vec![problem]);
        }
        match self.hand_over(&saved, false).await {
            Ok(()) => {
                self.shared.set_active(&saved);
                self.settle(saved, newest).await;
            }
            Err(problems) => self.reject(&saved, problems),
        }
    }

    fn reject(&self, saved: &Saved, problems: Vec<Problem>) {
        self.last_good.abandon();
        self.shared.set_judged(saved);
        tracing::warn!(revision = saved.revision, problems = problems.len(), "spec rejected");
        self.shared.ack(saved, Phase::Rejected, problems);
    }

    /// The health window, cut short by a newer spec: then this one is never confirmed.
    async fn settle(&mut self, saved: Saved, newest: &mut watch::Receiver<Option<Saved>>) {
        self.shared.ack(&saved, Phase::Active, Vec::new());
        let window = tokio::time::sleep(self.shared.config.health_window);
        tokio::select! {
            () = window => {}
            _ = async { newest.wait_for(|next| next.as_ref() != Some(&saved)).await.map(drop) } => {
                newest.mark_changed();
                return;
            }
        }
        match self.handler.healthy().await {
            Ok(()) => self.confirm(saved),
            Err(reason) => self.revert(saved, reason).await,
        }
    }

    fn confirm(&mut self, saved: Saved) {
        let kept = if self.confirmed.as_ref().is_some_and(|last| last.hash == saved.hash) {
            self.last_good.abandon();
            Ok(())
        } else {
            self.last_good.confirm()
        };
        if let Err(error) = kept {
            tracing::error!(%error, "the spec runs well but could not be marked as confirmed");
        }
        self.shared.ack(&saved, Phase::Healthy, Vec::new());
        self.confirmed = Some(saved);
    }

    async fn revert(&mut self, saved: Saved, reason: String) {
        tracing::error!(revision = saved.revision, reason, "spec taken back");
        self.last_good.abandon();
        if let Some(before) = self.confirmed.clone()
            && self.hand_over(&before, true).await.is_ok()
        {
            self.shared.set_active(&before);
        }
        self.shared.set_judged(&saved);
        self.shared.ack(&saved, Phase::Reverted, vec![Problem::new("", reason)]);
    }

    /// Gives a spec to the handler. A panic in there is a refusal: the former spec is still in use.
    async fn hand_over(&self, saved: &Saved, stored: bool) -> Result<(), Vec<Problem>> {
        let spec: Spec = serde_json::from_str::<serde_json::Value>(&saved.spec)
            .map_err(|e| vec![Problem::new("", format!("not JSON: {e}"))])
            .and_then(|json| Spec::from_json(&json))?;
        let update = SpecUpdate {
            revision: saved.revision,
            hash: saved.hash.clone(),
            spec: Arc::new(spec),
            stored,
        };
        let taken = AssertUnwindSafe(self.handler.on_spec(update)).catch_unwind().await;
        taken.unwrap_or_else(|_| Err(vec![Problem::new("", "this node panicked on it")]))
    }
}
