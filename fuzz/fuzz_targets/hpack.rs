#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_http2::fuzz::hpack(data));
