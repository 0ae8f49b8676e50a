#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| underpass_testkit::fuzz::run("tunnel_frames", bytes));
