//! Where connections come in: accepted, and asked what they are for.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hawser_protocol::link::LaneId;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, spawn, spawn_blocking, yield_now};
use tokio::time::{sleep, sleep_until, timeout};

use super::Shared;
use crate::admission::Entry;
use crate::descriptors::LANES;
use crate::limits::{ACCEPT_PAUSE, HANDSHAKE_TIMEOUT};
use crate::opening::{BUSY, Caller, Knock, Who, admit_lane, answer, examine, examine_guess};
use crate::refusals::Refusal;
use crate::strangers::Admitted;
use crate::transfer::lock;

/// How often it is looked whether the code that is shown is too old.
const CODE_CHECK: Duration = Duration::from_secs(10);

/// Serves whoever connects, until the listener closes.
pub(super) fn serve(runtime: Runtime, shared: &Arc<Shared>, sockets: Vec<std::net::TcpListener>) {
    runtime.block_on(async {
        let mut accepting = JoinSet::new();
        for socket in sockets {
            // Both were set up by bind(); should the runtime refuse one, the others serve.
            if let Ok(socket) = TcpListener::from_std(socket).map(Arc::new) {
                let shared = shared.clone();
                accepting.spawn(persist(move || accept(socket.clone(), shared.clone())));
            }
        }
        let renewing = shared.clone();
        accepting.spawn(persist(move || renew(renewing.clone())));
        shared.closing.notified().await;
    });
    // Closes the sockets, with the tasks that hold them.
    drop(runtime);
    let mut state = lock(&shared.state);
    state.deaf = true;
    shared.announce_if_over(state);
}

/// Does what is to be done until the listener closes, again should it panic: a socket that nobody accepts from would
/// let all who come wait.
async fn persist<F: Future<Output = ()> + Send + 'static>(work: impl Fn() -> F) {
    while spawn(work()).await.is_err_and(|error| error.is_panic()) {
        sleep(ACCEPT_PAUSE).await;
    }
}

/// Shows another code when one is too old.
async fn renew(shared: Arc<Shared>) {
    while let Some(until) = shared.codes.until() {
        // Not longer, for this clock stops while the machine sleeps.
        sleep_until(until.min(Instant::now() + CODE_CHECK).into()).await;
        shared.codes.renew();
    }
}

async fn accept(socket: Arc<TcpListener>, shared: Arc<Shared>) {
    let mut greeting = JoinSet::new();
    let mut reserve = None;
    loop {
        while greeting.try_join_next().is_some() {}
        reserve = reserve.or_else(one_descriptor);
        let (stream, address) = match socket.accept().await {
            Ok(accepted) => accepted,
            // That connection is gone already; the next one may not be.
            Err(error) if is_of_one_connection(&error) => continue,
            Err(_) => {
                // Out of descriptors, most likely: sessions that end give some back. Until then, whoever
                // comes is told so, by means of the one that was kept for this.
                let had_one = reserve.take().is_some();
                match timeout(ACCEPT_PAUSE, socket.accept()).await {
                    Ok(Ok((stream, _))) => turn_away(stream),
                    Ok(Err(_)) => sleep(ACCEPT_PAUSE).await,
                    Err(_) => {}
                }
                if !had_one {
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let Some(admitted) = shared.strangers.admit(address.ip(), Instant::now()) else {
            turn_away(stream);
            continue;
        };
        let shared = shared.clone();
        greeting.spawn(async move {
            // Whoever has not proven anything by then never will.
            let caller = Box::new(Caller { stream, address, displaced: admitted.displaced() });
            let _ = timeout(HANDSHAKE_TIMEOUT, greet(caller, &shared, &admitted)).await;
            drop(admitted);
        });
        // Whoever made way is gone, with its descriptor, before the next one comes.
        yield_now().await;
    }
}

/// Tells a connection, without having read from it, that it is one too many.
fn turn_away(stream: TcpStream) {
    // Eight bytes fit any socket; whoever does not hear them is turned away all the same. Not through the
    // runtime, which has yet to hear from the system that it may write.
    let _ = stream.into_std().and_then(|mut stream| stream.write(&BUSY));
}

/// Whether only the connection that was to be accepted is at fault.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// A descriptor that can be let go of when there is no other. Where nobody can run out of them, it does no
/// harm that there is none.
fn one_descriptor() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Finds out what a connection is for. One that proves nothing is dropped without a word.
///
/// What not everybody comes to is boxed: there is room for the rest from the beginning.
async fn greet(mut caller: Box<Caller>, shared: &Arc<Shared>, admitted: &Admitted) -> Option<()> {
    caller.stream.set_nodelay(true).ok()?;
    match answer(&mut caller, || admitted.may_shake_hands(Instant::now())).await? {
        Knock::Session => {
            let psk = |claim| shared.admission.psk(claim);
            let (claim, visitor) = examine(caller, &shared.key, psk).await?;
            let (peer, address, asked) = (visitor.peer(), visitor.address(), shared.clone());
            if visitor.role() != shared.job.work.peer_role() {
                return None;
            }
            let entry = shared.admission.admit(claim, peer).inspect_err(|why| {
                let refusal = why.map(|why| Refusal { key: peer, address, why });
                refusal.into_iter().for_each(|refusal| shared.refusals.tell(refusal, Instant::now()));
            });
            let quota = match entry.ok()? {
                Entry::Open(quota) => {
                    admitted.has_proven_itself();
                    quota
                }
                // That may take a disk some time.
                Entry::First(first) => {
                    admitted.has_come_first(Instant::now());
                    spawn_blocking(move || asked.admission.write_down(first)).await.ok()??
                }
            };
            let (place, visitor) = shared.place_for(visitor).await?;
            shared.open_session(Box::pin(visitor.enter()).await?, claim, quota, place);
        }
        Knock::Code => {
            let (guess, visitor) =
                examine_guess(caller, &shared.key, &shared.codes, admitted.source()).await?;
            let (place, visitor) = shared.place_for(visitor).await?;
            // Should both be revoked from here on, the code is first: then it is of no use, or nothing comes of it later.
            let when = shared.admission.ticket().secret().id();
            if !shared.codes.redeem(&guess) {
                return None;
            }
            admitted.has_proven_itself();
            let opened = Box::pin(visitor.enter()).await?;
            let ticket = opened.secret.return_ticket();
            let (claim, quota) = shared.admission.expect_again(when, &ticket, opened.peer);
            shared.open_session(opened, claim, quota, place);
        }
        Knock::Join(request) => {
            let (lane, attempt) = (LaneId(request.lane), request.attempt);
            let (session, secret) = shared.joinable(&request)?;
            let share = LANES.share()?;
            let connection = Box::pin(admit_lane(caller, &secret, request, share)).await?;
            session.join(Who::Listener, lane, attempt, connection);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn what_has_panicked_begins_again_until_it_has_ended() {
        let times = Arc::<AtomicU32>::default();
        let count = times.clone();
        let work = move || {
            let count = count.clone();
            async move { assert!(count.fetch_add(1, Ordering::Relaxed) == 2, "injected") }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(persist(work));
        assert_eq!(times.load(Ordering::Relaxed), 3);
    }
}
