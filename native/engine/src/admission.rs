//! Whom a listener lets in: holders of its ticket, keys on its list, and whoever knows the code it shows.
//!
//! Nothing here tells a stranger anything: each refusal looks like a wrong secret.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hawser_protocol::handshake::{Claim, KNOWN_PSK};
use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::{Ticket, TicketId, TicketSecret};
use zeroize::Zeroizing;

use crate::Error;
use crate::book::{Book, Keeper};
use crate::deadline::Deadline;
use crate::ledger::Ledger;
use crate::opening::random;
use crate::quota::{Amount, Quota};
use crate::refusals::RefusedFor;
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
    /// Peers that have come with it, told apart by their keys, 100,000 at most; counted where its uses or its time are
    /// limited, or where there is a ledger.
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
    /// Never locked while anybody waits for a disk.
    state: Mutex<State>,
}

/// What lets in, and whom it has let in.
struct State {
    ticket: Ticket,
    psk: Zeroizing<[u8; 32]>,
    id: TicketId,
    ends: Option<Deadline>,
    quota: Arc<Quota>,
    /// Who has come with it.
    users: HashSet<PublicKey>,
    /// Who comes for the first time and is being written down, on so many connections. They count.
    arriving: HashMap<PublicKey, u32>,
    returns: Returns,
}

/// Whoever may come in.
pub(crate) enum Entry {
    /// At once, and may bring so much.
    Open(Arc<Quota>),
    /// When [`Admission::write_down`] has written down that this is its first time.
    First(FirstUse),
}

/// A first use of a ticket. It counts already.
pub(crate) struct FirstUse {
    ticket: TicketId,
    peer: PublicKey,
    quota: Arc<Quota>,
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
        if !is_new && state.ends.is_some_and(|ends| ends.is_over()) {
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
        lock(&self.state).ticket.clone()
    }

    /// How much it was used.
    pub fn ticket_use(&self) -> TicketUse {
        let state = lock(&self.state);
        let Amount { bytes, entries } = state.quota.come();
        TicketUse { peers: state.users.len(), bytes, entries }
    }

    /// Makes another ticket in place of this one, which lets nobody in any more, not even those who have come
    /// with it before. Calls `written` once with it, when the ledger is that of the new one, from whatever thread.
    ///
    /// # Errors
    /// Those that `written` is called with: [`Error::Internal`] when the system has no random numbers; those of the
    /// ledger, and then the old ticket is dead all the same.
    pub fn revoke(&self, written: impl FnOnce(Result<Ticket, Error>) + Send + 'static) {
        let mut state = lock(&self.state);
        let ticket = match state.successor() {
            Ok(ticket) => self.limits.stamp(ticket),
            Err(error) => {
                drop(state);
                return written(Err(error));
            }
        };
        let unused = Ledger::new(ticket.secret().id());
        *state = State::new(ticket.clone(), self.limits, unused.clone(), self.ledger.as_ref());
        let Some(book) = &self.ledger else {
            drop(state);
            return written(Ok(ticket));
        };
        // Before anything is written about the new one.
        let path = book.path().to_owned();
        book.later(move |keeper| {
            let failed = |error| Error::disk("write the ledger", &path, &error);
            written(keeper.replace(unused).map(|()| ticket).map_err(failed));
        });
    }

    /// Whether some keys need no ticket.
    pub fn allows_some(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Whether this one is among them.
    pub fn is_allowed(&self, peer: PublicKey) -> bool {
        self.allowed.contains(&peer)
    }

    /// The key that proves a claim, if it can be proven.
    pub fn psk(&self, claim: Claim) -> Option<Zeroizing<[u8; 32]>> {
        match claim {
            Claim::Known => self.allows_some().then(|| Zeroizing::new(KNOWN_PSK)),
            Claim::Ticket(id) => {
                let state = lock(&self.state);
                if id == state.id { Some(state.psk.clone()) } else { state.returns.psk(id) }
            }
        }
    }

    /// Whether whoever has proven a claim, and that it is `peer`, may come in, and how much it may bring. Waits for
    /// nothing.
    ///
    /// # Errors
    /// Why not, where its user may want to know that.
    pub fn admit(&self, claim: Claim, peer: PublicKey) -> Result<Entry, Option<RefusedFor>> {
        let Claim::Ticket(id) = claim else {
            return self.is_allowed(peer).then(|| Entry::Open(Quota::unlimited())).ok_or(None);
        };
        let mut state = lock(&self.state);
        let quota = state.quota.clone();
        if id != state.id {
            let is_expected = state.returns.is_of(id, peer);
            return is_expected.then_some(Entry::Open(quota)).ok_or(None);
        }
        let TicketLimits { uses, .. } = self.limits;
        let is_counted = uses.is_some() || state.ends.is_some() || self.ledger.is_some();
        if !is_counted || state.users.contains(&peer) {
            return Ok(Entry::Open(quota));
        }
        if state.ends.is_some_and(|ends| ends.is_over()) {
            return Err(Some(RefusedFor::Expired));
        }
        let count = state.users.len() + state.arriving.len();
        if !state.arriving.contains_key(&peer)
            && count >= uses.map_or(MAX_USERS, |uses| uses as usize).min(MAX_USERS)
        {
            // Who is not counted need not be remembered: it is let in until the end.
            return uses.is_none().then_some(Entry::Open(quota)).ok_or(Some(RefusedFor::UsedUp));
        }
        if self.ledger.is_none() {
            state.users.insert(peer);
            return Ok(Entry::Open(quota));
        }
        *state.arriving.entry(peer).or_default() += 1;
        Ok(Entry::First(FirstUse { ticket: id, peer, quota }))
    }

    /// Lets somebody in whose first use of the ticket is on disk when this returns. `None` when that cannot be, or the
    /// ticket was revoked in the meantime.
    pub fn write_down(&self, FirstUse { ticket, peer, quota }: FirstUse) -> Option<Arc<Quota>> {
        let written = self.ledger.as_ref().is_some_and(|book| {
            // Of another ticket it is no use.
            let write = move |keeper: &mut Keeper| match keeper.ticket() == ticket {
                true => keeper.add_user(peer),
                false => Err(io::ErrorKind::NotFound.into()),
            };
            book.change(write).is_ok()
        });
        let mut state = lock(&self.state);
        if state.id != ticket {
            return None;
        }
        if written {
            state.arriving.remove(&peer);
            state.users.insert(peer);
        } else if let Some(count) = state.arriving.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                state.arriving.remove(&peer);
            }
        }
        written.then_some(quota)
    }

    /// Lets somebody who came by a code come again, if the ticket is still the one of that time: `when`. What it claims
    /// then, and how much it may bring.
    pub fn expect_again(
        &self,
        when: TicketId,
        ticket: &TicketSecret,
        peer: PublicKey,
    ) -> (Claim, Arc<Quota>) {
        let mut state = lock(&self.state);
        if state.id == when {
            state.returns.expect(ticket, peer);
        }
        (Claim::Ticket(ticket.id()), state.quota.clone())
    }

    /// A session begins of somebody who came with `claim`, or who will.
    pub fn begin(&self, claim: Claim) {
        if let Claim::Ticket(id) = claim {
            lock(&self.state).returns.begin(id);
        }
    }

    /// Such a session is over, cut off or not: what it brought is written down. Where that fails, the ledger says more
    /// than that.
    pub fn end(&self, claim: Claim, is_cut_off: bool) {
        let mut state = lock(&self.state);
        if let Claim::Ticket(id) = claim {
            state.returns.end(id, is_cut_off);
        }
        let quota = state.quota.clone();
        drop(state);
        let _ = quota.settle();
    }

    /// Nobody comes any more.
    pub fn close(&self) {
        self.ledger.iter().for_each(|book| book.close());
    }
}

/// A listener that did not come about leaves its ledger, too.
impl Drop for Admission {
    fn drop(&mut self) {
        self.close();
    }
}

/// Keys that are remembered to have used a ticket: beyond, nobody new comes in whose use counts, and further ones come
/// again only as long as somebody new may.
const MAX_USERS: usize = 100_000;

impl State {
    fn new(ticket: Ticket, limits: TicketLimits, known: Ledger, book: Option<&Arc<Book>>) -> Self {
        let id = ticket.secret().id();
        Self {
            psk: ticket.secret().psk(),
            id,
            ends: ticket.expires().and_then(Deadline::at_unix),
            ticket,
            quota: Arc::new(Quota::new(limits, known.used, book.map(|book| (book.clone(), id)))),
            users: known.users.into_iter().collect(),
            arriving: HashMap::new(),
            returns: Returns::default(),
        }
    }

    /// Another ticket, to the same addresses and until the same end.
    fn successor(&self) -> Result<Ticket, Error> {
        let old = &self.ticket;
        let (hosts, secret) = (old.addresses().to_vec(), TicketSecret::new(random()?));
        let ticket =
            Ticket::new(hosts, old.port(), old.key(), secret, old.permits()).map_err(Error::Ticket)?;
        Ok(ticket.expiring(old.expires()))
    }
}

impl TicketLimits {
    /// A new ticket, with a word to its holder about when it ends, if it has a time.
    fn stamp(&self, ticket: Ticket) -> Ticket {
        let Some(lifetime) = self.lifetime else { return ticket };
        let ends = SystemTime::now().checked_add(lifetime);
        let at = ends.and_then(|ends| ends.duration_since(SystemTime::UNIX_EPOCH).ok());
        ticket.expiring(at.map(|at| at.as_secs()))
    }
}

#[cfg(test)]
mod tests;
