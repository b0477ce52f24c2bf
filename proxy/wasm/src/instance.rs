//! One instance of a module, started and configured, and the ways to call it.

use std::{sync::Arc, time::Duration};

use wasmtime::{InstancePre, Store, TypedFunc, WasmParams, WasmResults};

use crate::{
    Buffer, Exchange, GrpcEvent, HttpAnswer, LoadError, Map, Phases,
    common::Common,
    deadline,
    error::Failure,
    grpc::Kind,
    loan::lend,
    mailbox::Event,
    plugin::Shared,
    state::{Outcome, ROOT, State},
    stream::{Desk, Step},
};

/// `proxy_on_request_headers` and `proxy_on_response_headers`.
#[derive(Clone)]
enum HeadersCall {
    /// 0.1.0: context, count.
    Two(TypedFunc<(u32, u32), u32>),
    /// Later: context, count, end of stream.
    Three(TypedFunc<(u32, u32, u32), u32>),
}

type Call1 = Option<TypedFunc<u32, ()>>;
type BodyCall = Option<TypedFunc<(u32, u32, u32), u32>>;
type AnswerCall = Option<TypedFunc<(u32, u32, u32, u32, u32), ()>>;
type GrpcExport = Option<TypedFunc<(u32, u32, u32), ()>>;
type TrailersCall = Option<TypedFunc<(u32, u32), u32>>;

/// Callbacks that the module exports.
struct Exports {
    context_create: Option<TypedFunc<(u32, u32), ()>>,
    vm_start: Option<TypedFunc<(u32, u32), u32>>,
    configure: Option<TypedFunc<(u32, u32), u32>>,
    request_headers: Option<HeadersCall>,
    request_body: BodyCall,
    request_trailers: TrailersCall,
    response_headers: Option<HeadersCall>,
    response_body: BodyCall,
    response_trailers: TrailersCall,
    http_call_response: AnswerCall,
    grpc_metadata: GrpcExport,
    grpc_message: GrpcExport,
    grpc_trailers: GrpcExport,
    grpc_close: GrpcExport,
    tick: Call1,
    queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    done: Option<TypedFunc<u32, u32>>,
    log: Call1,
    delete: Call1,
}

/// One callback of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    RequestHeaders { end_of_stream: bool },
    RequestBody { end_of_stream: bool },
    RequestTrailers,
    ResponseHeaders { end_of_stream: bool },
    ResponseBody { end_of_stream: bool },
    ResponseTrailers,
}

impl Moment {
    /// The phase that it belongs to.
    pub(crate) const fn phase(self) -> Phases {
        match self {
            Self::RequestHeaders { .. } => Phases::REQUEST_HEADERS,
            Self::RequestBody { .. } => Phases::REQUEST_BODY,
            Self::RequestTrailers => Phases::REQUEST_TRAILERS,
            Self::ResponseHeaders { .. } => Phases::RESPONSE_HEADERS,
            Self::ResponseBody { .. } => Phases::RESPONSE_BODY,
            Self::ResponseTrailers => Phases::RESPONSE_TRAILERS,
        }
    }
}

/// What a callback answered: its action, and what it asked for besides.
pub(crate) struct Reply {
    pub(crate) action: u32,
    pub(crate) outcome: Outcome,
}

/// An instance that may be called.
pub(crate) struct Instance {
    store: Store<State>,
    exports: Exports,
    pub(crate) number: u64,
    pub(crate) phases: Phases,
    /// Contexts are used again, and nobody looks at the number of fields.
    reuse: bool,
    limit: Limit,
}

/// Time limit of a callback.
#[derive(Clone, Copy)]
struct Limit {
    ms: u64,
    epochs: u64,
}

impl Limit {
    #[inline]
    fn begin(&self, store: &mut Store<State>) {
        deadline::begin(store, self.ms, self.epochs);
    }
}

impl Instance {
    /// Instantiates a module, starts and configures it.
    pub(crate) fn start(
        common: &Arc<Common>,
        plugin: &Arc<Shared>,
        module: &InstancePre<State>,
    ) -> Result<Box<Self>, LoadError> {
        let number = common.next_instance();
        let mut store = new_store(common, plugin, number);
        let limits = &plugin.config.limits;
        deadline::begin(&mut store, limits.start_ms_max, common.epochs(limits.start_ms_max));
        let failed = |error: wasmtime::Error, store: &Store<State>| {
            load_failure(store, Failure::new("instantiate", &error, store.data().guard.refused))
        };
        let instance = module.instantiate(&mut store).map_err(|error| failed(error, &store))?;
        let exports = Exports::find(&mut store, &instance)
            .map_err(|reason| LoadError::Exports { plugin: plugin.name.to_string(), reason })?;
        let mut started = Self {
            store,
            exports,
            number,
            phases: Phases::default(),
            reuse: false,
            limit: Limit {
                ms: limits.callback_ms_max,
                epochs: common.epochs(limits.callback_ms_max),
            },
        };
        started.run_start(&instance)?;
        started.configure()?;
        let state = started.store.data_mut();
        state.start_log = None;
        state.notify_keeper();
        let subscribed = state.subscribed;
        started.phases = started.exports.phases(subscribed);
        started.reuse = subscribed.is_some_and(|phases| phases.has(Phases::REUSE));
        Ok(Box::new(started))
    }

    /// The module's own start functions.
    fn run_start(&mut self, instance: &wasmtime::Instance) -> Result<(), LoadError> {
        let store = &mut self.store;
        let initialize = instance.get_typed_func::<(), ()>(&mut *store, "_initialize").ok();
        let Some(initialize) = initialize else {
            let start = instance.get_typed_func::<(), ()>(&mut *store, "_start").ok();
            let Some(start) = start else { return Ok(()) };
            // A command that ends by proc_exit(0) has ended well.
            return match call(store, "_start", &start, ()) {
                Err(_) if std::mem::take(&mut store.data_mut().ended_well) => Ok(()),
                ended => ended.map_err(|failure| load_failure(store, failure)),
            };
        };
        call(store, "_initialize", &initialize, ())
            .map_err(|failure| load_failure(store, failure))?;
        let main = instance.get_typed_func::<(u32, u32), u32>(&mut *store, "main").ok();
        let plain = instance.get_typed_func::<(), u32>(&mut *store, "__main_void").ok();
        let ended = match (main, plain) {
            (Some(main), _) => call(store, "main", &main, (0, 0)).map(drop),
            (None, Some(plain)) => call(store, "__main_void", &plain, ()).map(drop),
            (None, None) => Ok(()),
        };
        ended.map_err(|failure| load_failure(store, failure))
    }

    /// Root context, `proxy_on_vm_start`, `proxy_on_configure`.
    fn configure(&mut self) -> Result<(), LoadError> {
        let Self { store, exports, .. } = self;
        store.data_mut().current = ROOT;
        if let Some(create) = &exports.context_create {
            call(store, "proxy_on_context_create", create, (ROOT, 0))
                .map_err(|failure| load_failure(store, failure))?;
        }
        let config = store.data().plugin.clone();
        let config = &config.config;
        store.data_mut().in_vm_start = true;
        agree(
            store,
            "proxy_on_vm_start",
            exports.vm_start.as_ref(),
            config.vm_configuration.len(),
        )?;
        store.data_mut().in_vm_start = false;
        agree(store, "proxy_on_configure", exports.configure.as_ref(), config.configuration.len())
    }

    /// Opens a context for a request; answers its number.
    pub(crate) fn open(
        &mut self,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        link: usize,
    ) -> Result<u32, Failure> {
        if let Some(context) = self.store.data_mut().idle.pop() {
            self.store.data_mut().streams.insert(context, None);
            return Ok(context);
        }
        let context = self.store.data_mut().next_context();
        self.store.data_mut().streams.insert(context, None);
        let Self { store, exports, limit, .. } = self;
        limit.begin(store);
        enter(store, exchange, desk, link, context, |store| {
            // Envoy acts for the root while a context is made, but its request is readable.
            match &exports.context_create {
                Some(create) => call(store, "proxy_on_context_create", create, (context, ROOT)),
                None => Ok(()),
            }
        })?;
        Ok(context)
    }

    /// Runs one callback of a request.
    #[inline]
    pub(crate) fn run(
        &mut self,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        link: usize,
        context: u32,
        moment: Moment,
    ) -> Result<Reply, Failure> {
        let size = measure(exchange, moment, desk.window, !self.reuse);
        let Self { store, exports, limit, .. } = self;
        limit.begin(store);
        store.data_mut().outcome = Outcome::default();
        let action = enter(store, exchange, desk, link, context, |store| {
            exports.moment(store, context, moment, size)
        })?;
        let outcome = std::mem::take(&mut store.data_mut().outcome);
        self.sweep()?;
        Ok(Reply { action, outcome })
    }

    /// Delivers the answer of a call to the request that made it.
    pub(crate) fn answer(
        &mut self,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        link: usize,
        context: u32,
        number: u32,
        answer: Option<HttpAnswer>,
    ) -> Result<Reply, Failure> {
        let Self { store, exports, limit, .. } = self;
        limit.begin(store);
        store.data_mut().outcome = Outcome::default();
        enter(store, exchange, desk, link, context, |store| {
            exports.call_answer(store, context, number, answer)
        })?;
        let outcome = std::mem::take(&mut store.data_mut().outcome);
        self.sweep()?;
        Ok(Reply { action: 0, outcome })
    }

    /// Delivers what came of a gRPC call to the request that made it.
    pub(crate) fn grpc(
        &mut self,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        link: usize,
        context: u32,
        number: u32,
        event: GrpcEvent,
    ) -> Result<Reply, Failure> {
        let Self { store, exports, limit, .. } = self;
        limit.begin(store);
        store.data_mut().outcome = Outcome::default();
        enter(store, exchange, desk, link, context, |store| {
            exports.grpc_event(store, context, number, event)
        })?;
        let outcome = std::mem::take(&mut store.data_mut().outcome);
        self.sweep()?;
        Ok(Reply { action: 0, outcome })
    }

    /// Delivers what came of a gRPC call that the plugin itself made.
    pub(crate) fn root_grpc(&mut self, number: u32, event: GrpcEvent) -> Result<(), Failure> {
        self.root(|store, exports| exports.grpc_event(store, ROOT, number, event))
    }

    /// Ends the context of a request: log, done, delete.
    pub(crate) fn close(
        &mut self,
        exchange: &mut dyn Exchange,
        desk: &mut Desk,
        link: usize,
        context: u32,
        log: bool,
    ) -> Result<(), Failure> {
        let wants_log = log && self.phases.has(Phases::LOG);
        let calls = &mut self.store.data_mut().grpc;
        if !calls.is_empty() {
            calls.retain(|_, open| open.context != context);
        }
        if self.reuse && !wants_log && self.put_back(context, desk) {
            return Ok(());
        }
        let Self { store, exports, limit, .. } = self;
        limit.begin(store);
        let done = enter(store, exchange, desk, link, context, |store| {
            if wants_log && let Some(log) = &exports.log {
                call(store, "proxy_on_log", log, context)?;
            }
            match &exports.done {
                Some(done) => call(store, "proxy_on_done", done, context).map(|done| done != 0),
                None => Ok(true),
            }
        })?;
        let state = store.data_mut();
        state.streams.remove(&context);
        if !done && state.undone.len() < UNDONE_MAX {
            state.undone.insert(context);
            return self.sweep();
        }
        self.delete(context)?;
        self.sweep()
    }

    /// Keeps a context for the next request, unless something may still arrive for this one.
    #[inline]
    fn put_back(&mut self, context: u32, desk: &Desk) -> bool {
        let state = self.store.data_mut();
        let clean = desk.mailbox.is_none() && state.idle.len() < IDLE_MAX;
        if clean {
            state.streams.remove(&context);
            state.idle.push(context);
        }
        clean
    }

    /// Deletes contexts that waited for `proxy_done` and got it.
    #[inline]
    fn sweep(&mut self) -> Result<(), Failure> {
        while let Some(context) = self.store.data_mut().finished.pop() {
            self.delete(context)?;
        }
        self.store.data_mut().notify_keeper();
        Ok(())
    }

    fn delete(&mut self, context: u32) -> Result<(), Failure> {
        let Self { store, exports, .. } = self;
        store.data_mut().current = context;
        match &exports.delete {
            Some(delete) => call(store, "proxy_on_delete", delete, context),
            None => Ok(()),
        }
    }

    /// A timer of the plugin.
    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        self.root(|store, exports| match &exports.tick {
            Some(tick) => call(store, "proxy_on_tick", tick, ROOT),
            None => Ok(()),
        })
    }

    /// Something stands in a queue.
    pub(crate) fn queue_ready(&mut self, queue: u32) -> Result<(), Failure> {
        self.root(|store, exports| match &exports.queue_ready {
            Some(ready) => call(store, "proxy_on_queue_ready", ready, (ROOT, queue)),
            None => Ok(()),
        })
    }

    /// Delivers the answer of a call that the plugin itself made.
    pub(crate) fn root_answer(
        &mut self,
        number: u32,
        answer: Option<HttpAnswer>,
    ) -> Result<(), Failure> {
        if !self.store.data_mut().calls_open.remove(&number) {
            return Ok(());
        }
        self.root(|store, exports| exports.call_answer(store, ROOT, number, answer))
    }

    fn root(
        &mut self,
        run: impl FnOnce(&mut Store<State>, &Exports) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self { store, exports, limit, .. } = self;
        limit.begin(store);
        let state = store.data_mut();
        (state.current, state.lent_to) = (ROOT, 0);
        state.outcome = Outcome::default();
        run(store, exports)?;
        self.sweep()
    }

    /// Holds a request for a while before what was decided happens. A plugin that holds too many
    /// requests already holds no more.
    pub(crate) fn hold(&mut self, desk: &mut Desk, link: usize, delay_ms: u32, step: Step) -> Step {
        let state = self.store.data_mut();
        let record = state.plugin.record.clone();
        let most = state.plugin.config.limits.calls_open_max;
        let Some(runtime) = state.common.runtime().filter(|_| record.tallies.calls_open() < most)
        else {
            return step;
        };
        let call = state.next_call();
        let under_way = record.tallies.open_call(&record);
        let mailbox = desk.mailbox.get_or_insert_with(Arc::default).clone();
        let response = match step {
            Step::Answer(response) => Some(response),
            Step::Continue | Step::Pause => None,
        };
        let late = mailbox.clone();
        let task = runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(u64::from(delay_ms))).await;
            drop(under_way);
            late.put(Event::Elapsed { link, call, response });
        });
        mailbox.add_call(link, call, task.abort_handle());
        Step::Pause
    }

    /// Marks a request as paused, so that other callbacks can reach it, or as no longer paused.
    pub(crate) fn set_waiting(&mut self, context: u32, waiting: Option<crate::state::Waiting>) {
        if let Some(stream) = self.store.data_mut().streams.get_mut(&context) {
            *stream = waiting;
        }
    }

    /// Whether a timer runs that could let paused requests go on.
    pub(crate) fn has_tick(&self) -> bool {
        self.store.data().tick_ms > 0
    }

    /// Linear memory in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().guard.memory_bytes
    }

    /// Open contexts of requests.
    pub(crate) fn streams(&self) -> usize {
        self.store.data().streams.len()
    }

    /// Fuel burnt so far; 0 when the host does not count it.
    pub(crate) fn fuel(&self) -> u64 {
        self.store.get_fuel().map_or(0, |left| u64::MAX - left)
    }
}

/// Contexts kept for the next requests.
const IDLE_MAX: usize = 256;
/// Contexts that wait for `proxy_done`; further ones are deleted at once.
const UNDONE_MAX: usize = 10_000;

pub(crate) fn new_store(common: &Arc<Common>, plugin: &Arc<Shared>, number: u64) -> Store<State> {
    let state = State::new(common.clone(), plugin.clone(), number);
    let mut store = Store::new(&common.compiler.engine, state);
    store.limiter(|state| &mut state.guard);
    deadline::install(&mut store);
    if common.fuel {
        // Counting only: the epoch ends what runs too long.
        let _ = store.set_fuel(u64::MAX);
    }
    store
}

/// Number of fields, or bytes of a body; without `count` only the latter.
#[inline]
fn measure(exchange: &dyn Exchange, moment: Moment, window: usize, count: bool) -> u32 {
    let fields = |map| if count { exchange.count(map) } else { 0 };
    let held = |buffer| exchange.buffer(buffer).len().saturating_sub(window);
    let size = match moment {
        Moment::RequestHeaders { .. } => fields(Map::RequestHeaders),
        Moment::RequestTrailers => fields(Map::RequestTrailers),
        Moment::ResponseHeaders { .. } => fields(Map::ResponseHeaders),
        Moment::ResponseTrailers => fields(Map::ResponseTrailers),
        Moment::RequestBody { .. } => held(Buffer::RequestBody),
        Moment::ResponseBody { .. } => held(Buffer::ResponseBody),
    };
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Lends a request with its labels and mailbox to the store and runs a callback.
#[inline]
fn enter<T>(
    store: &mut Store<State>,
    exchange: &mut dyn Exchange,
    desk: &mut Desk,
    link: usize,
    context: u32,
    callback: impl FnOnce(&mut Store<State>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let state = store.data_mut();
    (state.current, state.lent_to, state.link) = (context, context, link);
    state.window = desk.window;
    std::mem::swap(&mut state.labels, &mut desk.labels);
    std::mem::swap(&mut state.mailbox, &mut desk.mailbox);
    let result = lend(store, exchange, callback);
    let state = store.data_mut();
    std::mem::swap(&mut state.labels, &mut desk.labels);
    std::mem::swap(&mut state.mailbox, &mut desk.mailbox);
    (state.current, state.lent_to) = (ROOT, 0);
    result
}

#[inline]
fn call<P: WasmParams, R: WasmResults>(
    store: &mut Store<State>,
    name: &'static str,
    function: &TypedFunc<P, R>,
    arguments: P,
) -> Result<R, Failure> {
    match function.call(&mut *store, arguments) {
        Ok(results) => Ok(results),
        Err(error) => Err(Failure::new(name, &error, store.data().guard.refused)),
    }
}

/// Calls a function that agrees by a number other than 0.
fn agree(
    store: &mut Store<State>,
    name: &'static str,
    function: Option<&TypedFunc<(u32, u32), u32>>,
    size: usize,
) -> Result<(), LoadError> {
    let Some(function) = function else { return Ok(()) };
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    match call(store, name, function, (ROOT, size)) {
        Ok(0) => {
            let state = store.data();
            let detail = state.start_log.as_ref().map(|lines| lines.join("; ")).unwrap_or_default();
            Err(LoadError::Refused {
                plugin: state.plugin.name.to_string(),
                callback: name,
                detail,
            })
        }
        Ok(_) => Ok(()),
        Err(failure) => Err(load_failure(store, failure)),
    }
}

fn load_failure(store: &Store<State>, failure: Failure) -> LoadError {
    let state = store.data();
    let mut detail = failure.detail;
    if let Some(lines) = state.start_log.as_ref().filter(|lines| !lines.is_empty()) {
        detail = format!("{}; {detail}", lines.join("; "));
    }
    LoadError::Trap {
        plugin: state.plugin.name.to_string(),
        callback: failure.callback,
        reason: failure.reason,
        detail,
    }
}

impl Exports {
    /// Finds the callbacks, the memory and the allocator.
    fn find(store: &mut Store<State>, instance: &wasmtime::Instance) -> Result<Self, String> {
        let memory = instance.get_memory(&mut *store, "memory");
        let memory = memory.ok_or("the module exports no memory named \"memory\"")?;
        let allocate = match optional(store, instance, "proxy_on_memory_allocate")? {
            Some(allocate) => Some(allocate),
            None => optional(store, instance, "malloc")?,
        };
        let state = store.data_mut();
        state.memory = Some(memory);
        state.allocate =
            Some(allocate.ok_or("the module exports neither proxy_on_memory_allocate nor malloc")?);
        Ok(Self {
            context_create: optional(store, instance, "proxy_on_context_create")?,
            vm_start: optional(store, instance, "proxy_on_vm_start")?,
            configure: optional(store, instance, "proxy_on_configure")?,
            request_headers: headers_call(store, instance, "proxy_on_request_headers")?,
            request_body: optional(store, instance, "proxy_on_request_body")?,
            request_trailers: optional(store, instance, "proxy_on_request_trailers")?,
            response_headers: headers_call(store, instance, "proxy_on_response_headers")?,
            response_body: optional(store, instance, "proxy_on_response_body")?,
            response_trailers: optional(store, instance, "proxy_on_response_trailers")?,
            http_call_response: optional(store, instance, "proxy_on_http_call_response")?,
            grpc_metadata: optional(store, instance, "proxy_on_grpc_receive_initial_metadata")?,
            grpc_message: optional(store, instance, "proxy_on_grpc_receive")?,
            grpc_trailers: match optional(
                store,
                instance,
                "proxy_on_grpc_receive_trailing_metadata",
            )? {
                Some(trailers) => Some(trailers),
                // So the C++ and AssemblyScript SDKs call it.
                None => optional(store, instance, "proxy_on_grpc_trailing_metadata")?,
            },
            grpc_close: optional(store, instance, "proxy_on_grpc_close")?,
            tick: optional(store, instance, "proxy_on_tick")?,
            queue_ready: optional(store, instance, "proxy_on_queue_ready")?,
            done: optional(store, instance, "proxy_on_done")?,
            log: optional(store, instance, "proxy_on_log")?,
            delete: optional(store, instance, "proxy_on_delete")?,
        })
    }

    /// Phases that are exported, within those that the module subscribed to.
    fn phases(&self, subscribed: Option<Phases>) -> Phases {
        let present = [
            (self.request_headers.is_some(), Phases::REQUEST_HEADERS),
            (self.request_body.is_some(), Phases::REQUEST_BODY),
            (self.request_trailers.is_some(), Phases::REQUEST_TRAILERS),
            (self.response_headers.is_some(), Phases::RESPONSE_HEADERS),
            (self.response_body.is_some(), Phases::RESPONSE_BODY),
            (self.response_trailers.is_some(), Phases::RESPONSE_TRAILERS),
            (self.log.is_some(), Phases::LOG),
        ];
        let wanted = |phase| subscribed.is_none_or(|subscribed: Phases| subscribed.has(phase));
        let present = present.into_iter().filter(|(present, phase)| *present && wanted(*phase));
        present.fold(Phases::default(), |all, (_, phase)| all.with(phase))
    }

    #[inline]
    fn moment(
        &self,
        store: &mut Store<State>,
        context: u32,
        moment: Moment,
        size: u32,
    ) -> Result<u32, Failure> {
        match moment {
            Moment::RequestHeaders { end_of_stream } => {
                let function = self.request_headers.as_ref();
                headers(store, "proxy_on_request_headers", function, context, size, end_of_stream)
            }
            Moment::ResponseHeaders { end_of_stream } => {
                let function = self.response_headers.as_ref();
                headers(store, "proxy_on_response_headers", function, context, size, end_of_stream)
            }
            Moment::RequestBody { end_of_stream } => {
                let arguments = (context, size, u32::from(end_of_stream));
                action(store, "proxy_on_request_body", self.request_body.as_ref(), arguments)
            }
            Moment::ResponseBody { end_of_stream } => {
                let arguments = (context, size, u32::from(end_of_stream));
                action(store, "proxy_on_response_body", self.response_body.as_ref(), arguments)
            }
            Moment::RequestTrailers => {
                let function = self.request_trailers.as_ref();
                action(store, "proxy_on_request_trailers", function, (context, size))
            }
            Moment::ResponseTrailers => {
                let function = self.response_trailers.as_ref();
                action(store, "proxy_on_response_trailers", function, (context, size))
            }
        }
    }

    fn call_answer(
        &self,
        store: &mut Store<State>,
        context: u32,
        number: u32,
        answer: Option<HttpAnswer>,
    ) -> Result<(), Failure> {
        let Some(function) = &self.http_call_response else { return Ok(()) };
        let answer = answer.map(with_status);
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (fields, body, trailers) = match &answer {
            Some(answer) => {
                (size(answer.fields.len()), size(answer.body.len()), size(answer.trailers.len()))
            }
            None => (0, 0, 0),
        };
        store.data_mut().answer = answer;
        let arguments = (context, number, fields, body, trailers);
        let result = call(store, "proxy_on_http_call_response", function, arguments);
        store.data_mut().answer = None;
        result
    }
}

impl Exports {
    /// Tells the module of a gRPC call that it still has open.
    fn grpc_event(
        &self,
        store: &mut Store<State>,
        context: u32,
        number: u32,
        event: GrpcEvent,
    ) -> Result<(), Failure> {
        let state = store.data_mut();
        if !state.grpc.contains_key(&number) {
            return Ok(());
        }
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (name, function, value) = match event {
            GrpcEvent::Metadata(fields) => {
                let count = size(fields.len());
                state.grpc_fields[0] = Some(fields);
                ("proxy_on_grpc_receive_initial_metadata", &self.grpc_metadata, count)
            }
            GrpcEvent::Message(message) => {
                state.grpc_message = message;
                if state.grpc.get(&number).is_some_and(|open| open.kind == Kind::Unary) {
                    state.grpc.remove(&number);
                }
                let bytes = size(state.grpc_message.len());
                ("proxy_on_grpc_receive", &self.grpc_message, bytes)
            }
            GrpcEvent::Trailers(fields) => {
                let count = size(fields.len());
                state.grpc_fields[1] = Some(fields);
                ("proxy_on_grpc_receive_trailing_metadata", &self.grpc_trailers, count)
            }
            GrpcEvent::Closed(code, text) => {
                state.grpc.remove(&number);
                state.grpc_status = (code, text);
                ("proxy_on_grpc_close", &self.grpc_close, code)
            }
        };
        let result = match function {
            Some(function) => call(store, name, function, (context, number, value)),
            None => Ok(()),
        };
        let state = store.data_mut();
        (state.grpc_fields, state.grpc_message) = ([None, None], Vec::new());
        result
    }
}

/// Puts the status in front of the fields, as modules expect it.
fn with_status(mut answer: HttpAnswer) -> HttpAnswer {
    answer.fields.retain(|(name, _)| !name.starts_with(b":"));
    answer.fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
    let status = (b":status".to_vec(), answer.status.to_string().into_bytes());
    answer.fields.insert(0, status);
    answer
}

#[inline]
fn headers(
    store: &mut Store<State>,
    name: &'static str,
    function: Option<&HeadersCall>,
    context: u32,
    count: u32,
    end_of_stream: bool,
) -> Result<u32, Failure> {
    match function {
        Some(HeadersCall::Two(function)) => call(store, name, function, (context, count)),
        Some(HeadersCall::Three(function)) => {
            call(store, name, function, (context, count, u32::from(end_of_stream)))
        }
        None => Ok(0),
    }
}

fn action<P: WasmParams>(
    store: &mut Store<State>,
    name: &'static str,
    function: Option<&TypedFunc<P, u32>>,
    arguments: P,
) -> Result<u32, Failure> {
    function.map_or(Ok(0), |function| call(store, name, function, arguments))
}

/// An export that may be absent, but not of another shape.
fn optional<P: WasmParams, R: WasmResults>(
    store: &mut Store<State>,
    instance: &wasmtime::Instance,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, String> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    function.typed(&*store).map(Some).map_err(|error| format!("the export {name}: {error}"))
}

fn headers_call(
    store: &mut Store<State>,
    instance: &wasmtime::Instance,
    name: &str,
) -> Result<Option<HeadersCall>, String> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    if let Ok(three) = function.typed(&*store) {
        return Ok(Some(HeadersCall::Three(three)));
    }
    let two = function.typed(&*store).map(HeadersCall::Two).map(Some);
    two.map_err(|error| format!("the export {name}: {error}"))
}
