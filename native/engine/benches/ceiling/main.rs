//! The most that hawser could reach on this machine: the same bytes, the same cipher and the same hash between
//! the same two sockets, and nothing else. No manifest, no acknowledgement, no second file.
//!
//! `cargo bench -p hawser-engine --bench ceiling` makes a file of 1 GiB and prints a line of JSON for each variant
//! and number of lanes. Options, each with a value:
//!
//! - `--file PATH`: send this file instead
//! - `--size MIB`: size of the file to make (1024)
//! - `--to FOLDER`: where to write (the folder for temporary files)
//! - `--variants LIST`: of `copy` (read and write, no network), `plain`, `sealed`, `hashed` (sealed, and BLAKE3 at
//!   both ends)
//! - `--lanes LIST`: numbers of connections (1,2,4)
//! - `--write cached|direct`: through the page cache, or past it into preallocated space (cached)
#![allow(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

#[cfg(target_os = "linux")]
mod ends;
#[allow(dead_code, reason = "the protocol's tests use all of it")]
#[cfg(target_os = "linux")]
#[path = "../../../protocol/tests/crypto/meeting.rs"]
mod meeting;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod record;
#[cfg(target_os = "linux")]
mod run;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the ceiling is measured on Linux only");
}
