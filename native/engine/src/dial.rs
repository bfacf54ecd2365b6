//! Dialling the listener that a ticket names.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hawser_protocol::handshake::{Credential, Role};
use hawser_protocol::hello::Hello;
use hawser_protocol::identity::StaticKey;
use hawser_protocol::limits::MAX_LANES;
use hawser_protocol::ticket::Host;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::Error;
use crate::climb::Climb;
use crate::destination::{Destination, Door, Target};
use crate::job::{Job, Work};
use crate::limits::{HANDSHAKE_TIMEOUT, Timers};
use crate::offer::Offers;
use crate::opening::{Greeted, Opened, greet, process_identity, random};
use crate::pace::Paces;
use crate::quota::Quota;
use crate::retry::Retry;
use crate::serve::{Beginning, start};
use crate::session::{panicked, spawn};
use crate::supply::Supply;
use crate::target::TargetFolder;
use crate::transfer::{Peer, Transfer};

/// A listener with too many strangers at the door turns further ones away. They come again after
/// this long, and then after twice as long each time, a little more or less so that not all come
/// at the same moment.
const COME_AGAIN_AFTER: Duration = Duration::from_millis(40);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Until one that says that it is busy is given up.
const BUSY_PATIENCE: Duration = Duration::from_secs(60);

/// Until somebody who hangs up without a word is given up: it may be something else altogether.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(3);

/// While one address has not answered, the next is tried beside it (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// How to dial.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// What to do with files.
    pub job: Job,
    /// Whom to dial.
    pub to: Destination,
    /// TCP connections to spread the session over, 1 to 16; `None` for as many as pay.
    pub lanes: Option<u8>,
    /// Who it is; `None`: somebody new.
    pub identity: Option<StaticKey>,
    /// When the session is lost, for how long since then to try to open another that goes on with
    /// it: zero for not at all, [`Duration::MAX`] for ever.
    pub retry: Duration,
}

/// Starts a transfer with a listener. Connecting is part of the transfer.
///
/// # Errors
/// [`Error::InvalidOption`], [`Error::TicketDirection`] when the ticket is for the other
/// direction, [`Error::Internal`] when the system gives no random numbers or no thread.
pub fn dial(options: DialOptions) -> Result<Transfer, Error> {
    if let Some(lanes) = options.lanes.filter(|lanes| !(1..=MAX_LANES).contains(lanes)) {
        return Err(Error::InvalidOption(format!("lanes must be 1 to {MAX_LANES}, not {lanes}")));
    }
    if let Destination::Ticket(ticket) = &options.to {
        let permits = ticket.permits();
        let permitted = match options.job.work {
            Work::Read(_) => permits.push,
            Work::Write(_) => permits.pull,
        };
        if !permitted {
            return Err(Error::TicketDirection { pull: permits.pull });
        }
    }
    options.job.work.check()?;
    let key = match &options.identity {
        Some(key) => key.clone(),
        None => process_identity()?,
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("cannot start: {error}")))?;
    let transfer = Transfer::new(options.job.keep, Paces::new(options.job.limit, None));
    let dialled = transfer.clone();
    spawn("hawser-dial".into(), move || {
        let run = AssertUnwindSafe(|| runtime.block_on(run(&options, &key, &dialled)));
        let result = catch_unwind(run).unwrap_or_else(|_| {
            // Its session, should there be one, has nobody left to go on for.
            dialled.cancel();
            Err(panicked())
        });
        // Not waiting for a name that is still being looked up.
        runtime.shutdown_background();
        dialled.finish(result);
        options.job.offers.iter().for_each(Offers::close);
    })?;
    Ok(transfer)
}

/// Session after session, until one has ended for good.
async fn run(options: &DialOptions, key: &StaticKey, transfer: &Transfer) -> Result<(), Error> {
    let mut target = Target::from(options.to.clone());
    let mut retry = Retry::new(options.retry);
    let mut earlier = None;
    let folder = TargetFolder::default();
    loop {
        let (stop, stopped) = oneshot::channel();
        transfer.on_stop(move |why| drop(stop.send(why)));
        let (pause, deadline) = (retry.pause(), retry.deadline());
        let opening = async {
            sleep(pause).await;
            // One that has no place for another session says so only to whoever it would let in.
            patiently(|| open(&target, key, options.job.work.role())).await
        };
        let opened = tokio::select! {
            opened = opening => opened,
            why = stopped => return Err(why.unwrap_or(Error::Cancelled)),
            () = passed(deadline) => return Err(retry.given_up()),
        };
        let result = match opened {
            Ok(opened) => {
                retry.opened(transfer);
                if let Door::Code { .. } = target.door {
                    // A code is good for one meeting; whoever had it has what is better now.
                    let credential = Credential::Ticket(opened.secret.return_ticket());
                    target.door = Door::Known { key: opened.peer, credential };
                }
                let id = opened.session;
                let hello = options.job.hello(earlier.replace(id));
                converse(options, folder.clone(), hello, opened, transfer).await
            }
            Err(error) => Err(target.explain(error)),
        };
        match result {
            Ok(()) => return Ok(()),
            Err(error) => retry.failed(error, transfer)?,
        }
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// One session, to its end.
async fn converse(
    options: &DialOptions,
    target: TargetFolder,
    hello: Hello,
    opened: Opened,
    transfer: &Transfer,
) -> Result<(), Error> {
    let Opened { connection, secret, session: id, peer, address } = opened;
    transfer.open(Peer { address, key: peer, label: String::new() });
    let is_source = matches!(options.job.work, Work::Read(_));
    let climb = options.lanes.map_or_else(|| Climb::new(connection.rtt, is_source), Climb::fixed);
    let (tell, ended) = oneshot::channel();
    let closed = move |result| drop(tell.send(result));
    let (quota, timers) = (Quota::unlimited(), Timers::default());
    let beginning = Beginning { id, peer, hello, target, quota, timers, place: None };
    let session = start(&options.job, beginning, transfer, connection, closed)?;
    let supply = Supply { session, transfer: transfer.clone(), id, secret, address };
    tokio::select! {
        never = supply.run(climb) => match never {},
        result = ended => result.unwrap_or_else(|_| Err(panicked())),
    }
}

/// Opens a session at the first address that proves to be that of the listener.
async fn open(target: &Target, key: &StaticKey, role: Role) -> Result<Opened, Error> {
    let mut hosts = target.hosts.iter().cloned();
    let mut attempts: JoinSet<Result<Greeted, Error>> = JoinSet::new();
    let mut worst: Option<Error> = None;
    loop {
        if let Some(host) = hosts.next() {
            let (port, door, key) = (target.port, target.door.clone(), key.clone());
            attempts.spawn(async move { visit(host, port, &door, &key, role).await });
        } else if attempts.is_empty() {
            return Err(worst.unwrap_or(Error::Lost));
        }
        let more = hosts.len() > 0;
        let outcome = tokio::select! {
            Some(outcome) = attempts.join_next() => outcome,
            () = sleep(NEXT_ADDRESS_AFTER), if more => continue,
        };
        match outcome {
            // Only one listener is let know that this side holds its ticket.
            Ok(Ok(greeted)) => {
                return greeted.enter().await.map_err(|error| target.explain_refusal(error));
            }
            Ok(Err(error)) => worst = Some(more_telling(worst, error)),
            Err(_) => worst = Some(Error::Internal("dialling failed".into())),
        }
    }
}

/// Goes to one host, at each of its addresses one after the other.
async fn visit(host: Host, port: u16, door: &Door, key: &StaticKey, role: Role) -> Result<Greeted, Error> {
    let addresses = match host {
        Host::Ip(ip) => vec![SocketAddr::new(ip, port)],
        Host::Name(name) => resolve(&name, port).await.ok_or(Error::NameNotFound { host: name })?,
    };
    let mut worst = None;
    for address in addresses {
        match patiently(|| greet(address, door, key, role)).await {
            // Before this side has said who it is.
            Ok(greeted) => return door.vet(address, greeted.listener()).map(|()| greeted),
            // A code is shown to one listener only: each that is asked may try a guess at it.
            Err(Error::Authentication) if matches!(door, Door::Code { .. }) => {
                return Err(Error::Authentication);
            }
            Err(error) => worst = Some(more_telling(worst, error)),
        }
    }
    Err(worst.unwrap_or(Error::Lost))
}

async fn resolve(name: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let found = timeout(HANDSHAKE_TIMEOUT, tokio::net::lookup_host((name, port))).await.ok()?.ok()?;
    let addresses: Vec<_> = found.collect();
    (!addresses.is_empty()).then_some(addresses)
}

/// Knocks again where somebody was busy, or hung up without a word.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    mut knock: impl FnMut() -> F,
) -> Result<T, Error> {
    let begun = Instant::now();
    let mut pause = COME_AGAIN_AFTER;
    let mut patience = HANG_UP_PATIENCE;
    loop {
        let answer = knock().await;
        match &answer {
            // Not every system delivers the word of one that hangs up right behind it, each time.
            Err(Error::Busy { .. }) => patience = BUSY_PATIENCE,
            Err(Error::HungUp { .. }) => {}
            _ => return answer,
        }
        if begun.elapsed() >= patience {
            return answer;
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A little more or less, so that not all who were turned away at once come again at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let [chance] = random().unwrap_or([128]);
    pause.mul_f64(0.5 + f64::from(chance) / 255.0)
}

/// Of the failures at several addresses, the one that tells a person the most.
fn more_telling(known: Option<Error>, new: Error) -> Error {
    let telling = |error: &Error| match error {
        Error::Version { .. } => 3,
        Error::Authentication => 2,
        Error::NotHawser { .. } | Error::HungUp { .. } | Error::Busy { .. } => 1,
        _ => 0,
    };
    match known {
        Some(known) if telling(&known) >= telling(&new) => known,
        _ => new,
    }
}
