//! Whom a listener lets in: holders of its ticket, keys on its list, and whoever knows the code it shows.
//!
//! Nothing here tells a stranger anything: each refusal looks like a wrong secret.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hawser_protocol::handshake::{Claim, KNOWN_PSK};
use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::{Ticket, TicketId, TicketSecret};
use zeroize::Zeroizing;

use crate::Error;
use crate::deadline::Deadline;
use crate::ledger::{Book, Ledger};
use crate::opening::random;
use crate::quota::{Amount, Quota};
use crate::returns::Returns;
use crate::transfer::lock;

/// Up to where a ticket goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketLimits {
    /// For how long after it was made somebody new may come with it; `None`: as long as there is a listener.
    pub lifetime: Option<Duration>,
    /// How many may come with it, told apart by their keys. Whoever has come may come again.
    pub uses: Option<u32>,
    /// Bytes of files that all of them together may bring.
    pub bytes: Option<u64>,
    /// Files, folders and links that all of them together may bring; a file that was begun counts once.
    pub entries: Option<u64>,
}

/// How much of its limits a ticket has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketUse {
    /// Peers that have come with it, told apart by their keys; counted where its uses or its time are limited.
    pub peers: usize,
    /// Bytes of files that they have brought.
    pub bytes: u64,
    /// Files, folders and links that they have brought, and that were new here, or begun and kept.
    pub entries: u64,
}

/// Who is let in.
pub(crate) struct Admission {
    limits: TicketLimits,
    /// Keys that need no ticket.
    allowed: HashSet<PublicKey>,
    /// Where to remember who has used the ticket.
    ledger: Option<Arc<Book>>,
    /// Locked for longer than a moment, since it is written down. Taken before `keys`.
    users: Mutex<Users>,
    keys: Mutex<Keys>,
}

/// Who has come with a ticket.
struct Users {
    ticket: TicketId,
    known: HashSet<PublicKey>,
}

/// What lets in.
struct Keys {
    ticket: Ticket,
    psk: Zeroizing<[u8; 32]>,
    id: TicketId,
    ends: Option<Deadline>,
    quota: Arc<Quota>,
    returns: Returns,
}

impl Admission {
    /// For `ticket`, which is new, or one of an earlier listener, whose users are in the ledger.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when it has expired; those of the ledger.
    pub fn new(
        ticket: Ticket,
        is_new: bool,
        limits: TicketLimits,
        allowed: Vec<PublicKey>,
        ledger: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let ticket = if is_new { limits.stamp(ticket) } else { ticket };
        let id = ticket.secret().id();
        let mut known = Ledger::new(id);
        // Before anybody comes: that it cannot be written would turn all of them away.
        let book = match ledger {
            None => None,
            Some(path) => {
                let shown = path.display().to_string();
                Some(Book::begin(path, |found| {
                    match found.filter(|ledger| ledger.ticket == id) {
                        Some(ledger) => known = ledger,
                        // Who has used it is not known: as good as everybody.
                        None if !is_new => return Err(Error::NoLedger { path: shown }),
                        None => {}
                    }
                    Ok(known.clone())
                })?)
            }
        };
        let keys = Keys::new(ticket, limits, known.used, book.as_ref());
        if !is_new && keys.ends.is_some_and(|ends| ends.is_over()) {
            return Err(Error::InvalidOption("the ticket to keep has expired".into()));
        }
        if !is_new && limits.lifetime.is_some() && keys.ticket.expires().is_none() {
            let text = "the ticket to keep was made without an end, and its holders would not know of one";
            return Err(Error::InvalidOption(text.into()));
        }
        let allowed = allowed.into_iter().collect();
        let users = Mutex::new(Users { ticket: id, known: known.users.into_iter().collect() });
        Ok(Self { limits, allowed, ledger: book, users, keys: Mutex::new(keys) })
    }

    /// What the holder of the ticket needs.
    pub fn ticket(&self) -> Ticket {
        lock(&self.keys).ticket.clone()
    }

    /// How much it was used.
    pub fn ticket_use(&self) -> TicketUse {
        let peers = lock(&self.users).known.len();
        let Amount { bytes, entries } = lock(&self.keys).quota.come();
        TicketUse { peers, bytes, entries }
    }

    /// Makes another ticket in place of this one, which lets nobody in any more, not even those who have come
    /// with it before.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no random numbers; those of the ledger, and then the old ticket
    /// is dead all the same.
    pub fn revoke(&self) -> Result<Ticket, Error> {
        let secret = TicketSecret::new(random()?);
        let mut users = lock(&self.users);
        let mut keys = lock(&self.keys);
        let old = &keys.ticket;
        let (hosts, port) = (old.addresses().to_vec(), old.port());
        let ticket = Ticket::new(hosts, port, old.key(), secret, old.permits()).map_err(Error::Ticket)?;
        *keys = Keys::new(self.limits.stamp(ticket), self.limits, Amount::default(), self.ledger.as_ref());
        let (id, ticket) = (keys.id, keys.ticket.clone());
        drop(keys);
        *users = Users { ticket: id, known: HashSet::new() };
        if let Some(book) = &self.ledger {
            let written = book.replace(Ledger::new(id));
            written.map_err(|error| Error::disk("write the ledger", book.path(), &error))?;
        }
        Ok(ticket)
    }

    /// Whether some keys need no ticket.
    pub fn allows_some(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Whether this one is among them.
    pub fn is_allowed(&self, peer: PublicKey) -> bool {
        self.allowed.contains(&peer)
    }

    /// Whether letting somebody in takes a disk.
    pub fn is_durable(&self) -> bool {
        self.ledger.is_some()
    }

    /// The key that proves a claim, if it can be proven.
    pub fn psk(&self, claim: Claim) -> Option<Zeroizing<[u8; 32]>> {
        match claim {
            Claim::Known => self.allows_some().then(|| Zeroizing::new(KNOWN_PSK)),
            Claim::Ticket(id) => {
                let keys = lock(&self.keys);
                if id == keys.id { Some(keys.psk.clone()) } else { keys.returns.psk(id) }
            }
        }
    }

    /// Whether whoever has proven a claim, and that it is `peer`, may come in, and how much it may bring. A first
    /// use of the ticket is on disk before this says so.
    pub fn admit(&self, claim: Claim, peer: PublicKey) -> Option<Arc<Quota>> {
        let Claim::Ticket(id) = claim else {
            return self.is_allowed(peer).then(Quota::unlimited);
        };
        let keys = lock(&self.keys);
        let (quota, ends) = (keys.quota.clone(), keys.ends);
        if id != keys.id {
            return keys.returns.is_of(id, peer).then_some(quota);
        }
        drop(keys);
        if self.limits.uses.is_none() && ends.is_none() {
            return Some(quota);
        }
        let mut users = lock(&self.users);
        if users.ticket != id {
            // It was revoked just now.
            return None;
        }
        if !users.known.contains(&peer) {
            let is_over = ends.is_some_and(|ends| ends.is_over());
            let is_used_up = self.limits.uses.is_some_and(|uses| users.known.len() >= uses as usize);
            if is_over || is_used_up || users.known.len() >= MAX_USERS {
                return None;
            }
            users.known.insert(peer);
            if self.keep(&users).is_err() {
                users.known.remove(&peer);
                return None;
            }
        }
        Some(quota)
    }

    /// Lets somebody who came by a code come again. What it claims then, and how much it may bring.
    pub fn expect_again(&self, ticket: &TicketSecret, peer: PublicKey) -> (Claim, Arc<Quota>) {
        let mut keys = lock(&self.keys);
        keys.returns.expect(ticket, peer);
        (Claim::Ticket(ticket.id()), keys.quota.clone())
    }

    /// A session begins of somebody who came with `claim`, or who will.
    pub fn begin(&self, claim: Claim) {
        if let Claim::Ticket(id) = claim {
            lock(&self.keys).returns.begin(id);
        }
    }

    /// Such a session is over, cut off or not: what it brought is written down. Where that fails, the ledger says more
    /// than that.
    pub fn end(&self, claim: Claim, is_cut_off: bool) {
        let mut keys = lock(&self.keys);
        if let Claim::Ticket(id) = claim {
            keys.returns.end(id, is_cut_off);
        }
        let quota = keys.quota.clone();
        drop(keys);
        let _ = quota.settle();
    }

    /// Nobody comes any more.
    pub fn close(&self) {
        self.ledger.iter().for_each(|book| book.close());
    }

    fn keep(&self, users: &Users) -> io::Result<()> {
        let Some(book) = &self.ledger else { return Ok(()) };
        let mut known: Vec<_> = users.known.iter().copied().collect();
        known.sort();
        book.change(|ledger| ledger.users = known)
    }
}

/// Keys that are remembered to have used a ticket that has limits: beyond, nobody new comes in.
const MAX_USERS: usize = 100_000;

impl Keys {
    fn new(ticket: Ticket, limits: TicketLimits, used: Amount, book: Option<&Arc<Book>>) -> Self {
        let id = ticket.secret().id();
        let ends = ticket.expires().and_then(Deadline::at_unix);
        let quota = Arc::new(Quota::new(limits, used, book.map(|book| (book.clone(), id))));
        Self { psk: ticket.secret().psk(), id, ticket, ends, quota, returns: Returns::default() }
    }
}

impl TicketLimits {
    /// A new ticket, with a word to its holder about when it ends.
    fn stamp(&self, ticket: Ticket) -> Ticket {
        let ends = self.lifetime.and_then(|lifetime| SystemTime::now().checked_add(lifetime));
        let at = ends.and_then(|ends| ends.duration_since(SystemTime::UNIX_EPOCH).ok());
        ticket.expiring(at.map(|at| at.as_secs()))
    }
}
