//! Whom a listener lets in: holders of its ticket, keys on its list, and whoever knows the code it shows.
//!
//! Nothing here tells a stranger anything: each refusal looks like a wrong secret.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use hawser_protocol::handshake::{Claim, KNOWN_PSK};
use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::{Ticket, TicketId, TicketSecret};
use zeroize::Zeroizing;

use crate::Error;
use crate::ledger::{Book, Ledger};
use crate::opening::random;
use crate::quota::{Amount, Quota};
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
    /// Peers that have come with it, told apart by their keys.
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
    state: Mutex<State>,
}

struct State {
    ticket: Ticket,
    psk: Zeroizing<[u8; 32]>,
    id: TicketId,
    /// When it ends, by a clock that nobody sets.
    ends: Option<Instant>,
    /// Who has come with it.
    users: HashSet<PublicKey>,
    quota: Arc<Quota>,
    /// Tickets of those who came by a code, to come again with.
    returns: HashMap<TicketId, (Zeroizing<[u8; 32]>, PublicKey)>,
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
        let state = State::new(ticket, limits, known, book.as_ref());
        if !is_new && state.ends.is_some_and(|ends| ends <= Instant::now()) {
            return Err(Error::InvalidOption("the ticket to keep has expired".into()));
        }
        if !is_new && limits.lifetime.is_some() && state.ticket.expires().is_none() {
            let text = "the ticket to keep was made without an end, and its holders would not know of one";
            return Err(Error::InvalidOption(text.into()));
        }
        let allowed = allowed.into_iter().collect();
        Ok(Self { limits, allowed, ledger: book, state: Mutex::new(state) })
    }

    /// What the holder of the ticket needs.
    pub fn ticket(&self) -> Ticket {
        self.state().ticket.clone()
    }

    /// How much it was used.
    pub fn ticket_use(&self) -> TicketUse {
        let state = self.state();
        let Amount { bytes, entries } = state.quota.come();
        TicketUse { peers: state.users.len(), bytes, entries }
    }

    /// Makes another ticket in place of this one, which lets nobody in any more, not even those who have come
    /// with it before.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no random numbers; those of the ledger, and then the old ticket
    /// is dead all the same.
    pub fn revoke(&self) -> Result<Ticket, Error> {
        let secret = TicketSecret::new(random()?);
        let mut state = self.state();
        let old = &state.ticket;
        let (hosts, port) = (old.addresses().to_vec(), old.port());
        let ticket = Ticket::new(hosts, port, old.key(), secret, old.permits()).map_err(Error::Ticket)?;
        let ledger = Ledger::new(ticket.secret().id());
        *state = State::new(self.limits.stamp(ticket), self.limits, ledger.clone(), self.ledger.as_ref());
        if let Some(book) = &self.ledger {
            book.replace(ledger).map_err(|error| Error::disk("write the ledger", book.path(), &error))?;
        }
        Ok(state.ticket.clone())
    }

    /// Whether letting somebody in takes a disk.
    pub fn is_durable(&self) -> bool {
        self.ledger.is_some()
    }

    /// The key that proves a claim, if it can be proven.
    pub fn psk(&self, claim: Claim) -> Option<Zeroizing<[u8; 32]>> {
        match claim {
            Claim::Known => (!self.allowed.is_empty()).then(|| Zeroizing::new(KNOWN_PSK)),
            Claim::Ticket(id) => {
                let state = self.state();
                if id == state.id {
                    Some(state.psk.clone())
                } else {
                    state.returns.get(&id).map(|(psk, _)| psk.clone())
                }
            }
        }
    }

    /// Whether whoever has proven a claim, and that it is `peer`, may come in, and how much it may bring. A first
    /// use of the ticket is on disk before this says so.
    pub fn admit(&self, claim: Claim, peer: PublicKey) -> Option<Arc<Quota>> {
        let mut state = self.state();
        let Claim::Ticket(id) = claim else {
            return self.allowed.contains(&peer).then(Quota::unlimited);
        };
        if id != state.id {
            let (_, owner) = state.returns.get(&id)?;
            return (*owner == peer).then(|| state.quota.clone());
        }
        if !state.users.contains(&peer) {
            let is_over = state.ends.is_some_and(|ends| ends <= Instant::now());
            let is_used_up = self.limits.uses.is_some_and(|uses| state.users.len() >= uses as usize);
            if is_over || is_used_up || state.users.len() >= MAX_USERS {
                return None;
            }
            state.users.insert(peer);
            if self.keep(&state.users).is_err() {
                state.users.remove(&peer);
                return None;
            }
        }
        Some(state.quota.clone())
    }

    /// Lets somebody who came by a code come again.
    pub fn expect_again(&self, ticket: &TicketSecret, peer: PublicKey) -> Arc<Quota> {
        let mut state = self.state();
        state.returns.insert(ticket.id(), (ticket.psk(), peer));
        state.quota.clone()
    }

    /// Nobody comes any more.
    pub fn close(&self) {
        self.ledger.iter().for_each(|book| book.close());
    }

    /// A session is over: what it brought is written down. Where that fails, the ledger says more than that.
    pub fn settle(&self) {
        let quota = self.state().quota.clone();
        let _ = quota.settle();
    }

    fn keep(&self, users: &HashSet<PublicKey>) -> io::Result<()> {
        let Some(book) = &self.ledger else { return Ok(()) };
        let mut users: Vec<_> = users.iter().copied().collect();
        users.sort();
        book.change(|ledger| ledger.users = users)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Keys that are remembered to have used a ticket without a limit to its uses: beyond, nobody new comes in.
const MAX_USERS: usize = 100_000;

impl State {
    fn new(ticket: Ticket, limits: TicketLimits, known: Ledger, book: Option<&Arc<Book>>) -> Self {
        let left = ticket.expires().map(|at| {
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at));
            at.and_then(|at| at.duration_since(SystemTime::now()).ok()).unwrap_or_default()
        });
        Self {
            psk: ticket.secret().psk(),
            id: known.ticket,
            ticket,
            // So far away that no clock shows it is never.
            ends: left.and_then(|left| Instant::now().checked_add(left)),
            users: known.users.into_iter().collect(),
            quota: Arc::new(Quota::new(limits, known.used, book.map(|book| (book.clone(), known.ticket)))),
            returns: HashMap::new(),
        }
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
