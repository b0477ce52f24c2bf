//! Smoke run of the fuzz bodies: spoilt modules, and modules that call the host at random. Seeded, so
//! that a failure comes again.

use tidegate_wasm::fuzz;

use crate::world::module;

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.throw(length as u64)).unwrap()
    }
}

/// Host functions by their parameters, `l` for 64 bits.
const FUNCTIONS: [(&str, &str); 38] = [
    ("proxy_log", "iii"),
    ("proxy_get_log_level", "i"),
    ("proxy_get_current_time_nanoseconds", "i"),
    ("proxy_set_tick_period_milliseconds", "i"),
    ("proxy_set_effective_context", "i"),
    ("proxy_done", ""),
    ("proxy_continue_stream", "i"),
    ("proxy_close_stream", "i"),
    ("proxy_continue_request", ""),
    ("proxy_continue_response", ""),
    ("proxy_clear_route_cache", ""),
    ("proxy_send_local_response", "iiiiiiii"),
    ("proxy_get_configuration", "ii"),
    ("proxy_get_header_map_pairs", "iii"),
    ("proxy_set_header_map_pairs", "iii"),
    ("proxy_get_header_map_size", "ii"),
    ("proxy_get_header_map_value", "iiiii"),
    ("proxy_add_header_map_value", "iiiii"),
    ("proxy_replace_header_map_value", "iiiii"),
    ("proxy_remove_header_map_value", "iii"),
    ("proxy_get_buffer_bytes", "iiiii"),
    ("proxy_get_buffer_status", "iii"),
    ("proxy_set_buffer_bytes", "iiiii"),
    ("proxy_get_property", "iiii"),
    ("proxy_set_property", "iiii"),
    ("proxy_http_call", "iiiiiiiiii"),
    ("proxy_get_status", "iii"),
    ("proxy_get_shared_data", "iiiii"),
    ("proxy_set_shared_data", "iiiii"),
    ("proxy_register_shared_queue", "iii"),
    ("proxy_resolve_shared_queue", "iiiii"),
    ("proxy_enqueue_shared_queue", "iii"),
    ("proxy_dequeue_shared_queue", "iii"),
    ("proxy_define_metric", "iiii"),
    ("proxy_record_metric", "il"),
    ("proxy_increment_metric", "il"),
    ("proxy_get_metric", "ii"),
    ("proxy_call_foreign_function", "iiiiii"),
];

/// Numbers that are interesting as pointers, sizes and kinds.
const NUMBERS: [i64; 24] = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    64,
    99,
    1_024,
    1_030,
    1_040,
    2_048,
    65_535,
    65_536,
    131_071,
    131_072,
    0x7fff_ffff,
    -1,
    -2,
    -8,
    -131_072,
];

/// A text with names that the host knows, to be pointed into.
const TEXT: &str = r":path:methodx-newrequest\00pathsource\00addresstidegate_counttidegate_phases\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00";

fn random_module(dice: &mut Dice) -> String {
    let mut imports = String::new();
    for (name, parameters) in FUNCTIONS {
        let kinds: String =
            parameters.chars().map(|kind| if kind == 'l' { "i64 " } else { "i32 " }).collect();
        imports +=
            &format!("(import \"env\" \"{name}\" (func ${name} (param {kinds}) (result i32)))\n");
    }
    let mut body = format!("(data (i32.const 1024) \"{TEXT}\")\n");
    for (callback, shape) in [
        ("proxy_on_configure", "(param i32 i32) (result i32)"),
        ("proxy_on_context_create", "(param i32 i32)"),
        ("proxy_on_request_headers", "(param i32 i32 i32) (result i32)"),
        ("proxy_on_request_body", "(param i32 i32 i32) (result i32)"),
        ("proxy_on_response_headers", "(param i32 i32 i32) (result i32)"),
        ("proxy_on_response_body", "(param i32 i32 i32) (result i32)"),
        ("proxy_on_log", "(param i32)"),
        ("proxy_on_done", "(param i32) (result i32)"),
        ("proxy_on_delete", "(param i32)"),
    ] {
        body += &format!("(func (export \"{callback}\") {shape}\n");
        for _ in 0..dice.index(12) {
            body += &random_call(dice);
        }
        body += if shape.contains("result") { "(i32.const 1))\n" } else { ")\n" };
    }
    module(&imports, &body)
}

fn random_call(dice: &mut Dice) -> String {
    let (name, parameters) = FUNCTIONS[dice.index(FUNCTIONS.len())];
    let arguments: String = parameters
        .chars()
        .map(|kind| {
            let number = NUMBERS[dice.index(NUMBERS.len())];
            format!("({}.const {number}) ", if kind == 'l' { "i64" } else { "i32" })
        })
        .collect();
    format!("  (drop (call ${name} {arguments}))\n")
}

#[test]
fn random_host_calls_are_survived() {
    let mut dice = Dice(1);
    for _ in 0..60 {
        fuzz::module(&wat::parse_str(random_module(&mut dice)).unwrap());
    }
}

#[test]
fn spoilt_modules_are_survived() {
    let mut dice = Dice(2);
    let whole = wat::parse_str(random_module(&mut dice)).unwrap();
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..=dice.index(3) {
            let at = dice.index(bytes.len());
            bytes[at] = u8::try_from(dice.throw(256)).unwrap();
        }
        if dice.throw(8) == 0 {
            bytes.truncate(dice.index(bytes.len()));
        }
        fuzz::module(&bytes);
    }
}
