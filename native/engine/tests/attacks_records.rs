//! Attacks on a session that runs, over real sockets: records changed, cut, moved, repeated and reflected, and
//! lanes of those who do not belong to it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hawser_engine::{DialOptions, Durability, Error, Job, StaticKey, Ticket, Transfer, Work, dial};
use hawser_protocol::cipher::Side;
use support::dialler::{join, knock, open, rest};
use support::tap::{FIRST_RECORD, FROM_DIALLER, FROM_LISTENER, Tap, Unit, Verdict};
use support::{MIB, bytes, close, finished, job, listen_for, receive, send, settled, until, with, write};
use tempfile::tempdir;

/// A record with at least some of a file in it.
const LARGE: usize = 100_000;

/// Bytes of the file that is moved.
const LENGTH: usize = 24 * MIB;

fn quick(work: Work) -> Job {
    Job { durability: Durability::None, ..job(work) }
}

/// Moves a file over a line on which `meddle` does something to the connections, once, in either direction: all
/// of it comes, as it was, and nothing else does.
fn arrives_in_spite_of(lanes: u8, meddle: impl Fn(&Unit) -> Option<Verdict> + Send + Sync + Clone + 'static) {
    for side in [Side::Dialler, Side::Listener] {
        let meddle = meddle.clone();
        let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
        let path = from.path().join("file");
        write(&path, 1, LENGTH);
        let (read, written) = (quick(Work::Read(vec![path])), quick(Work::Write(to.path().into())));
        let (ours, theirs) = if side == Side::Dialler { (read, written) } else { (written, read) };
        let listener = listen_for(theirs);
        let done = Arc::new(AtomicBool::new(false));
        let happened = done.clone();
        let tap = Tap::new(listener.port(), move |unit| {
            let is_data = unit.from == side && unit.number >= FIRST_RECORD && unit.bytes.len() > LARGE;
            if !is_data || done.load(Ordering::Relaxed) {
                return Verdict::Pass;
            }
            match meddle(unit) {
                Some(verdict) => {
                    // What goes on while something is held back is not the attack yet.
                    done.store(
                        !matches!(&verdict, Verdict::Instead(bytes) if bytes.is_empty()),
                        Ordering::Relaxed,
                    );
                    verdict
                }
                None => Verdict::Pass,
            }
        });
        let options = with(&tap.ticket(&listener.ticket()), ours, lanes);
        let transfer = dial(DialOptions { retry: Duration::MAX, ..options }).unwrap();
        finished(&transfer).unwrap();
        assert!(happened.load(Ordering::Relaxed), "{side:?}");
        close(&listener, false);
        assert_eq!(support::delivered(to.path()), ["file"]);
        assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, LENGTH));
    }
}

/// Lets `count` records of the first connection go by.
fn behind(count: usize) -> impl Fn(&Unit) -> bool + Send + Sync + Clone {
    let passed = Arc::new(AtomicUsize::new(0));
    move |unit| unit.connection == 0 && passed.fetch_add(1, Ordering::Relaxed) % (count + 1) == count
}

#[test]
fn two_records_that_were_swapped_cost_the_lane_and_no_byte() {
    let is_there = behind(3);
    let held = Arc::new(Mutex::new(None));
    arrives_in_spite_of(1, move |unit| {
        let mut held = held.lock().unwrap();
        if let Some(first) = held.take() {
            return Some(Verdict::Instead([unit.bytes.clone(), first].concat()));
        }
        is_there(unit).then(|| {
            *held = Some(unit.bytes.clone());
            Verdict::Instead(Vec::new())
        })
    });
}

#[test]
fn a_record_that_was_dropped_costs_the_lane_and_no_byte() {
    let is_there = behind(3);
    let dropped = Arc::new(AtomicBool::new(false));
    arrives_in_spite_of(1, move |unit| {
        if dropped.swap(false, Ordering::Relaxed) {
            return Some(Verdict::Instead(unit.bytes.clone()));
        }
        is_there(unit).then(|| {
            dropped.store(true, Ordering::Relaxed);
            Verdict::Instead(Vec::new())
        })
    });
}

#[test]
fn a_record_that_came_twice_costs_the_lane_and_no_byte() {
    let is_there = behind(3);
    arrives_in_spite_of(1, move |unit| is_there(unit).then(|| Verdict::Instead(unit.bytes.repeat(2))));
}

#[test]
fn a_record_sent_back_to_whoever_sealed_it_costs_the_lane_and_no_byte() {
    let is_there = behind(3);
    arrives_in_spite_of(1, move |unit| is_there(unit).then(|| Verdict::Back(unit.bytes.clone())));
}

#[test]
fn a_record_cut_in_the_middle_costs_the_lane_and_no_byte() {
    let is_there = behind(3);
    arrives_in_spite_of(1, move |unit| {
        is_there(unit).then(|| Verdict::Cut(unit.bytes[..LARGE / 2].to_vec()))
    });
}

#[test]
fn a_bit_flipped_in_the_length_the_bytes_or_the_tag_of_a_record_costs_the_lane_and_no_byte() {
    for place in [0, 1, 3, 4, LARGE, usize::MAX] {
        let is_there = behind(3);
        arrives_in_spite_of(1, move |unit| {
            is_there(unit).then(|| {
                let mut flipped = unit.bytes.clone();
                let place = place.min(flipped.len() - 1);
                flipped[place] ^= 1;
                Verdict::Instead(flipped)
            })
        });
    }
}

#[test]
fn a_record_of_one_lane_put_into_another_costs_that_lane_and_no_byte() {
    let stolen = Arc::new(Mutex::new(None));
    arrives_in_spite_of(2, move |unit| {
        if unit.connection == 1 {
            stolen.lock().unwrap().get_or_insert_with(|| unit.bytes.clone());
            return None;
        }
        if unit.connection != 0 {
            return None;
        }
        until("the other lane has carried something", || stolen.lock().unwrap().is_some());
        let record = stolen.lock().unwrap().take()?;
        Some(Verdict::Instead(record))
    });
}

#[test]
fn a_record_of_an_earlier_session_costs_the_lane_and_no_byte() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 9, MIB);
    let listener = receive(to.path());
    let tap = Tap::listening(listener.port());
    finished(&send(&[from.path().join("file")], &tap.ticket(&listener.ticket()), 1)).unwrap();
    close(&listener, false);
    let old = tap.heard(0, Side::Dialler).into_iter().find(|record| record.len() > LARGE).unwrap();
    let is_there = behind(0);
    arrives_in_spite_of(1, move |unit| is_there(unit).then(|| Verdict::Instead(old.clone())));
}

/// A file that is being sent, slowly enough to be there until it is told to end.
fn running(from: &Path, ticket: &Ticket, lanes: u8) -> Transfer {
    let path = from.join("huge");
    fs::File::create(&path).unwrap().set_len(4 << 30).unwrap();
    send(&[path], ticket, lanes)
}

#[test]
fn nobody_joins_a_session_without_its_secret_nor_takes_a_lane_that_is_in_use() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let listener = receive(to.path());
    let ours = open(&listener.ticket(), &StaticKey::new([7; 32])).unwrap();
    let theirs = open(&listener.ticket(), &StaticKey::new([8; 32])).unwrap();
    let port = listener.port();
    let is_refused =
        |joined: std::io::Result<std::net::TcpStream>| joined.is_err() || rest(joined.unwrap()).is_empty();
    // With the right name and the secret of another session; with a name that nobody has.
    assert!(is_refused(join(port, ours.session, &theirs.secret, 1, 0)));
    assert!(is_refused(join(port, hawser_protocol::handshake::SessionId([7; 16]), &ours.secret, 1, 0)));
    // With the right secret: lane 0 is there, 16 is one too many.
    assert!(is_refused(join(port, ours.session, &ours.secret, 0, 1)));
    for lane in [16, 17, 255] {
        assert!(is_refused(join(port, ours.session, &ours.secret, lane, 0)));
    }
    let joined = join(port, ours.session, &ours.secret, 1, 5).unwrap();
    for attempt in [0, 5, 6, u32::MAX] {
        assert!(is_refused(join(port, ours.session, &ours.secret, 1, attempt)));
    }
    drop((joined, ours, theirs));
    // All of that held a stranger's place for no longer than it took.
    write(&from.path().join("file"), 1, MIB);
    finished(&send(&[from.path().join("file")], &listener.ticket(), 2)).unwrap();
    close(&listener, true);
    assert_eq!(fs::read(to.path().join("file")).unwrap(), bytes(1, MIB));
}

#[test]
fn a_recorded_join_that_is_replayed_is_refused_and_the_session_goes_on() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let listener = receive(to.path());
    let tap = Tap::listening(listener.port());
    let transfer = running(from.path(), &tap.ticket(&listener.ticket()), 2);
    until("the second lane has proven itself", || tap.heard(1, Side::Dialler).len() > 1);
    // The proof and some of a record: who is hung up on in the middle of much may not hear why.
    let mut said = tap.heard(1, Side::Dialler).concat();
    said.truncate(1000);
    for cut in [62, 62 + 40, said.len()] {
        let stream = knock(listener.port(), &said[..cut]);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert!(rest(stream).len() <= 32);
    }
    // With the next attempt, what proved the last one proves nothing.
    said[9 + 16 + 4] += 1;
    assert!(rest(knock(listener.port(), &said)).len() <= 32);
    let before = transfer.progress().bytes_done;
    let outcome = support::outcome(&transfer);
    until("more has come", || {
        assert!(outcome.try_recv().is_err(), "it has ended");
        transfer.progress().bytes_done > before
    });
    transfer.cancel();
    assert!(outcome.recv_timeout(support::PATIENCE).unwrap().is_err());
    close(&listener, true);
}

#[test]
fn no_lane_has_the_keys_of_another_however_often_lanes_are_lost() {
    const LANES: usize = 80;
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let listener = receive(to.path());
    // All but the first: some of them carry more first than others.
    let tap = Tap::new(listener.port(), |unit| {
        let is_last = unit.connection > 0 && unit.number > unit.connection % 4;
        if is_last { Verdict::Cut(unit.bytes.clone()) } else { Verdict::Pass }
    });
    let transfer = running(from.path(), &tap.ticket(&listener.ticket()), 16);
    let joined = |lane| {
        let said = [Side::Dialler, Side::Listener].map(|side| tap.heard(lane, side).into_iter().next());
        // One whose number is still taken at the listener is hung up on.
        let [request, answer] = said.map(|said| said.unwrap_or_default());
        (answer.len() == 40).then_some((request, answer))
    };
    until("many have joined", || (1..=LANES).filter_map(joined).count() > LANES / 2);
    transfer.cancel();
    assert!(finished(&transfer).is_err());
    close(&listener, true);
    let (mut nonces, mut names, mut count) = (HashSet::new(), HashSet::new(), 0);
    for (request, answer) in (1..=LANES).filter_map(joined) {
        count += 1;
        // Session, lane and attempt; and what is random in its keys, from either side.
        names.insert(request[9..30].to_vec());
        nonces.extend([request[30..62].to_vec(), answer[8..40].to_vec()]);
    }
    assert_eq!((names.len(), nonces.len()), (count, 2 * count));
}

#[test]
fn a_capture_has_no_name_size_content_label_key_or_ticket_in_clear() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("a name that stands out");
    write(&path, 1, 123_457);
    let listener = receive(to.path());
    let tap = Tap::listening(listener.port());
    let identity = StaticKey::new([7; 32]);
    let ticket = tap.ticket(&listener.ticket());
    let options =
        with(&ticket, Job { label: "a label that stands out".into(), ..job(Work::Read(vec![path])) }, 2);
    finished(&dial(DialOptions { identity: Some(identity.clone()), ..options }).unwrap()).unwrap();
    close(&listener, false);
    let captured = tap.everything();
    assert!(captured.len() > 123_457);
    let secret = ticket.secret();
    let hidden: [(&str, Vec<u8>); 8] = [
        ("name", b"stands out".to_vec()),
        ("size", 123_457_u64.to_be_bytes().to_vec()),
        ("content", bytes(1, 16)),
        ("hash", blake3::hash(&bytes(1, 123_457)).as_bytes().to_vec()),
        ("dialler's key", identity.public().0.to_vec()),
        ("listener's key", ticket.key().0.to_vec()),
        ("ticket's id", secret.id().0.to_vec()),
        ("ticket's key", secret.psk().to_vec()),
    ];
    for (what, hidden) in hidden {
        assert!(!captured.windows(hidden.len()).any(|bytes| bytes == hidden), "{what}");
    }
}

/// Which bytes of a session are flipped: near its beginning more of them. `HAWSER_FLIPS=all`: each.
fn places(from: usize, to: usize) -> Vec<usize> {
    if std::env::var_os("HAWSER_FLIPS").is_some() {
        return (from..to).collect();
    }
    (from..to).filter(|at| if *at < from + 2048 { at % 16 == 0 } else { at % 1024 == 0 }).collect()
}

/// One session for each byte of one side's that is flipped: what has a final name afterwards is right.
fn flips(pushing: bool, side: Side, places: &[usize]) {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(at) = places.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let name = at.to_string();
                    let path = from.path().join(&name);
                    write(&path, 1, 80_000);
                    let (read, written) =
                        (quick(Work::Read(vec![path])), quick(Work::Write(to.path().join(&name))));
                    let (ours, theirs) = if pushing { (read, written) } else { (written, read) };
                    let listener = listen_for(theirs);
                    let tap = Tap::new(listener.port(), move |unit| {
                        match unit.holds(at).filter(|_| unit.from == side) {
                            Some(at) => {
                                let mut flipped = unit.bytes.clone();
                                flipped[at] ^= 1 << (at % 8);
                                // A record that is said to be longer is waited for: whoever is on the line can
                                // stall it in many ways, and this one then hangs up.
                                if at < 4 { Verdict::Cut(flipped) } else { Verdict::Instead(flipped) }
                            }
                            None => Verdict::Pass,
                        }
                    });
                    let transfer = dial(with(&tap.ticket(&listener.ticket()), ours, 1)).unwrap();
                    if let Err(error) = finished(&transfer) {
                        assert!(!matches!(error, Error::Internal(_)), "byte {at}: {error:?}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(settled(&transfer));
                    close(&listener, true);
                    if let Ok(found) = fs::read(to.path().join(&name).join(&name)) {
                        assert!(found == bytes(1, 80_000), "byte {at}");
                    }
                }
            });
        }
    });
    // Behind the last record that matters, there may be a few bytes that do not.
    let failed = failed.into_inner();
    assert!(failed * 2 > places.len(), "{failed} of {}", places.len());
}

#[test]
fn a_bit_flipped_in_the_first_64_kib_of_what_is_pushed_puts_no_wrong_byte_under_a_name() {
    flips(true, Side::Dialler, &places(FROM_DIALLER, 65536));
}

#[test]
fn a_bit_flipped_in_the_first_64_kib_of_what_is_pulled_puts_no_wrong_byte_under_a_name() {
    flips(false, Side::Listener, &places(FROM_LISTENER, 65536));
}

#[test]
fn a_bit_flipped_in_what_a_sink_answers_puts_no_wrong_byte_under_a_name() {
    // The beginning of it: how long all of it is depends on how the records fall.
    flips(true, Side::Listener, &(FROM_LISTENER..FROM_LISTENER + 60).collect::<Vec<_>>());
    flips(false, Side::Dialler, &(FROM_DIALLER..FROM_DIALLER + 60).collect::<Vec<_>>());
}
