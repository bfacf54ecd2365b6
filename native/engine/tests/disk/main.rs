//! The disk, on real disks: what is read, what is written where, and what is refused.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod claim;
#[cfg(target_os = "linux")]
mod cold;
mod compare;
mod deep;
mod full;
mod helpers;
mod hostile;
mod kept;
mod leftover;
mod race;
mod record;
mod resume;
mod resuming;
mod sink;
mod source;
mod taken;
mod verify;
mod walk;
