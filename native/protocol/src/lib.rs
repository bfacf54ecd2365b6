//! The hawser wire protocol, version 1, as docs/protocol.md specifies it.
//!
//! No I/O happens here: the crate is `no_std`, so no socket, file or clock can be named in it, and
//! time and randomness are arguments. It is the only code that interprets bytes from a peer, and
//! it never panics on them.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_lossless,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod answers;
mod bytes;
pub mod cipher;
pub mod code;
mod cpace;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod hello;
pub mod identity;
mod incoming;
pub mod join;
mod kdf;
mod kem;
mod lane;
pub mod limits;
pub mod link;
pub mod manifest;
pub mod message;
mod noise;
mod offered;
pub mod opening;
mod outbox;
mod outgoing;
pub mod ranges;
pub mod receiver;
mod schedule;
pub mod sender;
pub mod ticket;
mod unsettled;
mod wire;
pub mod words;
