//! A peer that has the ticket and keeps to nothing else: what it says is sealed as it should be.
#![allow(dead_code, reason = "no test uses all of it")]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hawser_engine::{StaticKey, Ticket};
use hawser_protocol::cipher::{HEADER_LENGTH, Opener, Sealer, Side, TAG_LENGTH, record_length};
use hawser_protocol::frame::{self, FrameType, Frames, Header};
use hawser_protocol::handshake::{
    ACCEPT_LENGTH, Credential, Established, Initiator, InitiatorEntropy, Role, SECOND_LENGTH,
};
use hawser_protocol::hello::Hello;
use hawser_protocol::manifest::{Entry, EntryId, put_entry};
use hawser_protocol::message::{Close, CloseCode, Message};
use hawser_protocol::opening::{BUSY, Opening};

use super::PATIENCE;
use super::dialler::Dialled;

/// A session, from the side of a hostile peer.
pub struct Hostile {
    pub stream: TcpStream,
    sealer: Sealer,
    opener: Opener,
    number: u64,
    offered: u32,
}

impl Hostile {
    /// Has itself let in, on a connection that it has made; `None` when it is told to come again.
    pub fn enter(stream: TcpStream, ticket: &Ticket, key: u8) -> Option<Self> {
        Self::enter_as(Role::Source, stream, ticket, key)
    }

    /// The same for whatever it pretends to want.
    pub fn enter_as(role: Role, mut stream: TcpStream, ticket: &Ticket, key: u8) -> Option<Self> {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let random =
            |seed: u8| *blake3::hash(&[seed, key, stream.local_addr().unwrap().port() as u8]).as_bytes();
        let entropy = InitiatorEntropy { ephemeral: random(1), random: random(2), kem: [key; 64] };
        let credential = Credential::Ticket(ticket.secret().clone());
        let key = StaticKey::new([key; 32]);
        let (first, initiator) = Initiator::start(&key, ticket.key(), &credential, role, entropy).unwrap();
        stream.write_all(&[&Opening::Session.encode()[..], &first].concat()).unwrap();
        if read::<8>(&mut stream) == BUSY {
            return None;
        }
        let (third, initiator) = initiator.read_second(&read::<SECOND_LENGTH>(&mut stream)).unwrap();
        stream.write_all(&third).unwrap();
        let mut accept = read::<8>(&mut stream).to_vec();
        if accept == BUSY {
            return None;
        }
        accept.extend_from_slice(&read::<{ ACCEPT_LENGTH - 8 }>(&mut stream));
        let established = initiator.read_accept(&accept.try_into().unwrap()).unwrap();
        let Established { secret, session, first_lane, .. } = established;
        let (sealer, opener) = first_lane.into_ciphers(&secret, Side::Dialler);
        Some(Self::of(Dialled { stream, session, secret, sealer, opener }))
    }

    /// The same once it has been let in.
    pub fn of(Dialled { stream, sealer, opener, .. }: Dialled) -> Self {
        let mut peer = Self { stream, sealer, opener, number: 0, offered: 0 };
        peer.say(&[Message::Hello(Hello::named("mallory"))]).unwrap();
        peer
    }

    /// Sends one record with these frames.
    pub fn record(&mut self, frames: &[u8]) -> io::Result<()> {
        let record = self.sealed(frames);
        self.stream.write_all(&record)
    }

    /// One record with these frames, the next to be sent.
    pub fn sealed(&mut self, frames: &[u8]) -> Vec<u8> {
        let mut record = vec![0; HEADER_LENGTH];
        record.extend_from_slice(frames);
        record.extend_from_slice(&[0; TAG_LENGTH]);
        self.sealer.seal(&mut record).unwrap();
        record
    }

    /// Sends one record with these messages.
    pub fn say(&mut self, messages: &[Message]) -> io::Result<()> {
        let mut frames = Vec::new();
        for message in messages {
            frames.extend_from_slice(&message.encode(self.number));
            self.number += 1;
        }
        self.record(&frames)
    }

    /// Offers so many copies of an entry.
    pub fn offer(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut page = Vec::new();
        entries.iter().for_each(|entry| put_entry(&mut page, entry));
        let first = EntryId(self.offered + 1);
        self.offered += entries.len() as u32;
        self.say(&[Message::Manifest { first, items: Vec::new(), page }])
    }

    /// A DATA frame.
    pub fn data(entry: u32, offset: u64, bytes: &[u8]) -> Vec<u8> {
        frame::encode(FrameType::Data, EntryId(entry), offset, bytes)
    }

    /// The frames of the next record; `None` at the end of the connection.
    pub fn hear(&mut self) -> Option<Vec<(Header, Vec<u8>)>> {
        let mut header = [0; HEADER_LENGTH];
        self.stream.read_exact(&mut header).ok()?;
        let mut body = vec![0; record_length(header).unwrap()];
        self.stream.read_exact(&mut body).ok()?;
        let mut frames = Frames::new(self.opener.open(header, &mut body).unwrap());
        let mut heard = Vec::new();
        while let Some((header, payload)) = frames.next_frame().unwrap() {
            heard.push((header, payload.to_vec()));
        }
        Some(heard)
    }

    /// Listens until a record has something of this kind, and says what.
    pub fn hear_of(&mut self, kind: FrameType) -> Option<Vec<u8>> {
        loop {
            let mut frames = self.hear()?;
            frames.retain(|(header, _)| header.kind == kind);
            if !frames.is_empty() {
                return Some(frames.into_iter().flat_map(|(_, payload)| payload).collect());
            }
        }
    }

    /// Why the other side has ended the session.
    pub fn hear_of_end(&mut self) -> Option<CloseCode> {
        self.hear_of(FrameType::Close).map(|payload| Close::decode(&payload).unwrap().code)
    }
}

/// Writes that get nowhere for so long have been stopped by the other side.
pub const STOPPED: Duration = Duration::from_secs(3);

fn read<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}
