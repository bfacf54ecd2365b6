#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hawser_fuzz_bodies::run("ledger", input));
