//! One plugin's part in one request.

use std::sync::Arc;

use crate::{
    Exchange, GrpcEvent, HttpAnswer, LocalResponse, OnFailure, Plugin,
    error::Failure,
    exchange::NoExchange,
    instance::{Instance, Moment, Reply},
    mailbox::Mailbox,
    state::{Labels, Waiting},
};

/// Actions of the ABI that let the request go on: continue, and continue and end (Envoy's 2).
const GO_ON: [u32; 2] = [0, 2];

/// What follows a request through the chain.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Names and values that plugins attached.
    pub(crate) labels: Labels,
    /// Made when a plugin first calls out or pauses.
    pub(crate) mailbox: Option<Arc<Mailbox>>,
    /// Bytes of the body that the plugin at work has let pass before.
    pub(crate) window: usize,
}

/// Where a plugin's context of this request lives.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// The request's head has come by this plugin.
    pub(crate) reached: bool,
    /// Bytes of the body that are still held but have passed this plugin.
    pub(crate) passed: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// No context yet.
    #[default]
    Fresh,
    /// A context in an instance of a slot.
    Open { slot: usize, instance: u64, context: u32 },
    /// The plugin takes no part any more.
    Gone,
}

/// What a plugin wants of the request.
#[derive(Debug)]
pub(crate) enum Step {
    Continue,
    Pause,
    Answer(Box<LocalResponse>),
}

impl Link {
    /// Runs a callback of a phase in which the plugin takes part.
    pub(crate) fn step(
        &mut self,
        plugin: &Plugin,
        at: usize,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        moment: Moment,
    ) -> Step {
        if self.place == Place::Gone || !plugin.phases().has(moment.phase()) {
            return Step::Continue;
        }
        desk.window = self.passed;
        self.within(plugin, |instance, context| {
            let opened = match context {
                Some(context) => context,
                None => instance.open(exchange, desk, at)?,
            };
            let reply = instance.run(exchange, desk, at, opened, moment)?;
            let step = match reply.outcome.delay_ms {
                0 => read(plugin, reply),
                delay_ms => instance.hold(desk, at, delay_ms, read(plugin, reply)),
            };
            if matches!(step, Step::Pause) {
                let mailbox = desk.mailbox.get_or_insert_with(Arc::default).clone();
                instance.set_waiting(opened, Some(Waiting { mailbox, link: at }));
            }
            Ok((Some(opened), step))
        })
        .unwrap_or_else(|| self.give_up(plugin))
    }

    /// Delivers the answer of a call; the flag tells whether the plugin lets the request go on.
    pub(crate) fn answer(
        &mut self,
        plugin: &Plugin,
        at: usize,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        call: u32,
        answer: Option<HttpAnswer>,
    ) -> (Step, bool) {
        if !matches!(self.place, Place::Open { .. }) {
            return (Step::Continue, false);
        }
        desk.window = self.passed;
        self.within(plugin, |instance, context| {
            let Some(context) = context else { return Ok((None, (Step::Continue, false))) };
            let reply = instance.answer(exchange, desk, at, context, call, answer)?;
            let resumed = reply.outcome.resumed;
            Ok((Some(context), (read(plugin, reply), resumed)))
        })
        .unwrap_or_else(|| (self.give_up(plugin), true))
    }

    /// Delivers what came of a gRPC call; the flag as with [`Self::answer`].
    pub(crate) fn grpc(
        &mut self,
        plugin: &Plugin,
        at: usize,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        call: u32,
        event: GrpcEvent,
    ) -> (Step, bool) {
        if !matches!(self.place, Place::Open { .. }) {
            return (Step::Continue, false);
        }
        desk.window = self.passed;
        self.within(plugin, |instance, context| {
            let Some(context) = context else { return Ok((None, (Step::Continue, false))) };
            let reply = instance.grpc(exchange, desk, at, context, call, event)?;
            let resumed = reply.outcome.resumed;
            Ok((Some(context), (read(plugin, reply), resumed)))
        })
        .unwrap_or_else(|| (self.give_up(plugin), true))
    }

    /// Whether a timer of the plugin could let the request go on.
    pub(crate) fn has_tick(&mut self, plugin: &Plugin) -> bool {
        self.within(plugin, |instance, context| Ok((context, instance.has_tick()))).unwrap_or(false)
    }

    /// Ends the context; with the exchange that shows the final response, or with none.
    pub(crate) fn close(
        &mut self,
        plugin: &Plugin,
        at: usize,
        exchange: Option<&mut dyn Exchange>,
        desk: &mut Desk,
    ) {
        if !matches!(self.place, Place::Open { .. }) {
            return;
        }
        let log = exchange.is_some();
        let mut none = NoExchange;
        let exchange = exchange.unwrap_or(&mut none);
        self.within(plugin, |instance, context| {
            if let Some(context) = context {
                instance.close(exchange, desk, at, context, log)?;
            }
            Ok((None, ()))
        });
        self.place = Place::Gone;
    }

    /// Runs `work` in the instance of this link under its lock; a fresh link takes the instance of
    /// this worker. `None` when there is no instance, or it failed and is gone.
    fn within<T>(
        &mut self,
        plugin: &Plugin,
        work: impl FnOnce(&mut Instance, Option<u32>) -> Result<(Option<u32>, T), Failure>,
    ) -> Option<T> {
        let (index, number, context) = match self.place {
            Place::Open { slot, instance, context } => (slot, Some(instance), Some(context)),
            Place::Fresh if plugin.is_resting() => return None,
            Place::Fresh => (plugin.worker(), None, None),
            Place::Gone => return None,
        };
        let mut slot = plugin.slot(index);
        let instance = slot.find(number)?;
        let number = instance.number;
        match work(instance, context) {
            Ok((context, result)) => {
                if let Some(context) = context {
                    self.place = Place::Open { slot: index, instance: number, context };
                }
                plugin.tidy(&mut slot);
                Some(result)
            }
            Err(failure) => {
                plugin.fail(&mut slot, number, &failure);
                None
            }
        }
    }

    /// The failure policy: on without the plugin, or 503.
    pub(crate) fn give_up(&mut self, plugin: &Plugin) -> Step {
        self.place = Place::Gone;
        plugin.give_up()
    }

    /// Forgets the context: its request was ended while it was paused.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.place, Place::Open { .. })
    }
}

impl Plugin {
    /// What a request gets from a plugin that cannot answer.
    pub(crate) fn give_up(&self) -> Step {
        let tallies = &self.record().tallies;
        match self.on_failure() {
            OnFailure::Open => {
                tallies.add_passed_over();
                Step::Continue
            }
            OnFailure::Closed => {
                tallies.add_refused();
                Step::Answer(Box::new(unavailable(self.name())))
            }
        }
    }
}

fn read(plugin: &Plugin, reply: Reply) -> Step {
    if let Some(response) = reply.outcome.local {
        plugin.record().tallies.add_answered();
        return Step::Answer(response);
    }
    if GO_ON.contains(&reply.action) || reply.outcome.resumed {
        return Step::Continue;
    }
    Step::Pause
}

fn unavailable(plugin: &str) -> LocalResponse {
    let body = r#"{"type":"about:blank","title":"Service Unavailable","status":503}"#;
    let field = |name: &str, value: &str| (name.into(), value.into());
    LocalResponse {
        status: 503,
        fields: vec![
            field("content-type", "application/problem+json"),
            field("cache-control", "no-store"),
        ],
        body: body.into(),
        grpc_status: None,
        details: "plugin_failed".into(),
        plugin: plugin.to_owned(),
    }
}
