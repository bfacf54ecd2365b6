//! Where connections come in: accepted, and asked what they are for.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hawser_protocol::link::LaneId;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, sleep_until, timeout};

use super::Shared;
use crate::opening::{BUSY, HANDSHAKE_TIMEOUT, Knock, Who, admit_lane, answer, examine, examine_guess};
use crate::transfer::lock;

/// How long to leave accepting alone when the system has no descriptor or memory for more.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves whoever connects, until the listener closes.
pub(super) fn serve(runtime: Runtime, shared: &Arc<Shared>, sockets: Vec<std::net::TcpListener>) {
    runtime.block_on(async {
        let mut accepting = JoinSet::new();
        for socket in sockets {
            // Both were set up by bind(); should the runtime refuse one, the others serve.
            if let Ok(socket) = TcpListener::from_std(socket) {
                accepting.spawn(accept(socket, shared.clone()));
            }
        }
        let renewing = shared.clone();
        accepting.spawn(async move {
            while let Some(until) = renewing.codes.until() {
                sleep_until(until.into()).await;
                renewing.codes.renew();
            }
        });
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
            let psk = |claim| shared.admission.psk(claim);
            let (claim, visitor) = examine(stream, address, &shared.key, psk).await?;
            let (peer, asked) = (visitor.peer(), shared.clone());
            let place = shared.place_for(&visitor)?;
            // What is written down about it may take a disk some time.
            let admit = move || asked.admission.admit(claim, peer);
            let quota =
                if shared.admission.is_durable() { spawn_blocking(admit).await.ok()?? } else { admit()? };
            shared.open_session(visitor.enter().await?, quota, place);
        }
        Knock::Code => {
            let (guess, visitor) = examine_guess(stream, address, &shared.key, &shared.codes).await?;
            let place = shared.place_for(&visitor)?;
            if !shared.codes.redeem(&guess) {
                return None;
            }
            let opened = visitor.enter().await?;
            let quota = shared.admission.expect_again(&opened.secret.return_ticket(), opened.peer);
            shared.open_session(opened, quota, place);
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
