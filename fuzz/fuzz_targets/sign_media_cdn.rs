#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_sign::fuzz::format("media-cdn", data));
