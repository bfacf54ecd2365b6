//! What the engine's tests share: a listener and a dialler in one process, and a line between
//! them that can be cut.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

pub mod dialler;
pub mod hostile;
pub mod tap;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use hawser_engine::{
    Closing, Destination, DialOptions, Durability, Error, Host, Job, Keep, ListenOptions, Listener, Requests,
    Settled, StaticKey, Ticket, Transfer, Work, dial, listen,
};
use tempfile::{TempDir, tempdir};

/// Nothing here takes that long; a test that would hang fails instead.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const MIB: usize = 1024 * 1024;

/// Writes a file, and the folder it is in, with [`bytes`].
pub fn write(path: &Path, seed: u8, length: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes(seed, length)).unwrap();
}

pub fn receive(directory: &Path) -> Listener {
    serve(Work::Write(directory.into()))
}

pub fn serve(work: Work) -> Listener {
    serve_on(0, work)
}

pub fn serve_on(port: u16, work: Work) -> Listener {
    listen_on(port, job(work))
}

/// A receiver that was there before: the same key, ticket and port.
pub fn receive_again(directory: &Path, identity: &StaticKey, ticket: &Ticket) -> Listener {
    listen(ListenOptions {
        identity: Some(identity.clone()),
        ticket: Some(ticket.clone()),
        ..local(job(Work::Write(directory.into())))
    })
    .unwrap()
}

pub fn listen_for(job: Job) -> Listener {
    listen_on(0, job)
}

fn listen_on(port: u16, job: Job) -> Listener {
    listen(ListenOptions { port: Some(port), ..local(job) }).unwrap()
}

/// How to listen on this machine only.
pub fn local(job: Job) -> ListenOptions {
    let bind = vec![Ipv4Addr::LOCALHOST.into()];
    ListenOptions { bind, advertise: vec!["127.0.0.1".into()], ..ListenOptions::new(job) }
}

pub fn send(paths: &[PathBuf], ticket: &Ticket, lanes: u8) -> Transfer {
    dial(with(ticket, job(Work::Read(paths.to_vec())), lanes)).unwrap()
}

/// How to do `job` with whoever made the ticket, without trying again.
pub fn with(ticket: &Ticket, job: Job, lanes: u8) -> DialOptions {
    DialOptions {
        job,
        to: Destination::Ticket(ticket.clone()),
        lanes: Some(lanes),
        identity: None,
        retry: Duration::ZERO,
    }
}

pub fn job(work: Work) -> Job {
    Job {
        work,
        label: "test".into(),
        limit: None,
        keep: Keep::All,
        durability: Durability::default(),
        requests: Requests::default(),
        offers: None,
    }
}

pub fn next(listener: &Listener) -> Transfer {
    let (sender, receiver) = channel();
    listener.on_next(move |transfer| sender.send(transfer).unwrap());
    receiver.recv_timeout(PATIENCE).unwrap().unwrap()
}

pub fn close(listener: &Listener, abort: bool) {
    let (sender, receiver) = channel();
    listener.on_closed(move || sender.send(()).unwrap());
    listener.close(if abort { Closing::Cancel } else { Closing::Finish });
    receiver.recv_timeout(PATIENCE).unwrap();
}

pub fn finished(transfer: &Transfer) -> Result<(), Error> {
    outcome(transfer).recv_timeout(PATIENCE).unwrap()
}

pub fn outcome(transfer: &Transfer) -> Receiver<Result<(), Error>> {
    let (sender, receiver) = channel();
    transfer.on_finished(move |outcome| drop(sender.send(outcome)));
    receiver
}

pub fn settled(transfer: &Transfer) -> Vec<Settled> {
    let mut settled = transfer.take_settled(usize::MAX);
    settled.sort_by(|a, b| a.path.cmp(&b.path));
    settled
}

/// The names in a target folder that nobody writes to any more: beside them there is nothing but
/// records.
pub fn delivered(target: &Path) -> Vec<String> {
    let own = target.join(".hawser");
    assert!(!own.exists() || names(&own).iter().all(|name| ["partials", "records"].contains(&name.as_str())));
    names(target).into_iter().filter(|name| name != ".hawser").collect()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// `length` bytes that differ from those of another `seed`.
pub fn bytes(seed: u8, length: usize) -> Vec<u8> {
    let mut output = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut output);
    output
}

/// Waits until `condition` holds, as something that runs beside the test makes it.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// A line to a listener that breaks where the test says.
pub struct Line {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    released: Arc<AtomicBool>,
}

impl Line {
    /// A line that breaks a connection, numbered in the order they are made, as `fault` says.
    pub fn new(to: u16, fault: impl Fn(usize) -> Option<Fault> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let released = Arc::new(AtomicBool::new(false));
        let (accepted, release) = (connections.clone(), released.clone());
        thread::spawn(move || {
            for (number, near) in listener.incoming().map_while(Result::ok).enumerate() {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { continue };
                let both = || [near.try_clone().unwrap(), far.try_clone().unwrap()];
                accepted.fetch_add(1, Ordering::Relaxed);
                let ([from, into], [back_into, back_from]) = (both(), both());
                let fault = fault(number);
                let released = release.clone();
                thread::spawn(move || carry(from, into, fault, &released));
                let released = release.clone();
                thread::spawn(move || match fault {
                    // Whoever dialled is gone, and the listener must not learn of it.
                    Some(Fault::Abandon(_)) => drop(io::copy(&mut &back_from, &mut &back_into)),
                    _ => carry(back_from, back_into, None, &released),
                });
            }
        });
        Self { address, connections, released }
    }

    /// `ticket`, but for the other end of this line.
    pub fn ticket(&self, ticket: &Ticket) -> Ticket {
        let host = Host::Ip(self.address.ip());
        let secret = ticket.secret().clone();
        Ticket::new(vec![host], self.address.port(), ticket.key(), secret, ticket.permits()).unwrap()
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there have been.
    pub fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Cuts what is [`Fault::Held`].
    pub fn release(&self) {
        self.released.store(true, Ordering::Relaxed);
    }
}

/// What becomes of a connection after so many bytes towards the listener.
#[derive(Clone, Copy)]
pub enum Fault {
    Cut(u64),
    /// As [`Fault::Cut`], but not before the test says so; until then nothing more gets through.
    Held(u64),
    /// Open, but nothing gets through any more.
    Stall(u64),
    /// Cut for whoever dialled; the listener is left with a line on which nothing comes.
    Abandon(u64),
}

fn carry(mut from: TcpStream, mut into: TcpStream, fault: Option<Fault>, released: &AtomicBool) {
    let copied = match fault {
        Some(Fault::Cut(limit) | Fault::Held(limit) | Fault::Stall(limit) | Fault::Abandon(limit)) => {
            io::copy(&mut Read::by_ref(&mut from).take(limit), &mut into)
        }
        None => io::copy(&mut from, &mut into),
    };
    if let Some(Fault::Held(_)) = fault {
        until("the test releases the line", || released.load(Ordering::Relaxed));
    }
    if let Some(Fault::Abandon(_)) = fault {
        hang_up(&from);
    }
    if let Some(Fault::Stall(_) | Fault::Abandon(_)) = fault {
        // Until the process ends, or either end of the line does.
        let _ = io::copy(&mut into.try_clone().unwrap(), &mut io::sink());
    }
    if fault.is_some() || copied.is_err() {
        hang_up(&from);
        hang_up(&into);
    } else {
        let _ = into.shutdown(Shutdown::Write);
    }
}

fn hang_up(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

/// Speaks to a listener without being a hawser, and returns all that it answers.
pub fn shout(port: u16, words: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The listener may hang up in the middle of it.
    let _ = stream.write_all(words);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A file to send, and where to.
pub fn trees() -> (TempDir, TempDir) {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, 1000);
    (from, to)
}

/// Does something for each of these, some at a time.
pub fn each<T: Sync>(all: &[T], at_a_time: usize, attack: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    attack(one);
                }
            });
        }
    });
}

/// That the listener has taken nothing so far, and serves whoever comes as it should: with the file of [`trees`].
pub fn still_serves(listener: &Listener, from: &TempDir, to: &TempDir) {
    assert_eq!(delivered_so_far(to), Vec::<String>::new());
    finished(&send(&[from.path().join("file")], &listener.ticket(), 2)).unwrap();
    close(listener, false);
    assert_eq!(delivered(to.path()), ["file"]);
    assert_eq!(std::fs::read(to.path().join("file")).unwrap(), bytes(1, 1000));
}

fn delivered_so_far(to: &TempDir) -> Vec<String> {
    let names =
        std::fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != ".hawser").collect()
}
