//! A sender that has a ticket and skips every check: what it says is put together byte by byte.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use hawser_engine::{Reason, StaticKey, Ticket};
use hawser_protocol::cipher::{HEADER_LENGTH, Opener, Sealer, Side, TAG_LENGTH, record_length};
use hawser_protocol::error::ContentHash;
use hawser_protocol::frame::{self, FrameType, Frames};
use hawser_protocol::handshake::{
    ACCEPT_LENGTH, Credential, Initiator, InitiatorEntropy, Role, SECOND_LENGTH,
};
use hawser_protocol::hello::Hello;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::{Close, CloseCode, Message, Placed, Summary};
use hawser_protocol::opening::Opening;
use hawser_protocol::sender::end_frame;

use crate::support::PATIENCE;

/// What became of an entry.
pub type Fate = Result<Placed, Reason>;

pub const ROOT: u32 = 0;
pub const FILE: u8 = 1;
pub const FOLDER: u8 = 2;
pub const LINK: u8 = 3;

/// An entry as its bytes are, true or not.
pub struct Raw<'a> {
    pub tag: u8,
    pub parent: u32,
    pub name: &'a [u8],
    pub mode: u16,
    pub seconds: i64,
    /// What only its kind has: a size, or a target with its length.
    pub rest: Vec<u8>,
}

impl<'a> Raw<'a> {
    pub fn file(parent: u32, name: &'a [u8], size: usize) -> Self {
        let rest = (size as u64).to_be_bytes().to_vec();
        Self { tag: FILE, parent, name, mode: 0o644, seconds: 1_600_000_000, rest }
    }

    pub fn folder(parent: u32, name: &'a [u8]) -> Self {
        Self { tag: FOLDER, mode: 0o755, rest: Vec::new(), ..Self::file(parent, name, 0) }
    }

    pub fn link(parent: u32, name: &'a [u8], target: &[u8]) -> Self {
        let rest = [&(target.len() as u16).to_be_bytes()[..], target].concat();
        Self { tag: LINK, mode: 0o777, rest, ..Self::file(parent, name, 0) }
    }

    fn encode(&self) -> Vec<u8> {
        let mut item = vec![self.tag];
        item.extend(self.parent.to_be_bytes());
        item.extend((self.name.len() as u16).to_be_bytes());
        item.extend(self.name);
        item.extend(self.mode.to_be_bytes());
        item.extend(self.seconds.to_be_bytes());
        item.extend(0_u32.to_be_bytes());
        item.extend(&self.rest);
        item
    }
}

pub struct Hostile {
    stream: TcpStream,
    sealer: Sealer,
    opener: Opener,
    /// Of the next control frame.
    number: u64,
    entries: u32,
    manifest: Vec<u8>,
    /// What to send when it is asked for.
    contents: BTreeMap<u32, Vec<u8>>,
    fates: BTreeMap<u32, Fate>,
    done: bool,
    closed: Option<Close>,
}

impl Hostile {
    /// Goes through the handshake, as everybody has to, and says hello.
    pub fn meet(ticket: &Ticket) -> Self {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, ticket.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let entropy = InitiatorEntropy { ephemeral: [1; 32], random: [2; 32], kem: [4; 64] };
        let key = StaticKey::new([3; 32]);
        let (first, initiator) = Initiator::start(
            &key,
            ticket.key(),
            &Credential::Ticket(ticket.secret().clone()),
            Role::Source,
            entropy,
        )
        .unwrap();
        stream.write_all(&[&Opening::Session.encode()[..], &first].concat()).unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        let mut second = [0; SECOND_LENGTH];
        stream.read_exact(&mut second).unwrap();
        let (third, initiator) = initiator.read_second(&second).unwrap();
        stream.write_all(&third).unwrap();
        let mut accept = [0; ACCEPT_LENGTH];
        stream.read_exact(&mut accept).unwrap();
        let established = initiator.read_accept(&accept).unwrap();
        let (sealer, opener) = established.first_lane.into_ciphers(&established.secret, Side::Dialler);
        let mut peer = Self {
            stream,
            sealer,
            opener,
            number: 0,
            entries: 0,
            manifest: Vec::new(),
            contents: BTreeMap::new(),
            fates: BTreeMap::new(),
            done: false,
            closed: None,
        };
        peer.message(&Message::Hello(Hello::named("mallory")));
        peer
    }

    /// Offers an entry. Its number.
    pub fn offer(&mut self, entry: &Raw<'_>) -> u32 {
        self.offer_all(std::slice::from_ref(entry))
    }

    /// Offers entries on one page. The number of the first.
    pub fn offer_all(&mut self, entries: &[Raw<'_>]) -> u32 {
        let first = self.entries + 1;
        let page: Vec<u8> = entries.iter().flat_map(Raw::encode).collect();
        self.entries += entries.len() as u32;
        self.page(first, page);
        first
    }

    /// Offers a file, and sends it if it is asked for. Its number.
    pub fn send(&mut self, parent: u32, name: &[u8], content: &[u8]) -> u32 {
        self.contents.insert(self.entries + 1, content.to_vec());
        self.offer(&Raw::file(parent, name, content.len()))
    }

    /// Says that nothing more comes in a folder.
    pub fn leave(&mut self, folder: u32) {
        self.page(self.entries + 1, [&[0][..], &folder.to_be_bytes()].concat());
    }

    /// Sends any bytes as a page.
    pub fn page(&mut self, first: u32, page: Vec<u8>) {
        self.manifest.extend_from_slice(&page);
        self.message(&Message::Manifest { first: EntryId(first), items: Vec::new(), page });
    }

    /// Sends a file that nobody may have asked for.
    pub fn deliver(&mut self, id: u32, content: &[u8]) {
        let mut frames = Vec::new();
        if !content.is_empty() {
            frames = frame::encode(FrameType::Data, EntryId(id), 0, content);
        }
        frames.extend(end_frame(EntryId(id), ContentHash(*blake3::hash(content).as_bytes())));
        self.frames(&frames);
    }

    /// Deals with what comes until `id` is settled. What became of it.
    pub fn fate(&mut self, id: u32) -> Fate {
        self.listen_until(|peer| peer.fates.contains_key(&id));
        let closed = &self.closed;
        self.fates.get(&id).cloned().unwrap_or_else(|| panic!("#{id} was not settled: {closed:?}"))
    }

    /// Ends the manifest in order, and the session. What became of each entry.
    pub fn finish(mut self) -> BTreeMap<u32, Fate> {
        let manifest = ContentHash(*blake3::hash(&self.manifest).as_bytes());
        self.message(&Message::ManifestEnd(Summary { entries: self.entries, manifest }));
        self.listen_until(|peer| peer.done);
        assert!(self.done, "the sink ended the session: {:?}", self.closed);
        self.frames(&Close { code: CloseCode::Done, text: String::new() }.encode());
        self.listen_until(|_| false);
        self.fates
    }

    /// How the other side ends the session.
    pub fn closed(mut self) -> CloseCode {
        self.listen_until(|_| false);
        self.closed.expect("it ended without a word").code
    }

    fn message(&mut self, message: &Message) {
        self.frames(&message.encode(self.number));
        self.number += 1;
    }

    /// Sends these in one record. The other side may have had enough of us by now.
    fn frames(&mut self, frames: &[u8]) {
        let mut record = vec![0; HEADER_LENGTH];
        record.extend_from_slice(frames);
        record.extend([0; TAG_LENGTH]);
        self.sealer.seal(&mut record).unwrap();
        let _ = self.stream.write_all(&record);
    }

    /// Deals with what comes until `enough`, or until the end.
    fn listen_until(&mut self, enough: impl Fn(&Self) -> bool) {
        while !enough(self) && self.closed.is_none() {
            let mut header = [0; HEADER_LENGTH];
            if self.stream.read_exact(&mut header).is_err() {
                return;
            }
            let mut body = vec![0; record_length(header).unwrap()];
            self.stream.read_exact(&mut body).unwrap();
            let plaintext = self.opener.open(header, &mut body).unwrap().to_vec();
            let mut frames = Frames::new(&plaintext);
            while let Some((header, payload)) = frames.next_frame().unwrap() {
                match header.kind {
                    FrameType::Close => self.closed = Some(Close::decode(payload).unwrap()),
                    FrameType::Ack | FrameType::Ping => {}
                    _ => self.hear(Message::decode(header, payload).unwrap()),
                }
            }
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Want(ids) => {
                for id in ids {
                    if let Some(content) = self.contents.get(&id.0).cloned() {
                        self.deliver(id.0, &content);
                    }
                }
            }
            Message::Committed(entries) => {
                self.fates.extend(entries.into_iter().map(|(id, placed)| (id.0, Ok(placed))));
            }
            Message::Failed(entries) => {
                self.fates.extend(entries.into_iter().map(|(id, reason)| (id.0, Err(reason))));
            }
            Message::SessionOk(_) => self.done = true,
            _ => {}
        }
    }
}
