//! The disk, on real disks: what is read, what is written where, and what is refused.
#![cfg(unix)]

mod full;
mod helpers;
mod hostile;
mod race;
mod sink;
mod source;
mod walk;
