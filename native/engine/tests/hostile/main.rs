//! A sender that has the ticket and is an enemy, over a real connection, to a receiver that knows
//! nothing of that. Whatever it says: the rest of its session goes on or its session ends, nothing
//! outside the target is touched, and the next sender is served.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod names;
mod peer;
mod races;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod yard;
