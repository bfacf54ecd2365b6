//! How many files may be open.

/// A quarter of the descriptors that the process may have: what files may take that wait for something.
pub(crate) fn quarter() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        usize::try_from(limit / 4).unwrap_or(usize::MAX)
    }
    // Windows has no such limit.
    #[cfg(not(unix))]
    4096
}
