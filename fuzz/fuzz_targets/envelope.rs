//! Bytes in, `tests::fuzzed::envelope` called: what must hold is written there.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| tests::fuzzed::envelope(data));
