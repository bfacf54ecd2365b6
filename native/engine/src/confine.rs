//! What a session's threads may do with files, whatever they are made to try: Landlock, on Linux.
//!
//! Handles keep a session inside its folder. This is the second wall: should a mistake get a peer's
//! path past the first one, the kernel refuses it. Connections are made elsewhere, and handed over. It binds threads and not processes, so that the
//! program around the engine stays as free as it was.

use cap_std::fs::Dir;

use crate::Error;

/// Rules for the threads of one session, or none where the kernel has no such thing.
#[derive(Debug)]
pub struct Confinement {
    #[cfg(target_os = "linux")]
    rules: Option<std::os::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
mod rules {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};

    use cap_std::fs::Dir;
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
        RulesetCreated, RulesetCreatedAttr, RulesetError,
    };

    /// The newest that was looked at: older kernels hold what they know of it.
    const NEWEST: ABI = ABI::V5;

    /// Before Linux 5.19 it was all or nothing: nobody confined could move a file into another folder.
    pub fn within(folder: &Dir) -> Result<RulesetCreated, RulesetError> {
        let all = AccessFs::from_all(NEWEST);
        // A sink makes files, folders and links, and runs nothing.
        let foreign = AccessFs::Execute
            | AccessFs::MakeChar
            | AccessFs::MakeBlock
            | AccessFs::MakeFifo
            | AccessFs::MakeSock
            | AccessFs::IoctlDev;
        Ruleset::default()
            .set_compatibility(CompatLevel::SoftRequirement)
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .handle_access(AccessNet::from_all(NEWEST))?
            .create()?
            .add_rule(PathBeneath::new(folder, all & !foreign))
    }

    pub fn reading() -> Result<RulesetCreated, RulesetError> {
        let all = AccessFs::from_write(NEWEST) | AccessFs::Execute;
        Ruleset::default().handle_access(all)?.handle_access(AccessNet::from_all(NEWEST))?.create()
    }

    /// Binds the calling thread.
    pub fn bind_thread(rules: &OwnedFd) -> io::Result<()> {
        rustix::thread::set_no_new_privs(true)?;
        // The crate would consume its rules, and a copy takes a descriptor, of which there may be none left.
        // SAFETY: it takes two numbers, and checks both.
        let refused = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) } != 0;
        let error = io::Error::last_os_error();
        // The program around is confined sixteenfold already, and nobody can be more than that.
        let is_deep_enough = error.raw_os_error() == Some(libc::E2BIG);
        if refused && !is_deep_enough { Err(error) } else { Ok(()) }
    }
}

impl Confinement {
    /// To files, folders and links in `folder`, wherever that is moved to, and to no new connection.
    ///
    /// # Errors
    /// [`Error::Internal`], of a kernel that can, but has not got what it takes.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "only Linux has Landlock"))]
    pub fn within(folder: &Dir) -> Result<Self, Error> {
        Ok(Self {
            #[cfg(target_os = "linux")]
            rules: rules::within(folder).map_err(|error| failed(&error))?.into(),
        })
    }

    /// To reading, anything, and to no new connection.
    ///
    /// # Errors
    /// As [`Confinement::within`].
    pub fn reading() -> Result<Self, Error> {
        Ok(Self {
            #[cfg(target_os = "linux")]
            rules: rules::reading().map_err(|error| failed(&error))?.into(),
        })
    }

    /// Binds the calling thread, and those that it will start, for good.
    ///
    /// # Errors
    /// As [`Confinement::within`].
    pub fn bind_thread(&self) -> Result<(), Error> {
        #[cfg(target_os = "linux")]
        if let Some(rules) = &self.rules {
            return rules::bind_thread(rules).map_err(|error| failed(&error));
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn failed(error: &dyn std::error::Error) -> Error {
    Error::Internal(format!("cannot confine the threads of a session: {error}"))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use cap_std::ambient_authority;
    use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};

    use super::*;

    /// What a thread that is bound so came to; `None`, said aloud, where nothing can be bound.
    fn bound<T: Send>(confinement: &Confinement, run: impl FnOnce() -> T + Send) -> Option<T> {
        let bound = || {
            confinement.bind_thread().unwrap();
            let of_all = Ruleset::default()
                .set_compatibility(CompatLevel::HardRequirement)
                .handle_access(AccessFs::from_all(ABI::V5));
            of_all.is_ok().then(run)
        };
        let result = std::thread::scope(|scope| scope.spawn(bound).join().unwrap());
        if result.is_none() {
            eprintln!("SKIPPED: this kernel has no Landlock, or not yet all of it");
        }
        result
    }

    fn yard() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let (target, outside) = (home.path().join("target"), home.path().join("outside"));
        for folder in [&target, &outside] {
            fs::create_dir_all(folder.join("a")).unwrap();
            fs::create_dir_all(folder.join("b")).unwrap();
            fs::write(folder.join("file"), "file").unwrap();
        }
        (home, target, outside)
    }

    /// Everything that a sink does, each as often as it was refused.
    fn refusals(folder: &Path) -> Vec<&'static str> {
        let at = |name: &str| folder.join(name);
        let tried = [
            ("create", fs::write(at("a/new"), "new")),
            ("truncate", fs::File::options().write(true).open(at("file")).and_then(|file| file.set_len(1))),
            ("move", fs::rename(at("a/new"), at("b/new"))),
            ("link", fs::hard_link(at("b/new"), at("a/linked"))),
            ("symlink", symlink("nowhere", at("a/link"))),
            ("make a folder", fs::create_dir(at("a/folder"))),
            ("remove a folder", fs::remove_dir(at("a/folder"))),
            ("remove", fs::remove_file(at("file"))),
            ("list", fs::read_dir(folder).map(drop)),
        ];
        let refused = |(what, result): (_, std::io::Result<()>)| match result {
            Ok(()) => None,
            // What was refused to be made cannot be moved.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(what),
            Err(error) => {
                assert!(
                    matches!(error.kind(), PermissionDenied | std::io::ErrorKind::CrossesDevices),
                    "{what}: {error}"
                );
                Some(what)
            }
        };
        tried.into_iter().filter_map(refused).collect()
    }

    #[test]
    fn who_is_confined_to_a_folder_does_everything_there_and_nothing_elsewhere() {
        let (_home, target, outside) = yard();
        let confinement =
            Confinement::within(&Dir::open_ambient_dir(&target, ambient_authority()).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let foreign = || {
            [
                UnixListener::bind(target.join("socket")).unwrap_err().kind(),
                TcpStream::connect(listener.local_addr().unwrap()).unwrap_err().kind(),
                TcpListener::bind("127.0.0.1:0").unwrap_err().kind(),
            ]
        };
        let Some((inside, elsewhere, read, foreign)) = bound(&confinement, || {
            (refusals(&target), refusals(&outside), fs::read(outside.join("file")), foreign())
        }) else {
            return;
        };
        assert!(inside.is_empty(), "{inside:?}");
        assert_eq!(elsewhere.len(), 9, "{elsewhere:?}");
        assert_eq!(read.unwrap_err().kind(), PermissionDenied);
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"file");
        assert!(foreign.into_iter().all(|kind| kind == PermissionDenied), "{foreign:?}");
        // Whoever bound nothing but that thread is as free as before.
        fs::write(outside.join("new"), "new").unwrap();
    }

    #[test]
    fn a_link_out_of_the_folder_leads_nowhere_for_who_is_confined_to_it() {
        let (_home, target, outside) = yard();
        symlink(&outside, target.join("out")).unwrap();
        let confinement =
            Confinement::within(&Dir::open_ambient_dir(&target, ambient_authority()).unwrap()).unwrap();
        let Some(written) = bound(&confinement, || fs::write(target.join("out/new"), "new")) else { return };
        assert_eq!(written.unwrap_err().kind(), PermissionDenied);
        assert!(!outside.join("new").exists());
    }

    #[test]
    fn who_is_confined_to_a_folder_follows_it_when_it_is_moved() {
        let (home, target, _) = yard();
        let confinement =
            Confinement::within(&Dir::open_ambient_dir(&target, ambient_authority()).unwrap()).unwrap();
        let moved = home.path().join("moved");
        fs::rename(&target, &moved).unwrap();
        fs::create_dir(&target).unwrap();
        let Some((there, here)) = bound(&confinement, || {
            (fs::write(moved.join("new"), "new"), fs::write(target.join("new"), "new"))
        }) else {
            return;
        };
        there.unwrap();
        assert_eq!(here.unwrap_err().kind(), PermissionDenied);
    }

    #[test]
    fn who_is_confined_to_reading_reads_everything_and_changes_nothing() {
        let (_home, _, outside) = yard();
        let Some((refused, read)) =
            bound(&Confinement::reading().unwrap(), || (refusals(&outside), fs::read(outside.join("file"))))
        else {
            return;
        };
        assert_eq!(refused.len(), 8, "{refused:?}");
        assert_eq!(read.unwrap(), b"file");
    }
}
