#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_http::fuzz::proxy_protocol(data));
