//! A listening port that serves sessions, several at a time.

mod door;
mod options;
mod places;
mod sessions;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};

use hawser_protocol::handshake::{SessionId, SessionSecret};
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::ticket::{Host, Permits, Ticket, TicketSecret};
use tokio::runtime;
use tokio::sync::Notify;

use crate::Error;
use crate::admission::{Admission, TicketUse};
use crate::closing::Closing;
use crate::codes::{Codes, ShownCode};
use crate::disk::Claim;
use crate::job::{Job, Work};
use crate::limits::{MAX_SESSIONS, Timers};
use crate::offer::Offers;
use crate::opening::{process_identity, random};
use crate::pace::{Limit, Pace};
use crate::peers::PeerName;
use crate::refusals::{Refusal, Refusals};
use crate::serve::AnySession;
use crate::session::{call, spawn};
use crate::sockets::bind_all;
use crate::strangers::Strangers;
use crate::target::TargetFolder;
use crate::transfer::{Transfer, lock};

pub use options::ListenOptions;
pub(crate) use places::{Holder, Place};

/// A listening port. Clones are the same one; dropping them does not close it.
#[derive(Clone)]
pub struct Listener(Arc<Shared>);

struct Shared {
    job: Job,
    /// The folder that sessions write into: opened and claimed once, for all of them.
    target: Mutex<(TargetFolder, Option<Claim>)>,
    key: StaticKey,
    admission: Admission,
    codes: Codes,
    port: u16,
    addresses: Vec<SocketAddr>,
    /// By the folded forms of the names.
    reserved: HashMap<String, (PeerName, PublicKey)>,
    /// Of all transfers together.
    pace: Arc<Pace>,
    timers: Timers,
    strangers: Strangers,
    refusals: Refusals,
    closing: Notify,
    state: Mutex<State>,
    /// A session has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    sessions: HashMap<SessionId, Running>,
    /// Sessions that nobody has asked for yet.
    opened: VecDeque<Transfer>,
    asking: VecDeque<Box<dyn FnOnce(Option<Transfer>) + Send>>,
    waiting_for_close: Vec<Box<dyn FnOnce() + Send>>,
    /// No more sessions are accepted, and what becomes of those that run or are just starting.
    closing: Option<Closing>,
    /// Sessions that have ended, and whose transfers have not yet.
    finishing: usize,
    /// The sockets are closed, too.
    deaf: bool,
    /// Who has a place without a session that runs.
    reserved: Vec<Holder>,
}

struct Running {
    transfer: Transfer,
    holder: Holder,
    secret: SessionSecret,
    session: Arc<dyn AnySession>,
}

/// Starts listening.
///
/// # Errors
/// [`Error::PortInUse`], [`Error::Bind`], [`Error::Disk`] when the folder to write into cannot be
/// made or opened, [`Error::InvalidOption`], also for a ticket of another identity or for the other
/// direction.
pub fn listen(options: ListenOptions) -> Result<Listener, Error> {
    let ListenOptions { job, bind, port, advertise, identity, ticket: kept, reserved, .. } = options;
    let mut target = job.work.prepare()?;
    let hosts = advertise.iter().map(|host| {
        let invalid =
            |_| Error::InvalidOption(format!("\"{host}\" is neither an IP address nor a host name"));
        host.parse::<Host>().map_err(invalid)
    });
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    let pull = matches!(job.work, Work::Read(_));
    let permits = Permits { push: !pull, pull };
    let key = match identity {
        Some(key) => key,
        None => process_identity()?,
    };
    let secret = match &kept {
        None => TicketSecret::new(random()?),
        Some(kept) if kept.key() != key.public() => {
            return Err(Error::InvalidOption("the ticket to keep is one of another identity".into()));
        }
        Some(kept) if kept.permits() != permits => {
            return Err(Error::InvalidOption("the ticket to keep is one for the other direction".into()));
        }
        Some(kept) => kept.secret().clone(),
    };
    let port = port.or(kept.as_ref().map(Ticket::port)).unwrap_or(0);
    let sockets = bind_all(&bind, port)?;
    let addresses: Vec<_> = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
    let bound_port = addresses.first().map_or(port, SocketAddr::port);
    let ticket = Ticket::new(hosts, bound_port, key.public(), secret, permits)
        .map_err(|_| Error::InvalidOption("give 1 to 8 addresses to advertise".into()))?
        .expiring(kept.as_ref().and_then(Ticket::expires));
    let ListenOptions { ticket_limits, ledger, allow, codes, timers, .. } = options;
    let admission = Admission::new(ticket, kept.is_none(), ticket_limits, allow, ledger)?;

    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Internal(format!("cannot start: {error}")))?;
    // Last: whoever is told that the folder is in use has made no other mistake.
    let claim = job.work.claim(&mut target)?;
    let shared = Arc::new(Shared {
        pace: Arc::new(Pace::new(job.limit)),
        job,
        target: Mutex::new((target, claim)),
        key,
        admission,
        codes: Codes::new(codes)?,
        port: bound_port,
        addresses,
        reserved: reserved.into_iter().map(|entry| (entry.0.folded(), entry)).collect(),
        timers,
        strangers: Strangers::default(),
        refusals: Refusals::new(),
        closing: Notify::new(),
        state: Mutex::default(),
        ended: Condvar::new(),
    });
    let serving = shared.clone();
    spawn("hawser-listen".into(), move || door::serve(runtime, &serving, sockets))?;
    Ok(Listener(shared))
}

impl Listener {
    /// What a peer needs to open a session.
    pub fn ticket(&self) -> Ticket {
        self.0.admission.ticket()
    }

    /// How much of its limits the ticket has come to, with earlier listeners by its ledger.
    pub fn ticket_use(&self) -> TicketUse {
        self.0.admission.ticket_use()
    }

    /// Makes another ticket, and shows another code if codes are shown. Those before let nobody in any more, not
    /// even those who have come with them and would come again; sessions that run go on. Waits for the ledger's disk.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no random numbers; [`Error::Disk`] when the ledger cannot be
    /// written, and then the ticket is another one all the same.
    pub fn revoke(&self) -> Result<Ticket, Error> {
        let (sender, receiver) = channel();
        self.revoke_and(move |ticket| drop(sender.send(ticket)));
        receiver.recv().unwrap_or_else(|_| Err(Error::Internal("the ticket was not replaced".into())))
    }

    /// The same without waiting: the ticket is another one when this returns, and `written` is called once with it, or
    /// with what [`Listener::revoke`] fails with, when the ledger's disk has it.
    pub fn revoke_and(&self, written: impl FnOnce(Result<Ticket, Error>) + Send + 'static) {
        self.0.codes.revoke();
        self.0.admission.revoke(written);
    }

    /// Calls `next` once, with the code that lets in whoever knows it, as soon as there is one that it has not
    /// been called with before; with `None` when the listener is closed, or shows no codes. A code ends with
    /// the first who comes with it, with three wrong guesses, or after ten minutes, and is followed by another.
    pub fn on_code(&self, next: impl FnOnce(Option<ShownCode>) + Send + 'static) {
        self.0.codes.on_next(next);
    }

    /// Calls `next` once, with the next peer that has the ticket, the code or a known key and is not let in all the
    /// same; with `None` when the listener is closed. Of many such peers it is called with a few only.
    pub fn on_refusal(&self, next: impl FnOnce(Option<Refusal>) + Send + 'static) {
        self.0.refusals.on_next(next);
    }

    /// The port listened on.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The socket addresses listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// Calls `next` once, with the next session that a peer opens, or with `None` when the
    /// listener is closed and no session is left. Sessions run whether they are asked for or not.
    pub fn on_next(&self, next: impl FnOnce(Option<Transfer>) + Send + 'static) {
        let mut state = lock(&self.0.state);
        if let Some(transfer) = state.opened.pop_front() {
            drop(state);
            next(Some(transfer));
        } else if state.is_over() {
            drop(state);
            next(None);
        } else {
            state.asking.push_back(Box::new(next));
        }
    }

    /// Calls `closed` once, when the listener is closed and its last session has ended.
    pub fn on_closed(&self, closed: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.0.state);
        if state.is_over() {
            drop(state);
            closed();
        } else {
            state.waiting_for_close.push(Box::new(closed));
        }
    }

    /// Changes how fast all transfers together may go, in both directions together, from now on;
    /// `None` lifts the limit. Each transfer may have one of its own besides.
    pub fn set_limit(&self, limit: Option<Limit>) {
        self.0.pace.set(limit);
    }

    /// Accepts no more sessions, and says what becomes of those that run. May be called again.
    pub fn close(&self, closing: Closing) {
        let mut state = lock(&self.0.state);
        state.closing = state.closing.max(Some(closing));
        let running: Vec<_> = state.sessions.values().map(|running| running.transfer.clone()).collect();
        drop(state);
        self.0.closing.notify_one();
        self.0.codes.close();
        self.0.refusals.close();
        running.iter().for_each(|transfer| closing.apply(transfer));
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.closing.is_some()
            && self.deaf
            && self.sessions.is_empty()
            && self.finishing == 0
            && self.reserved.is_empty()
    }
}

impl Shared {
    /// Hands a session to whoever asks for the next one.
    fn announce(&self, transfer: Transfer) {
        let mut state = lock(&self.state);
        if let Some(next) = state.asking.pop_front() {
            drop(state);
            call(|| next(Some(transfer)));
            return;
        }
        if state.opened.len() >= MAX_SESSIONS {
            state.opened.pop_front();
        }
        state.opened.push_back(transfer);
    }

    fn announce_if_over(&self, mut state: std::sync::MutexGuard<'_, State>) {
        if !state.is_over() {
            return;
        }
        let asking = std::mem::take(&mut state.asking);
        let waiting = std::mem::take(&mut state.waiting_for_close);
        drop(state);
        self.admission.close();
        *lock(&self.target) = (TargetFolder::default(), None);
        self.job.offers.iter().for_each(Offers::close);
        asking.into_iter().for_each(|next| call(|| next(None)));
        waiting.into_iter().for_each(call);
    }
}

#[cfg(test)]
mod tests;
