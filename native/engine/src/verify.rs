//! Looking again at what past sessions delivered into a folder: is it still what it was?

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hawser_protocol::error::ContentHash;

use crate::Error;
use crate::confine::Confinement;
use crate::disk::{Delivered, Folders, Location, Recheck, Records, Verdict, check};
use crate::error::words;
use crate::session::{panicked, spawn};
use crate::transfer::lock;

/// More threads than this read and hash faster than most disks deliver, and leave nothing of the
/// processor to others.
const MAX_THREADS: usize = 4;

/// Which records to go by. Where several name one file, the newest of them counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of the session that began last.
    Newest,
    /// All there are.
    All,
    /// That of one session, by its name.
    Session(String),
}

/// What has become of a file that is not as it was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has another content, or something else than a file has its name.
    Changed,
    /// Nothing has its name.
    Missing,
    /// It cannot be read.
    Unreadable,
}

/// A file that is not as it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Below the folder, names joined by "/", what is not UTF-8 replaced. Not to be shown unescaped.
    pub path: String,
    /// What has become of it.
    pub change: Change,
    /// The same, for a person.
    pub message: String,
}

/// Counters of a verification at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Files on record; 0 until that has been read.
    pub files_total: u64,
    /// Files looked at.
    pub files_done: u64,
    /// Bytes read of them.
    pub bytes_done: u64,
    /// Of those done, the ones that are not as they were delivered.
    pub different: u64,
    /// Milliseconds since it began, up to its end.
    pub elapsed_ms: u64,
}

/// A handle to a running or ended verification. Clones are the same one; dropping one does not stop
/// it.
#[derive(Clone)]
pub struct Verification(Arc<State>);

type Finished = Box<dyn FnOnce(Result<(), Error>) + Send>;

struct State {
    directory: PathBuf,
    began: Instant,
    stopped: AtomicBool,
    files_total: AtomicU64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    different: AtomicU64,
    sessions: Mutex<Vec<String>>,
    differences: Mutex<VecDeque<Difference>>,
    end: Mutex<End>,
}

#[derive(Default)]
struct End {
    outcome: Option<(Result<(), Error>, u64)>,
    waiting: Vec<Finished>,
}

/// Starts to read and hash what the records of sessions in `directory` say was delivered there.
///
/// # Errors
/// [`Error::Internal`] when no thread can be had. All else is told by [`Verification::on_finished`].
pub fn verify(directory: &Path, which: Which) -> Result<Verification, Error> {
    let verification = Verification(Arc::new(State {
        directory: directory.into(),
        began: Instant::now(),
        stopped: AtomicBool::new(false),
        files_total: AtomicU64::new(0),
        files_done: AtomicU64::new(0),
        bytes_done: AtomicU64::new(0),
        different: AtomicU64::new(0),
        sessions: Mutex::default(),
        differences: Mutex::default(),
        end: Mutex::default(),
    }));
    let state = verification.0.clone();
    spawn("hawser-verify".into(), move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            Confinement::reading()?.bind_thread()?;
            state.run(&which)
        }));
        state.finish(outcome.unwrap_or_else(|_| Err(panicked())));
    })?;
    Ok(verification)
}

impl Verification {
    /// The counters now. Cheap.
    pub fn progress(&self) -> VerifyProgress {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let state = &self.0;
        VerifyProgress {
            files_total: load(&state.files_total),
            files_done: load(&state.files_done),
            bytes_done: load(&state.bytes_done),
            different: load(&state.different),
            elapsed_ms: lock(&state.end).outcome.as_ref().map_or_else(|| state.elapsed_ms(), |(_, ms)| *ms),
        }
    }

    /// The names of the sessions whose records it goes by, the newest first; none until they have
    /// been read.
    pub fn sessions(&self) -> Vec<String> {
        lock(&self.0.sessions).clone()
    }

    /// Differences found since the last call, at most `max`; in order of their paths once it
    /// has ended.
    pub fn take_differences(&self, max: usize) -> Vec<Difference> {
        let mut differences = lock(&self.0.differences);
        let count = differences.len().min(max);
        differences.drain(..count).collect()
    }

    /// Calls `finished` once, from some thread, when every file has been looked at or that became
    /// impossible, and no file is open any more; at once when that is already so.
    pub fn on_finished(&self, finished: impl FnOnce(Result<(), Error>) + Send + 'static) {
        let mut end = lock(&self.0.end);
        match end.outcome.clone() {
            Some((outcome, _)) => {
                drop(end);
                finished(outcome);
            }
            None => end.waiting.push(Box::new(finished)),
        }
    }

    /// Stops it: it ends with [`Error::Cancelled`] unless it has ended already.
    pub fn cancel(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn run(&self, which: &Which) -> Result<(), Error> {
        let opened = Dir::open_ambient_dir(&self.directory, ambient_authority());
        let target = opened.map_err(|error| Error::disk("verify", &self.directory, &error))?;
        let delivered = self.read(&target, which)?;
        self.files_total.store(delivered.len() as u64, Ordering::Relaxed);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let left = Mutex::new(Recheck::new(target, delivered));
        let folders = Folders::default();
        thread::scope(|scope| {
            for _ in 1..threads {
                // This one goes on alone if there are none to be had.
                let work = || self.work(&left, &folders);
                let _ = thread::Builder::new().name("hawser-verify".into()).spawn_scoped(scope, work);
            }
            self.work(&left, &folders);
        });
        lock(&self.differences).make_contiguous().sort_by(|one, other| one.path.cmp(&other.path));
        if self.is_stopped() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Reads the records asked for, the oldest first, so that the newest counts.
    fn read(&self, target: &Dir, which: &Which) -> Result<Delivered, Error> {
        let records = Records::find(target).map_err(|error| self.fault(".hawser/records", &error))?;
        let names = match &records {
            Some(records) => records.names().map_err(|error| self.fault(".hawser/records", &error))?,
            None => Vec::new(),
        };
        let mut chosen = match which {
            Which::Newest => names.into_iter().take(1).collect::<Vec<_>>(),
            Which::All => names,
            Which::Session(session) => {
                let wanted = format!("{}.b3", session.strip_suffix(".b3").unwrap_or(session));
                names.into_iter().filter(|name| *name == wanted).collect()
            }
        };
        let mut delivered = Delivered::new();
        for name in chosen.iter().rev() {
            let read = records.as_ref().map_or(Ok(()), |records| records.read(name, &mut delivered));
            read.map_err(|error| self.fault(&format!(".hawser/records/{name}"), &error))?;
        }
        if delivered.is_empty() {
            let text = match which {
                Which::Session(session) => format!("there is no record of a session {session}"),
                _ => "no session has left a record of what it delivered there".into(),
            };
            let error = io::Error::new(io::ErrorKind::NotFound, text);
            return Err(Error::disk("verify", &self.directory, &error));
        }
        for name in &mut chosen {
            name.truncate(name.len() - ".b3".len());
        }
        *lock(&self.sessions) = chosen;
        Ok(delivered)
    }

    fn work(&self, left: &Mutex<Recheck>, folders: &Folders) {
        // The lock is held for this line only.
        while let Some((location, hash)) = { lock(left).next() } {
            if self.is_stopped() || !self.look(folders, &location, hash) {
                return;
            }
        }
    }

    /// Looks at one file; `false` when it was stopped.
    fn look(&self, folders: &Folders, location: &Location, hash: ContentHash) -> bool {
        let verdict = check(folders, location, hash, |bytes| {
            self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
            !self.is_stopped()
        });
        let (change, message) = match verdict {
            None => return false,
            Some(Verdict::Same) => {
                self.files_done.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Some(Verdict::Changed) => (Change::Changed, "it is not what was delivered".into()),
            Some(Verdict::Missing) => (Change::Missing, "it is not there".into()),
            Some(Verdict::Unreadable(error)) => {
                (Change::Unreadable, format!("it cannot be read: {}", words(&error)))
            }
        };
        lock(&self.differences).push_back(Difference { path: location.display(), change, message });
        self.different.fetch_add(1, Ordering::Relaxed);
        self.files_done.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn finish(&self, outcome: Result<(), Error>) {
        let mut end = lock(&self.end);
        end.outcome = Some((outcome.clone(), self.elapsed_ms()));
        let waiting = std::mem::take(&mut end.waiting);
        drop(end);
        waiting.into_iter().for_each(|finished| finished(outcome.clone()));
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn fault(&self, below: &str, error: &io::Error) -> Error {
        Error::disk("read", &self.directory.join(below), error)
    }
}
