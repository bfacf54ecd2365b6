//! Who is known, and who this side is, for JavaScript.

use hawser_engine::peers::{Address, KnownPeer, KnownPeers, KnownPeersFile, Remembered};
use hawser_engine::{Error, PublicKey, Ticket};
use napi::bindgen_prelude::{Either, Null, Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;

use crate::NativeFailure;
use crate::options::{parse_host, path, private_key, public_key};
use crate::promise::promise;

/// A key as people and programs compare it.
#[napi(object)]
pub struct NativeKey {
    /// In base32.
    pub public_key: String,
    pub fingerprint: String,
    /// The fingerprint, for the ear.
    pub words: String,
}

impl From<PublicKey> for NativeKey {
    fn from(key: PublicKey) -> Self {
        Self { public_key: key.to_string(), fingerprint: key.fingerprint(), words: key.words() }
    }
}

/// A peer that is known.
#[napi(object)]
pub struct NativeKnownPeer {
    pub key: NativeKey,
    pub name: String,
    /// Whether the user gave the name.
    pub named: bool,
    /// A day, such as "2026-11-22".
    pub last_seen: String,
    /// host:port
    pub address: Option<String>,
}

impl From<KnownPeer> for NativeKnownPeer {
    fn from(peer: KnownPeer) -> Self {
        let KnownPeer { key, name, is_named, seen, address } = peer;
        Self {
            key: key.into(),
            name: name.to_string(),
            named: is_named,
            last_seen: seen.to_string(),
            address: address.map(|address| address.to_string()),
        }
    }
}

/// A peer that is known now.
#[napi(object)]
pub struct NativeRemembered {
    pub peer: NativeKnownPeer,
    /// Whether it was not known before.
    pub is_new: bool,
}

impl From<Remembered> for NativeRemembered {
    fn from(Remembered { peer, is_new }: Remembered) -> Self {
        Self { peer: peer.into(), is_new }
    }
}

/// A peer that has proven its key.
#[napi(object)]
pub struct NativeSighting {
    /// In base32.
    pub public_key: String,
    pub label: String,
    /// Where it is: host:port.
    pub address: String,
    /// The ticket by which it was dialled, if it was.
    pub ticket: Option<String>,
    /// Where it was dialled, if that was without a ticket.
    pub host: Option<String>,
    pub port: Option<u16>,
}

/// The public half of an identity: the 32 bytes of an X25519 private key.
#[napi(catch_unwind)]
pub fn identify(key: Uint8Array) -> Either<NativeKey, NativeFailure> {
    match private_key(&key) {
        Ok(key) => Either::A(key.public().into()),
        Err(error) => Either::B(error.into()),
    }
}

/// Lists the peers in a file, whose path is bytes, as in NativeJob. Resolves with them, or with why not.
#[napi(ts_return_type = "Promise<Array<NativeKnownPeer> | NativeFailure>", catch_unwind)]
pub fn known_peers(env: &Env, file: Uint8Array) -> Result<Object<'_>> {
    let list = |finished| known(&file)?.later(KnownPeersFile::read, finished);
    let convert =
        |known: KnownPeers| known.sorted().into_iter().map(NativeKnownPeer::from).collect::<Vec<_>>();
    promise(env, list, convert)
}

/// Whether the keys that are known at a ticket's addresses are the ticket's. Resolves with null, or with why it is not to be
/// dialled.
#[napi(ts_return_type = "Promise<NativeFailure | null>", catch_unwind)]
pub fn check_ticket(env: &Env, file: Uint8Array, ticket: String) -> Result<Object<'_>> {
    let check = |finished| {
        let ticket: Ticket = ticket.parse().map_err(Error::Ticket)?;
        known(&file)?.later(move |file| file.check(&ticket), finished)
    };
    promise(env, check, |()| Null)
}

/// Remembers a peer. Resolves with it as it is known now, or with why it is not.
#[napi(ts_return_type = "Promise<NativeRemembered | NativeFailure>", catch_unwind)]
pub fn remember_peer(env: &Env, file: Uint8Array, sighting: NativeSighting) -> Result<Object<'_>> {
    let remember = |finished| {
        let NativeSighting { public_key: key, label, address, ticket, host, port } = sighting;
        let key = public_key(&key)?;
        let not_one = |_| Error::InvalidOption(format!("{address} is no IP address and port"));
        let reached = address.parse().map_err(not_one)?;
        let ticket: Option<Ticket> =
            ticket.map(|ticket| ticket.parse().map_err(Error::Ticket)).transpose()?;
        let dialled = match (ticket, host, port) {
            (Some(ticket), ..) => Address::that_led_to(Address::all_of(&ticket), reached),
            (None, Some(host), Some(port)) => {
                let dialled = Address { host: parse_host(&host)?, port };
                Address::that_led_to(std::iter::once(dialled), reached)
            }
            _ => None,
        };
        known(&file)?.later(move |file| file.remember(key, &label, dialled), finished)
    };
    promise(env, remember, NativeRemembered::from)
}

/// Gives a peer, found by name, fingerprint or key, a name of the user's choice. Resolves with it, or with why not.
#[napi(ts_return_type = "Promise<NativeKnownPeer | NativeFailure>", catch_unwind)]
pub fn name_peer(env: &Env, file: Uint8Array, peer: String, name: String) -> Result<Object<'_>> {
    let rename = |finished| known(&file)?.later(move |file| file.name(&peer, &name), finished);
    promise(env, rename, NativeKnownPeer::from)
}

/// Forgets a peer. Resolves with it as it was, or with why it is still known.
#[napi(ts_return_type = "Promise<NativeKnownPeer | NativeFailure>", catch_unwind)]
pub fn forget_peer(env: &Env, file: Uint8Array, peer: String) -> Result<Object<'_>> {
    let forget = |finished| known(&file)?.later(move |file| file.forget(&peer), finished);
    promise(env, forget, NativeKnownPeer::from)
}

fn known(file: &[u8]) -> std::result::Result<KnownPeersFile, Error> {
    path(file).map(KnownPeersFile::new)
}
