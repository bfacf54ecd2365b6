//! A listening port that serves sessions, several at a time.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hawser_protocol::handshake::{SessionId, SessionSecret};
use hawser_protocol::identity::StaticKey;
use hawser_protocol::join::JoinRequest;
use hawser_protocol::link::LaneId;
use hawser_protocol::ticket::{Host, Permits, Ticket, TicketSecret};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Error;
use crate::disk::Claim;
use crate::error::words;
use crate::job::{Job, Work};
use crate::opening::{BUSY, HANDSHAKE_TIMEOUT, Knock, Opened, Who, admit, admit_lane, answer, random};
use crate::pace::{Limit, Pace, Paces};
use crate::serve::{AnySession, start};
use crate::session::spawn;
use crate::strangers::Strangers;
use crate::transfer::{Peer, Transfer, lock};

/// Sessions at the same time, and finished ones that nobody has asked for yet.
const MAX_SESSIONS: usize = 1024;

/// Connections the system queues until they are accepted: a burst of lanes from many senders.
const BACKLOG: i32 = 1024;

/// How long to leave accepting alone when the system has no descriptor or memory for more.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// What to do with files in every session.
    pub job: Job,
    /// Addresses to bind; none: every address of both families.
    pub bind: Vec<IpAddr>,
    /// The port; 0: any free one.
    pub port: u16,
    /// Addresses or names to put into the ticket, 1 to 8.
    pub advertise: Vec<String>,
}

/// A listening port. Clones are the same one; dropping them does not close it.
#[derive(Clone)]
pub struct Listener(Arc<Shared>);

struct Shared {
    job: Job,
    /// Held while sessions write into the folder.
    claim: Mutex<Option<Claim>>,
    key: StaticKey,
    ticket: Ticket,
    addresses: Vec<SocketAddr>,
    /// Of all transfers together.
    pace: Arc<Pace>,
    strangers: Strangers,
    closing: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<SessionId, Running>,
    /// Sessions that nobody has asked for yet.
    opened: VecDeque<Transfer>,
    asking: VecDeque<Box<dyn FnOnce(Option<Transfer>) + Send>>,
    waiting_for_close: Vec<Box<dyn FnOnce() + Send>>,
    /// No more sessions are accepted.
    closed: bool,
    /// Those that run are cancelled, and so is one that is just starting.
    aborted: bool,
    /// The sockets are closed, too.
    deaf: bool,
    /// Places of sessions that are about to start.
    reserved: usize,
}

struct Running {
    transfer: Transfer,
    secret: SessionSecret,
    session: Arc<dyn AnySession>,
}

/// Starts listening.
///
/// # Errors
/// [`Error::PortInUse`], [`Error::Bind`], [`Error::Disk`] when the folder to write into cannot be
/// made or opened, [`Error::InvalidOption`].
pub fn listen(options: ListenOptions) -> Result<Listener, Error> {
    let ListenOptions { job, bind, port, advertise } = options;
    job.work.prepare()?;
    let claim = job.work.claim()?;
    let hosts = advertise.iter().map(|host| {
        let invalid =
            |_| Error::InvalidOption(format!("\"{host}\" is neither an IP address nor a host name"));
        host.parse::<Host>().map_err(invalid)
    });
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    let sockets = bind_all(&bind, port)?;
    let addresses: Vec<_> = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
    let bound_port = addresses.first().map_or(port, SocketAddr::port);
    let pull = matches!(job.work, Work::Read(_));
    let key = StaticKey::new(random()?);
    let secret = TicketSecret::new(random()?);
    let ticket = Ticket::new(hosts, bound_port, key.public(), secret, Permits { push: !pull, pull })
        .map_err(|_| Error::InvalidOption("give 1 to 8 addresses to advertise".into()))?;

    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Internal(format!("cannot start: {error}")))?;
    let shared = Arc::new(Shared {
        pace: Arc::new(Pace::new(job.limit)),
        job,
        claim: Mutex::new(claim),
        key,
        ticket,
        addresses,
        strangers: Strangers::default(),
        closing: Notify::new(),
        state: Mutex::default(),
    });
    let serving = shared.clone();
    spawn("hawser-listen".into(), move || serve(runtime, &serving, sockets))?;
    Ok(Listener(shared))
}

impl Listener {
    /// What a peer needs to open a session.
    pub fn ticket(&self) -> &Ticket {
        &self.0.ticket
    }

    /// The port listened on.
    pub fn port(&self) -> u16 {
        self.0.ticket.port()
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

    /// Accepts no more sessions. Those that run go on to their end, or are cancelled with `abort`.
    pub fn close(&self, abort: bool) {
        let mut state = lock(&self.0.state);
        state.closed = true;
        state.aborted |= abort;
        let running: Vec<_> = state.sessions.values().map(|running| running.transfer.clone()).collect();
        drop(state);
        self.0.closing.notify_one();
        if abort {
            running.iter().for_each(Transfer::cancel);
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.closed && self.deaf && self.sessions.is_empty() && self.reserved == 0
    }
}

impl Shared {
    /// A place for one more session, unless there is none or no more are accepted.
    fn reserve(self: &Arc<Self>) -> Option<Place> {
        let mut state = lock(&self.state);
        if state.closed || state.sessions.len() + state.reserved >= MAX_SESSIONS {
            return None;
        }
        state.reserved += 1;
        Some(Place(self.clone()))
    }

    /// Starts the session of a peer that has proven itself.
    fn open_session(self: &Arc<Self>, opened: Opened, place: Place) {
        let Opened { connection, secret, session: id, peer, address } = opened;
        let transfer = Transfer::new(self.job.keep, Paces::new(None, Some(self.pace.clone())));
        transfer.open(Peer { address, fingerprint: peer.fingerprint(), label: String::new() });
        let (shared, announced) = (self.clone(), transfer.clone());
        transfer.on_introduced(move || shared.announce(announced));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (self.clone(), over.clone());
        let closed = move || {
            let mut state = lock(&shared.state);
            ended.store(true, Ordering::Relaxed);
            state.sessions.remove(&id);
            shared.announce_if_over(state);
        };
        match start(&self.job, id, &peer, &transfer, connection, true, closed) {
            Ok(session) => {
                let mut state = lock(&self.state);
                let aborted = state.aborted;
                // It may have ended already.
                if !over.load(Ordering::Relaxed) {
                    state.sessions.insert(id, Running { transfer: transfer.clone(), secret, session });
                }
                drop(state);
                if aborted {
                    transfer.cancel();
                }
            }
            Err(error) => transfer.finish(Err(error)),
        }
        drop(place);
    }

    /// Hands a session to whoever asks for the next one.
    fn announce(&self, transfer: Transfer) {
        let mut state = lock(&self.state);
        if let Some(next) = state.asking.pop_front() {
            drop(state);
            next(Some(transfer));
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
        drop(lock(&self.claim).take());
        asking.into_iter().for_each(|next| next(None));
        waiting.into_iter().for_each(|closed| closed());
    }

    /// The session that a connection may join as it asks to.
    fn joinable(&self, request: &JoinRequest) -> Option<(Arc<dyn AnySession>, SessionSecret)> {
        let state = lock(&self.state);
        let running = state.sessions.get(&request.session)?;
        let admitted = running.session.admits(LaneId(request.lane), request.attempt);
        admitted.then(|| (running.session.clone(), running.secret.clone()))
    }
}

/// A session that is about to start.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.reserved -= 1;
        self.0.announce_if_over(state);
    }
}

fn serve(runtime: Runtime, shared: &Arc<Shared>, sockets: Vec<std::net::TcpListener>) {
    runtime.block_on(async {
        let mut accepting = JoinSet::new();
        for socket in sockets {
            // Both were set up by bind(); should the runtime refuse one, the others serve.
            if let Ok(socket) = TcpListener::from_std(socket) {
                accepting.spawn(accept(socket, shared.clone()));
            }
        }
        shared.closing.notified().await;
    });
    // Closes the sockets, with the tasks that hold them.
    drop(runtime);
    let mut state = lock(&shared.state);
    state.deaf = true;
    shared.announce_if_over(state);
}

async fn accept(socket: TcpListener, shared: Arc<Shared>) {
    let mut greeting = JoinSet::new();
    loop {
        while greeting.try_join_next().is_some() {}
        let Ok((stream, address)) = socket.accept().await else {
            // Out of descriptors, most likely: sessions that end give some back.
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let Some(admitted) = shared.strangers.admit(address.ip()) else {
            // Eight bytes fit any socket; whoever does not hear them is turned away all the same.
            // Not through the runtime, which has yet to hear from the system that it may write.
            let _ = stream.into_std().and_then(|mut stream| stream.write(&BUSY));
            continue;
        };
        let shared = shared.clone();
        greeting.spawn(async move {
            // Whoever has not proven anything by then never will.
            let _ = timeout(HANDSHAKE_TIMEOUT, greet(stream, address, &shared)).await;
            drop(admitted);
        });
    }
}

/// Finds out what a connection is for. One that proves nothing is dropped without a word.
async fn greet(mut stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    match answer(&mut stream).await? {
        Knock::Session => {
            let wanted = shared.job.work.peer_role();
            let secret = shared.ticket.secret();
            let place = || shared.reserve();
            let (opened, place) = admit(stream, address, &shared.key, secret, wanted, place).await?;
            shared.open_session(opened, place);
        }
        Knock::Join(request) => {
            let (lane, attempt) = (LaneId(request.lane), request.attempt);
            let (session, secret) = shared.joinable(&request)?;
            let connection = admit_lane(stream, &secret, request).await?;
            session.join(Who::Listener, lane, attempt, connection);
        }
    }
    Some(())
}

fn bind_all(addresses: &[IpAddr], port: u16) -> Result<Vec<std::net::TcpListener>, Error> {
    if addresses.is_empty() {
        // One socket for both families; where the system has no IPv6, the other alone.
        let both = bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), true);
        return Ok(vec![match both {
            Err(Error::Bind { .. }) => bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), false)?,
            bound => bound?,
        }]);
    }
    let mut sockets: Vec<std::net::TcpListener> = Vec::new();
    for address in addresses {
        // With any free port asked for, the first socket finds it and the others follow.
        let first = sockets.first().and_then(|socket| socket.local_addr().ok());
        let port = first.map_or(port, |address| address.port());
        sockets.push(bind(SocketAddr::new(*address, port), false)?);
    }
    Ok(sockets)
}

fn bind(address: SocketAddr, both_families: bool) -> Result<std::net::TcpListener, Error> {
    let bound = || -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!both_families)?;
        }
        // On Unix this only skips the wait after an earlier listener; on Windows it would share the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    bound().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { port: address.port() },
        kind => Error::Bind { address, kind, text: words(&error) },
    })
}
