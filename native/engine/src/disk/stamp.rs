//! The mode and time that what arrives is given.

use std::fs::{File, FileTimes};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
#[cfg(unix)]
use cap_std::fs::Dir;
use cap_std::fs::{DirBuilder, OpenOptions};
use hawser_protocol::manifest::Mtime;

#[cfg(unix)]
use super::stat::Form;

/// How to create a file that shall end up with `mode`: for writing, and only if nothing has its
/// name.
#[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix has modes"))]
pub fn new_file(mode: u16) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, mode_while_filled(mode, Form::File));
    options
}

/// How to create a folder that shall end up with `mode`.
#[cfg_attr(not(unix), expect(unused_variables, unused_mut, reason = "only Unix has modes"))]
pub fn new_folder(mode: u16) -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(&mut builder, mode_while_filled(mode, Form::Folder));
    builder
}

/// Whether a file that was created with [`new_file`] does not have its mode yet.
#[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix has modes"))]
pub fn changes_mode(mode: u16) -> bool {
    #[cfg(unix)]
    return u32::from(mode & 0o777) != mode_while_filled(mode, Form::File);
    #[cfg(not(unix))]
    false
}

/// Gives a file or folder that was created with [`new_file`] or [`new_folder`] its mode.
///
/// The mode only ever loses bits here, so even a handle that someone managed to exchange could
/// not be opened up to anybody.
///
/// # Errors
/// Those of the operating system.
#[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix has modes"))]
pub fn set_mode(file: &File, mode: u16) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found = file.metadata()?.permissions().mode() & 0o777;
        let kept = found & u32::from(mode);
        if kept != found {
            file.set_permissions(std::fs::Permissions::from_mode(kept))?;
        }
    }
    Ok(())
}

/// Gives a file or folder its time.
///
/// # Errors
/// Those of the operating system.
pub fn set_time(file: &File, mtime: Mtime) -> io::Result<()> {
    // With that of the last access: many file systems in user space silently ignore one without the other.
    file.set_times(FileTimes::new().set_modified(time_of(mtime)).set_accessed(SystemTime::now()))
}

/// Gives `file`, which an earlier session created in `folder`, the mode that [`new_file`] would give one
/// now: the mode that it shall end up with may be another one by now. `probe` is a name in `folder` that
/// nothing has.
///
/// # Errors
/// Those of the operating system.
#[cfg(unix)]
pub fn renew_mode(file: &File, folder: &Dir, probe: &str, mode: u16) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let now = file.metadata()?.permissions().mode() & 0o777;
    if now == mode_while_filled(mode, Form::File) {
        return Ok(());
    }
    // What umask and default ACLs leave of it only the kernel knows.
    let made = folder.open_with(probe, &new_file(mode))?.into_std();
    folder.remove_file(probe)?;
    let wanted = made.metadata()?.permissions().mode() & 0o777;
    if now == wanted { Ok(()) } else { file.set_permissions(std::fs::Permissions::from_mode(wanted)) }
}

/// The mode to create something with that shall end up with `mode`: its owner can still fill it.
///
/// Creating with it, rather than setting it later, leaves umask and default ACLs to the kernel,
/// which alone knows them without a race.
#[cfg(unix)]
fn mode_while_filled(mode: u16, form: Form) -> u32 {
    u32::from(mode & 0o777) | if form == Form::Folder { 0o700 } else { 0o600 }
}

/// The time, or 1970 when this system cannot represent it: a peer's nonsense is no reason to lose
/// the file.
fn time_of(mtime: Mtime) -> SystemTime {
    let seconds = Duration::from_secs(mtime.seconds.unsigned_abs());
    let second = match mtime.seconds {
        0.. => UNIX_EPOCH.checked_add(seconds),
        _ => UNIX_EPOCH.checked_sub(seconds),
    };
    let nanoseconds = Duration::from_nanos(mtime.nanoseconds.into());
    second.and_then(|second| second.checked_add(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::super::stat::mtime_of;
    use super::*;

    #[test]
    fn times_survive_both_ways_before_and_after_1970() {
        for (seconds, nanoseconds) in [(0, 0), (0, 1), (-1, 0), (-1, 999_999_999), (-2, 1), (1 << 40, 5)] {
            let mtime = Mtime { seconds, nanoseconds };
            assert_eq!(mtime_of(time_of(mtime)), mtime);
        }
    }

    #[test]
    fn the_most_extreme_times_do_no_harm() {
        for seconds in [i64::MIN, i64::MAX] {
            for nanoseconds in [0, 999_999_999, u32::MAX] {
                mtime_of(time_of(Mtime { seconds, nanoseconds }));
            }
        }
    }
}
