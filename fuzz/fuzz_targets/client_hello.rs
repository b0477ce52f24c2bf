#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_tls::fuzz::client_hello(data));
