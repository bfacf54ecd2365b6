//! Tickets, handshake and records from the outside: behaviour, published vectors, and our own vectors in
//! docs/vectors.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

mod handshake;
mod impersonation;
mod meeting;
mod published;
mod records;
mod spoken;
mod ticket;
mod vectors;
