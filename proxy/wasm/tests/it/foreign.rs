//! Modules of other tool chains: what their SDKs import and how they are entered. Each works, or is
//! refused with a list of what is missing.

use tidegate_wasm::{Chain, LoadError, PluginConfig, Verdict, workbench::conform};

use crate::world::{Request, Stage, module, stage};

/// Modules that were made by the tool chain itself.
const MADE: [(&str, &[u8]); 4] = [
    ("assemblyscript", include_bytes!("../../testdata/foreign/assemblyscript.wasm")),
    ("assemblyscript_abort", include_bytes!("../../testdata/foreign/assemblyscript_abort.wasm")),
    ("emscripten", include_bytes!("../../testdata/foreign/emscripten.wasm")),
    ("wasi_cpp", include_bytes!("../../testdata/foreign/wasi_cpp.wasm")),
];

/// What modules import from `env` in each version, with the number of their parameters, all i32
/// but where a `*` says i64 for the last one. The names are those of the SDKs' own declarations.
const ENV: &str = "
    proxy_log 3, proxy_get_log_level 1, proxy_get_current_time_nanoseconds 1,
    proxy_set_tick_period_milliseconds 1, proxy_get_configuration 2, proxy_get_status 3,
    proxy_get_property 4, proxy_set_property 4, proxy_continue_request 0, proxy_continue_response 0,
    proxy_continue_stream 1, proxy_close_stream 1, proxy_clear_route_cache 0,
    proxy_send_local_response 8, proxy_get_shared_data 5, proxy_set_shared_data 5,
    proxy_register_shared_queue 3, proxy_resolve_shared_queue 5, proxy_enqueue_shared_queue 3,
    proxy_dequeue_shared_queue 3, proxy_add_header_map_value 5, proxy_get_header_map_value 5,
    proxy_get_header_map_pairs 3, proxy_set_header_map_pairs 3, proxy_replace_header_map_value 5,
    proxy_remove_header_map_value 3, proxy_get_header_map_size 2, proxy_get_buffer_bytes 5,
    proxy_get_buffer_status 3, proxy_set_buffer_bytes 5, proxy_http_call 10, proxy_grpc_call 12,
    proxy_grpc_stream 9, proxy_grpc_send 4, proxy_grpc_cancel 1, proxy_grpc_close 1,
    proxy_define_metric 4, proxy_increment_metric 2*, proxy_record_metric 2*, proxy_get_metric 2,
    proxy_set_effective_context 1, proxy_done 0, proxy_call_foreign_function 6, pthread_equal 2";

/// The functions of WASI preview 1 as C libraries and the runtimes of Go and TinyGo declare them:
/// `i` is i32, `l` i64.
const WASI: &str = "
    args_get ii, args_sizes_get ii, environ_get ii, environ_sizes_get ii, clock_res_get ii,
    clock_time_get ili, fd_advise illi, fd_allocate ill, fd_close i, fd_datasync i, fd_fdstat_get ii,
    fd_fdstat_set_flags ii, fd_fdstat_set_rights ill, fd_filestat_get ii, fd_filestat_set_size il,
    fd_filestat_set_times illi, fd_pread iiili, fd_prestat_get ii, fd_prestat_dir_name iii,
    fd_pwrite iiili, fd_read iiii, fd_readdir iiili, fd_renumber ii, fd_seek ilii, fd_sync i,
    fd_tell ii, fd_write iiii, path_create_directory iii, path_filestat_get iiiii,
    path_filestat_set_times iiiilli, path_link iiiiiii, path_open iiiiillii, path_readlink iiiiii,
    path_remove_directory iii, path_rename iiiiii, path_symlink iiiii, path_unlink_file iii,
    poll_oneoff iiii, proc_raise i, sched_yield -, random_get ii, sock_accept iii, sock_recv iiiiii,
    sock_send iiiii, sock_shutdown ii";

fn entries(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.split(',').map(|entry| entry.trim().split_once(' ').unwrap())
}

fn parameters(shape: &str) -> String {
    let kinds: Vec<&str> = match shape.trim_end_matches('*').parse::<usize>() {
        Ok(count) => {
            let mut kinds = vec!["i32"; count];
            if shape.ends_with('*') {
                kinds[count - 1] = "i64";
            }
            kinds
        }
        Err(_) => {
            let kind = |letter| if letter == 'l' { "i64" } else { "i32" };
            shape.trim_matches('-').chars().map(kind).collect()
        }
    };
    match kinds.is_empty() {
        true => String::new(),
        false => format!("(param {})", kinds.join(" ")),
    }
}

fn import(of: &str, name: &str, shape: &str, result: &str) -> String {
    format!("(import \"{of}\" \"{name}\" (func {} {result}))\n", parameters(shape))
}

#[test]
fn everything_that_the_sdks_import_is_offered_in_each_version() {
    let one = "(result i32)";
    let mut imports: String =
        entries(ENV).map(|(name, shape)| import("env", name, shape, one)).collect();
    for of in ["wasi_snapshot_preview1", "wasi_unstable"] {
        imports.extend(entries(WASI).map(|(name, shape)| import(of, name, shape, one)));
        imports += &import(of, "proc_exit", "i", "");
    }
    imports += &import("env", "emscripten_notify_memory_growth", "i", "");
    imports += &import("env", "abort", "iiii", "");
    imports += &import("env", "seed", "-", "(result f64)");
    for version in ["0_1_0", "0_2_0", "0_2_1"] {
        let wat = module(&imports, "").replace("version_0_2_1", &format!("version_{version}"));
        stage().load(&wat).unwrap_or_else(|error| panic!("{version}: {error}"));
    }
}

#[test]
fn what_no_host_offers_is_named_and_nothing_else() {
    // Emscripten with exceptions and outside of its standalone mode, old gRPC calls of an SDK, other
    // vendors' functions, Go for browsers, imported memory.
    let imports = r#"
      (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
      (import "env" "__cxa_throw" (func (param i32 i32 i32)))
      (import "env" "emscripten_resize_heap" (func (param i32) (result i32)))
      (import "env" "proxy_grpc_stream" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_redis_call" (func (param i32 i32) (result i32)))
      (import "gojs" "runtime.wasmExit" (func (param i32)))
      (import "env" "table" (table 1 funcref))"#;
    let Err(LoadError::Imports { missing, .. }) = stage().load(&module(imports, "")) else {
        panic!("not refused");
    };
    let names: Vec<&str> =
        missing.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    let expected = [
        "env.__cxa_throw",
        "env.emscripten_resize_heap",
        "env.proxy_grpc_stream",
        "env.proxy_redis_call",
        "gojs.runtime.wasmExit",
        "env.table",
    ];
    assert_eq!(names, expected);
    assert!(missing[2].contains("wanted") && missing[5].contains("only functions"), "{missing:?}");
}

fn made(stage: &Stage, bytes: &[u8]) -> Chain {
    let mut config = PluginConfig::new("foreign", bytes);
    config.configuration = b"/closed".to_vec();
    Chain::new(vec![stage.host.load(config).unwrap()])
}

#[test]
fn modules_of_other_tool_chains_work() {
    for (name, bytes) in MADE {
        let stage = stage();
        let chain = made(&stage, bytes);
        for round in 0..50 {
            let mut request = Request::get("/open");
            let mut context = chain.begin();
            let verdict = context.on_request_headers(&mut request, true);
            assert_eq!(verdict, Verdict::Continue, "{name} {round}");
            assert!(request.header("x-foreign").is_some(), "{name}");
            request.answered(200);
            context.on_response_headers(&mut request, true);
            context.finish(&mut request);
        }
        let mut request = Request::get("/closed");
        let mut context = chain.begin();
        let verdict = context.on_request_headers(&mut request, true);
        let Verdict::Answer(answer) = verdict else { panic!("{name}: {verdict:?}") };
        assert_eq!((answer.status, &*answer.body), (503, &b"closed\n"[..]), "{name}");
        context.finish(&mut request);
        let plugin = &stage.host.plugins()[0];
        assert_eq!((plugin.streams, stage.host.failures()), (0, 0), "{name}: {plugin:?}");
        let found = conform(bytes, b"/closed").unwrap();
        assert!(found.is_sound(), "{name}: {found:#?}");
    }
}

#[test]
fn a_module_without_any_callback_lets_everything_pass() {
    let stage = stage();
    let chain = stage.chain(&module("", ""));
    let mut request = Request::get("/");
    let mut context = chain.begin();
    assert_eq!(context.on_request_headers(&mut request, false), Verdict::Continue);
    assert_eq!(context.on_request_body(&mut request, true), Verdict::Continue);
    request.answered(200);
    assert_eq!(context.on_response_headers(&mut request, true), Verdict::Continue);
    context.finish(&mut request);
}

#[test]
fn every_way_in_is_taken_once_and_in_order() {
    let say = |n: u32| format!("(call $num (i32.const {n}))");
    let function =
        |name: &str, shape: &str, work: &str| format!("(func (export \"{name}\") {shape} {work})");
    let start = function("_start", "", &say(1));
    let initialize = function("_initialize", "", &say(2));
    let main =
        function("main", "(param i32 i32) (result i32)", &format!("{} (i32.const 0)", say(3)));
    let void = function("__main_void", "(result i32)", &format!("{} (i32.const 0)", say(4)));
    // A `main` of another shape is some function of the module's own.
    let other = function("main", "", &say(5));
    for (body, expected) in [
        (start.clone(), &["01"][..]),
        (start.clone() + &initialize, &["02"]),
        (initialize.clone() + &main + &start, &["02", "03"]),
        (initialize.clone() + &void, &["02", "04"]),
        (initialize.clone() + &main + &void, &["02", "03"]),
        (initialize + &other, &["02"]),
        (main + &void, &[]),
    ] {
        let stage = stage();
        stage.load(&module("", &body)).unwrap();
        let lines = stage.lines.all();
        assert_eq!(&lines[..expected.len()], expected, "{body}");
    }
}

#[test]
fn a_command_may_end_by_itself() {
    let exit = |code: u32| {
        let import = "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))";
        let body =
            format!("(func (export \"_start\") (call $exit (i32.const {code})) unreachable)");
        stage().load(&module(import, &body)).map(drop)
    };
    exit(0).unwrap();
    let error = exit(3).unwrap_err().to_string();
    assert!(error.contains("_start") && error.contains("proc_exit(3)"), "{error}");
}

#[test]
fn an_abort_tells_its_place() {
    let import = "(import \"env\" \"abort\" (func $abort (param i32 i32 i32 i32)))";
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $abort (i32.const 0) (i32.const 0) (i32.const 17) (i32.const 4)) (i32.const 0))"#;
    let stage = stage();
    let chain = stage.chain(&module(import, body));
    let mut request = Request::get("/");
    assert_eq!(chain.begin().on_request_headers(&mut request, true), Verdict::Continue);
    let last = stage.host.plugins()[0].last_trap.clone().unwrap();
    assert!(last.contains("aborted at 17:4"), "{last}");
}
