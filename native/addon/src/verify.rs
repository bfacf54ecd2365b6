//! Looking again at what was delivered, for JavaScript.

use hawser_engine::{Change, Difference, Verification, VerifyProgress, Which, verify as engine_verify};
use napi::bindgen_prelude::{Either, Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;

use crate::NativeFailure;
use crate::environment::environment;
use crate::options::{number, path};

/// What to verify.
#[napi(object)]
pub struct NativeVerifyOptions {
    /// The folder that was written into; bytes, as in NativeJob.
    pub directory: Uint8Array,
    /// Every record, instead of the newest.
    pub all: bool,
    /// The record of this session, instead of the newest.
    pub session: Option<String>,
}

/// A running verification.
#[napi]
pub struct NativeVerification(Verification);

#[napi]
impl NativeVerification {
    /// Counters now; cheap enough to poll ten times a second.
    #[napi(catch_unwind)]
    pub fn progress(&self) -> NativeVerifyProgress {
        self.0.progress().into()
    }

    /// The sessions whose records it goes by, the newest first; empty until they have been read.
    #[napi(catch_unwind)]
    pub fn sessions(&self) -> Vec<String> {
        self.0.sessions()
    }

    /// Differences found since the last call, at most `max`; in order of their paths once it ended.
    #[napi(catch_unwind)]
    pub fn take_differences(&self, max: u32) -> Vec<NativeDifference> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        self.0.take_differences(max).into_iter().map(NativeDifference::from).collect()
    }

    /// Resolves once, when it ended: null when every file has been looked at, else why not.
    #[napi(ts_return_type = "Promise<NativeFailure | null>", catch_unwind)]
    pub fn finished<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.on_finished(move |outcome| {
            deferred.resolve(move |_| Ok(outcome.err().map(NativeFailure::from)));
        });
        Ok(promise)
    }

    /// Ends it now; finished() then resolves with code CANCELLED. Idempotent.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// Starts to read and hash what was delivered into a folder.
#[napi(catch_unwind)]
pub fn verify(env: Env, options: NativeVerifyOptions) -> Result<Either<NativeVerification, NativeFailure>> {
    let environment = environment(&env)?;
    let which = match options.session {
        Some(session) => Which::Session(session),
        None if options.all => Which::All,
        None => Which::Newest,
    };
    Ok(match path(&options.directory).and_then(|directory| engine_verify(&directory, which)) {
        Ok(verification) => {
            environment.add_verification(&verification);
            Either::A(NativeVerification(verification))
        }
        Err(error) => Either::B(error.into()),
    })
}

/// Counters of a verification at one moment.
#[napi(object)]
pub struct NativeVerifyProgress {
    /// Files on record; 0 until that has been read.
    pub files_total: i64,
    /// Files looked at.
    pub files_done: i64,
    /// Bytes read of them.
    pub bytes_done: i64,
    /// Of those done, the ones that are not as they were delivered.
    pub different: i64,
    /// Milliseconds since it began, up to its end.
    pub elapsed_ms: i64,
}

impl From<VerifyProgress> for NativeVerifyProgress {
    fn from(progress: VerifyProgress) -> Self {
        Self {
            files_total: number(progress.files_total),
            files_done: number(progress.files_done),
            bytes_done: number(progress.bytes_done),
            different: number(progress.different),
            elapsed_ms: number(progress.elapsed_ms),
        }
    }
}

/// What has become of a file.
#[napi(string_enum = "lowercase")]
pub enum NativeChange {
    /// It has another content, or is no file any more.
    Changed,
    /// Nothing has its name.
    Missing,
    /// It cannot be read.
    Unreadable,
}

impl From<Change> for NativeChange {
    fn from(change: Change) -> Self {
        match change {
            Change::Changed => Self::Changed,
            Change::Missing => Self::Missing,
            Change::Unreadable => Self::Unreadable,
        }
    }
}

/// A file that is not as it was delivered.
#[napi(object)]
pub struct NativeDifference {
    /// Relative to the folder, "/"-separated, invalid UTF-8 replaced.
    pub path: String,
    pub change: NativeChange,
    /// What has become of it, for people.
    pub message: String,
}

impl From<Difference> for NativeDifference {
    fn from(difference: Difference) -> Self {
        let Difference { path, change, message } = difference;
        Self { path, change: change.into(), message }
    }
}
