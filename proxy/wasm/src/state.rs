//! What belongs to one instance: the data of its store.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use wasmtime::{Memory, ResourceLimiter, TypedFunc};

use crate::{
    Exchange, HttpAnswer, LocalResponse, LogLevel, Pairs, Phases, common::Common,
    deadline::Deadline, grpc::Open, loan::Loan, mailbox::Mailbox, metric::Cell, plugin::Shared,
    random::Random,
};

/// Context of the plugin itself; every other context belongs to a request.
pub(crate) const ROOT: u32 = 1;

/// Lines of a failed start that its error text quotes.
const START_LINES_MAX: usize = 20;

/// Labels of a request: property path and value.
pub(crate) type Labels = Vec<(String, Vec<u8>)>;

/// Everything that host functions work on.
pub(crate) struct State {
    /// Shared by all plugins.
    pub(crate) common: Arc<Common>,
    /// Shared by all instances of the plugin.
    pub(crate) plugin: Arc<Shared>,
    /// Number of this instance, never used twice.
    pub(crate) instance: u64,
    /// The module's memory and its allocator; absent until it is instantiated.
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// Refuses growth beyond the limits.
    pub(crate) guard: Guard,
    /// Time limit of the callback that runs.
    pub(crate) deadline: Deadline,
    /// The lent request and the context that it belongs to.
    pub(crate) loan: Loan,
    pub(crate) lent_to: u32,
    /// The context that host functions act for.
    pub(crate) current: u32,
    /// What the present callback wants to happen.
    pub(crate) outcome: Outcome,
    /// Labels, mailbox and position of the lent request, swapped in for the callback.
    pub(crate) labels: Labels,
    pub(crate) mailbox: Option<Arc<Mailbox>>,
    pub(crate) link: usize,
    /// Bytes at the start of a body that the plugin has let pass before.
    pub(crate) window: usize,
    /// Open contexts of requests, with the mailbox of those that are paused.
    pub(crate) streams: HashMap<u32, Option<Waiting>>,
    /// Contexts whose `proxy_on_done` asked to wait for `proxy_done`, and those that got it.
    pub(crate) undone: HashSet<u32>,
    pub(crate) finished: Vec<u32>,
    /// Contexts without a request, of a module that lets them be used again.
    pub(crate) idle: Vec<u32>,
    pub(crate) context_last: u32,
    pub(crate) call_last: u32,
    /// Calls of the plugin's own context that wait for an answer.
    pub(crate) calls_open: HashSet<u32>,
    /// gRPC calls, by number.
    pub(crate) grpc: HashMap<u32, Open>,
    /// What the present callback about a gRPC call is about: metadata, message.
    pub(crate) grpc_fields: [Option<Pairs>; 2],
    pub(crate) grpc_message: Vec<u8>,
    /// How the last gRPC call ended.
    pub(crate) grpc_status: (u32, String),
    /// The answer that the present callback is about.
    pub(crate) answer: Option<HttpAnswer>,
    /// Arguments of the foreign function that is called back.
    pub(crate) arguments: Vec<u8>,
    /// Metrics that the instance has defined or seen, by number.
    pub(crate) metrics: Vec<Arc<Cell>>,
    /// Phases that the module subscribed to.
    pub(crate) subscribed: Option<Phases>,
    /// Milliseconds between ticks; 0 for none.
    pub(crate) tick_ms: u32,
    /// For the keeper, when the callback is over: a timer was set, queues were filled.
    pub(crate) tick_changed: bool,
    pub(crate) filled: Vec<u32>,
    pub(crate) random: Random,
    /// While the instance starts: what it logged, for the error text.
    pub(crate) start_log: Option<Vec<String>>,
    /// While `proxy_on_vm_start` runs.
    pub(crate) in_vm_start: bool,
    /// The module ended itself by `proc_exit(0)`.
    pub(crate) ended_well: bool,
    /// Buffers that are used again.
    pub(crate) scratch: Vec<u8>,
    pub(crate) name: String,
}

/// A paused request, as other callbacks of the instance can reach it.
pub(crate) struct Waiting {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) link: usize,
}

/// What a callback asked for besides its action.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) local: Option<Box<LocalResponse>>,
    pub(crate) resumed: bool,
    /// Milliseconds for which the request is held before that happens.
    pub(crate) delay_ms: u32,
}

impl State {
    pub(crate) fn new(common: Arc<Common>, plugin: Arc<Shared>, instance: u64) -> Self {
        let limits = &plugin.config.limits;
        Self {
            guard: Guard {
                memory_bytes_max: limits.memory_bytes_max,
                table_elements_max: limits.table_elements_max,
                memory_bytes: 0,
                refused: false,
            },
            random: Random::new(common.random_seed),
            common,
            plugin,
            instance,
            memory: None,
            allocate: None,
            deadline: Deadline::default(),
            loan: Loan::default(),
            lent_to: 0,
            current: ROOT,
            outcome: Outcome::default(),
            labels: Labels::new(),
            mailbox: None,
            link: 0,
            window: 0,
            streams: HashMap::new(),
            undone: HashSet::new(),
            finished: Vec::new(),
            idle: Vec::new(),
            context_last: ROOT,
            call_last: 0,
            calls_open: HashSet::new(),
            grpc: HashMap::new(),
            grpc_fields: [None, None],
            grpc_message: Vec::new(),
            grpc_status: (0, String::new()),
            answer: None,
            arguments: Vec::new(),
            metrics: Vec::new(),
            subscribed: None,
            tick_ms: 0,
            tick_changed: false,
            filled: Vec::new(),
            start_log: Some(Vec::new()),
            in_vm_start: false,
            ended_well: false,
            scratch: Vec::new(),
            name: String::new(),
        }
    }

    /// Logs a line of the module, within its rate and size.
    pub(crate) fn write_log(&mut self, level: LogLevel, text: &[u8]) {
        let limits = &self.plugin.config.limits;
        let text = String::from_utf8_lossy(&text[..text.len().min(limits.log_line_bytes_max)]);
        if let Some(lines) = &mut self.start_log
            && lines.len() < START_LINES_MAX
            && level >= LogLevel::Warn
        {
            lines.push(text.to_string());
        }
        match self.plugin.log_rate.admit(self.common.now_ms(), limits.log_per_s_max) {
            true => self.common.write_log(&self.plugin.name, level, &text),
            false => self.plugin.record.tallies.add_log_dropped(),
        }
    }

    /// The lent request, if host functions act for it now.
    #[inline]
    pub(crate) fn exchange(&mut self) -> Option<&mut dyn Exchange> {
        if self.current != self.lent_to {
            return None;
        }
        self.loan.exchange()
    }

    /// Tells the keeper what the callback left behind; once, however often the module asked.
    #[inline]
    pub(crate) fn notify_keeper(&mut self) {
        if std::mem::take(&mut self.tick_changed) {
            self.common.keeper.tick(&self.plugin, self.instance, self.tick_ms);
        }
        while let Some(queue) = self.filled.pop() {
            self.common.keeper.queue(self.common.queues.listeners(queue), queue);
        }
    }

    /// A number for a new request context.
    pub(crate) fn next_context(&mut self) -> u32 {
        loop {
            self.context_last = self.context_last.wrapping_add(1);
            let context = self.context_last;
            let known = self.streams.contains_key(&context) || self.undone.contains(&context);
            if context > ROOT && !known && !self.idle.contains(&context) {
                return context;
            }
        }
    }

    /// A number for a new call.
    pub(crate) fn next_call(&mut self) -> u32 {
        self.call_last = self.call_last.wrapping_add(1).max(1);
        self.call_last
    }

    /// The mailbox of the lent request; made when it is first needed.
    pub(crate) fn lent_mailbox(&mut self) -> Arc<Mailbox> {
        self.mailbox.get_or_insert_with(Arc::default).clone()
    }

    /// The paused request that host functions act for, when it is not the lent one.
    pub(crate) fn waiting(&self) -> Option<&Waiting> {
        self.streams.get(&self.current)?.as_ref()
    }

    /// The fields or trailers of the answer that the present callback is about.
    pub(crate) fn answer_fields(&self, trailers: bool) -> Option<&Pairs> {
        let answer = self.answer.as_ref()?;
        Some(if trailers { &answer.trailers } else { &answer.fields })
    }
}

/// Limits of the growth of memory and tables.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) memory_bytes_max: usize,
    pub(crate) table_elements_max: usize,
    /// Size of the memory now.
    pub(crate) memory_bytes: usize,
    /// Growth was refused; a trap soon after is for lack of memory.
    pub(crate) refused: bool,
}

impl ResourceLimiter for Guard {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.memory_bytes_max;
        match granted {
            true => self.memory_bytes = desired,
            false => self.refused = true,
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        8
    }

    fn memories(&self) -> usize {
        1
    }
}
