//! What a process may do for the keys in its memory. For the command only: whether an embedding
//! program leaves dumps or can be traced is its own decision.

use crate::Error;

/// No core dump of this process is written, and on Linux no other process of this user can trace it or
/// read its memory and environment from now on; root still can.
///
/// # Errors
/// [`Error::Internal`] when the system refuses it.
pub fn protect_memory() -> Result<(), Error> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let refused = |error: rustix::io::Errno| Error::Internal(format!("cannot forbid dumps: {error}"));
        let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
        setrlimit(Resource::Core, limit).map_err(refused)?;
        // A dump that is piped to a program is written whatever the limit.
        #[cfg(target_os = "linux")]
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
            .map_err(refused)?;
    }
    Ok(())
}
