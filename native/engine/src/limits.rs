//! Every limit of the engine in one place, with the attack that it answers. The peer sets none of them.
//!
//! What both sides must agree on is in [`hawser_protocol::limits`]. docs/protocol.md, "Limits", has both
//! tables for readers.

use std::time::Duration;

/// Connections that have proven nothing, in all.
///
/// *Attack:* a port scan or a flood that opens connections and says nothing, or says some of a handshake. Each costs a
/// descriptor and less than 6 KiB, and so many of them less than 1.5 MiB. Never more than a quarter of the descriptors
/// that the process may have.
pub(crate) const MAX_STRANGERS: usize = 256;

/// The same from one source: an IPv4 address, or the /64 around an IPv6 address.
///
/// *Attack:* one machine that keeps all others out.
pub(crate) const MAX_STRANGERS_FROM_ONE_SOURCE: usize = 16;

/// When all those places are taken, a connection keeps its own for so long against one of another source with no
/// more. Who has more places than the other would have makes way at once.
///
/// *Attack:* silent connections from some addresses, or from a few networks of IPv6, each renewed when its time is up:
/// 26 a second would keep all others out for good.
pub(crate) const UNDISTURBED: Duration = Duration::from_secs(1);

/// A listener's deadline for all that a connection has to prove, from accept on.
///
/// *Attack:* a byte every now and then, which would keep a place for ever if each byte bought time.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes that one source may start in a second, and at once after a pause. One that succeeds does not
/// count, but see [`FIRSTS_FROM_ONE_SOURCE`]. Joins do not either: they cost no public-key work.
///
/// *Attack:* first messages, made of nothing or recorded, each of which costs the listener three X25519.
pub(crate) const HANDSHAKES_FROM_ONE_SOURCE: Rate = Rate { every: Duration::from_millis(50), at_once: 64 };

/// The same from all sources together.
///
/// *Attack:* the same from many addresses. So many take about a tenth of one core.
pub(crate) const HANDSHAKES: Rate = Rate { every: Duration::from_millis(2), at_once: 500 };

/// Handshakes of one source by which somebody comes for the first time, which is written down, and that do not count all
/// the same, in a second and at once after a pause: hundreds of users of one machine may come at a time. Others that
/// succeed never count.
///
/// *Attack:* whoever has a ticket, and comes over and over, each time with another key: for the public-key work, and for
/// what is written down of each key.
pub(crate) const FIRSTS_FROM_ONE_SOURCE: Rate =
    Rate { every: Duration::from_millis(20), at_once: MAX_SESSIONS as u32 };

/// The same of all sources together.
///
/// *Attack:* the same from many addresses.
pub(crate) const FIRSTS: Rate = Rate { every: Duration::from_millis(2), at_once: 4 * MAX_SESSIONS as u32 };

/// Guesses at the spoken code that one source may make. What it guesses beyond is wrong, whatever it is.
///
/// *Attack:* one machine that ends each code that is shown by guessing at it, so that nobody can come by one.
pub(crate) const GUESSES_FROM_ONE_SOURCE: Rate = Rate { every: Duration::from_secs(60), at_once: 6 };

/// The same of all sources together.
///
/// *Attack:* guessing from many addresses. At this rate it takes 2,700 years to guess all codes there are.
pub(crate) const GUESSES: Rate = Rate { every: Duration::from_secs(10), at_once: 60 };

/// So long after a loss somebody may come again who came by a code: the default patience of a dialler.
///
/// *Attack:* whoever was let in by three words, once, and comes again another day with other files.
pub(crate) const RETURN_WITHIN: Duration = Duration::from_secs(600);

/// Peers that were turned away of which a listener's user is told.
///
/// *Attack:* whoever has a ticket that is used up, and comes with it under thousands of keys.
pub(crate) const REFUSALS: Rate = Rate { every: Duration::from_secs(10), at_once: 8 };

/// Connections that the system queues until they are accepted.
///
/// *Attack:* none: a burst of lanes from many senders. Beyond it the system itself makes diallers wait.
pub(crate) const BACKLOG: i32 = 1024;

/// How long accepting rests when the system has no descriptor or memory for another connection, each time.
///
/// *Attack:* whatever exhausts descriptors: accepting again at once would fail again at once, on a whole
/// core.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Sessions at the same time, and finished ones that nobody has asked for yet; never more than an eighth of
/// the descriptors that the process may have. Whoever is one too many is told to come again.
///
/// *Attack:* whoever has a ticket, and opens sessions for their threads and descriptors.
pub(crate) const MAX_SESSIONS: usize = 1024;

/// Sessions that one key has a right to. It may have more, but only while half of all places are free.
///
/// *Attack:* one peer that takes every place. It cannot take the last half, of which every other peer can
/// have so many. Not a plain limit, because hundreds of senders of one user on one machine are one peer.
pub(crate) const MAX_SESSIONS_OF_ONE_PEER: usize = 8;

/// Sessions that one source has a right to, whatever their keys: an IPv4 address, or the /64 around an IPv6 address.
/// It may have more, but only while a quarter of all places is free. The last eighth is for keys on the listener's
/// list, if it has one, and those count for no source.
///
/// *Attack:* whoever has a ticket, and makes a key for each session: whose keys are many need not have many addresses.
/// Not a plain limit either, because a whole office may have one address.
pub(crate) const MAX_SESSIONS_OF_ONE_SOURCE: usize = 16;

/// Entries that all sessions of a process may leave unsettled, beside the smallest window
/// ([`hawser_protocol::limits::MIN_UNSETTLED`]), to which each has a right. Each takes about 1.5 KiB of a sink.
///
/// *Attack:* whoever has a ticket, and opens hundreds of sessions, each of which offers as much as it may.
pub(crate) const MAX_UNSETTLED_IN_ALL: u32 = 512 * 1024;

/// A session gets no larger window than so many of are left.
pub(crate) const MIN_WINDOWS_LEFT: u32 = 8;

/// Lanes of all sessions of one key, beside the first one of each.
///
/// *Attack:* one peer that asks for two threads and half a MiB of buffers sixteen times for each of its
/// sessions.
pub(crate) const MAX_LANES_OF_ONE_PEER: usize =
    MAX_SESSIONS_OF_ONE_PEER * hawser_protocol::limits::MAX_LANES as usize;

/// Lanes that join the sessions of a process's listeners, beside the first of each; never more than a quarter of the
/// descriptors that the process may have. Whoever is refused one goes on with those it has.
///
/// *Attack:* the same with many keys.
pub(crate) const MAX_LANES_IN_ALL: usize = 4096;

/// A lane that has had nothing to send for so long says that it lives.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(15);

/// A lane on which nothing has come for so long is lost.
///
/// *Attack:* a peer that is let in and then says nothing, to keep threads and a place.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(60);

/// A lane whose peer takes nothing for so long is lost. Longer than [`LOST_AFTER`], since on a slow line the
/// system only has room again when a third of a long queue is gone; and disks of peers stand still, too.
///
/// *Attack:* a peer that is let in, gives signs of life, and never reads.
pub(crate) const UNREAD_AFTER: Duration = Duration::from_secs(5 * 60);

/// So long a lane waits for the bytes of one record, from its first to its last, and longer only while they come
/// at [`RECORD_RATE`].
///
/// *Attack:* a peer that is let in and sends a byte now and then, each of which would be a sign of life. Or a length
/// that somebody on the line has made larger: the signs of life that follow would be taken for the rest of the record.
pub(crate) const RECORD_GRACE: Duration = UNREAD_AFTER;

/// Bytes a second: less than a lane gets that shares the lowest bandwidth limit with hundreds, and more than signs
/// of life come to.
pub(crate) const RECORD_RATE: u32 = 16;

/// How long a session waits for a peer that was let in: of this table, what can be waited for only in a test that
/// has it shorter.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// A lane on which nothing has come for so long is lost.
    pub lost_after: Duration,
    /// A lane whose peer takes nothing for so long is lost.
    pub unread_after: Duration,
    /// A record may take so long, however slowly its bytes come.
    pub record_grace: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { lost_after: LOST_AFTER, unread_after: UNREAD_AFTER, record_grace: RECORD_GRACE }
    }
}

/// Frames that ask for nothing and bring nothing, such as PING or what is said again, that one session may
/// receive in a second, and at once. Whoever sends more has its session ended.
///
/// *Attack:* a flood of frames that costs its sender next to nothing and keeps a core busy here. Frames with
/// an effect are not counted by the second: each is one of a bounded number of entries, chunks or records,
/// and the sender of 20,000 tiny files has a right to them.
pub(crate) const EMPTY_FRAMES: Rate = Rate { every: Duration::from_millis(10), at_once: 1000 };

/// Sessions of one listener that wait for its user's answer, at a time; further ones are told to come again.
///
/// *Attack:* whoever has a ticket, and offers without end what nobody answers: each keeps in memory what it
/// offers.
pub(crate) const MAX_UNDECIDED: usize = 64;

/// The same of one key.
///
/// *Attack:* one peer that keeps all others from being asked about.
pub(crate) const MAX_UNDECIDED_OF_ONE_PEER: usize = 8;

/// The same of one source.
///
/// *Attack:* the same with a key for each session.
pub(crate) const MAX_UNDECIDED_OF_ONE_SOURCE: usize = 16;

/// Bytes of paths, names and links' targets that a session keeps until there is an answer, also of what is
/// refused and not shown; a source that offers more waits.
/// 16,384 entries of any ordinary tree have a quarter of it.
///
/// *Attack:* paths of 33 KiB, or links with targets of 4 KiB, 16,384 times.
pub(crate) const MAX_UNDECIDED_BYTES: usize = 8 * 1024 * 1024;

/// A source from which no further entry comes for so long has offered as much as it does at a time, and waits
/// for an answer itself. A listener parks one that has not offered anything by then.
///
/// *Attack:* a place that is kept by offering one entry, or none, and no more.
pub(crate) const OFFER_QUIET: Duration = Duration::from_secs(10);

/// What has come by then is asked about, even if there is always more.
///
/// *Attack:* a place that is kept by an entry every now and then.
pub(crate) const OFFER_WITHIN: Duration = Duration::from_secs(5 * 60);

/// Accepted sessions that are remembered, for they may be lost and go on: as many as run at a time.
///
/// *Attack:* sessions that are accepted and lost, again and again.
pub(crate) const MAX_ACCEPTED: usize = MAX_SESSIONS;

/// Failed entries that are kept when only those are: [`crate::Progress::failed`] counts all.
///
/// *Attack:* a peer whose millions of entries are all refused; or a full disk.
pub const MAX_FAILED_KEPT: usize = 10_000;

/// Bytes of their paths.
///
/// *Attack:* the same with paths of 33 KiB.
pub(crate) const MAX_FAILED_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of the paths of entries that are kept when all are, until they are taken: millions of ordinary ones.
///
/// *Attack:* a peer that makes tens of thousands of empty files in the innermost of folders with long names.
pub const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// One so often on average, and so many at once after a pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) every: Duration,
    pub(crate) at_once: u32,
}
