//! The folder that is written into, for as long as somebody has sessions that write into it.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use cap_std::fs::Dir;

use crate::disk::{Claim, Taken, open_target};

/// A folder that is opened when it is first needed, and held from then on: whatever gets its name later, all
/// sessions write into the same one. Clones are the same folder.
#[derive(Clone, Default)]
pub(crate) struct TargetFolder {
    opened: Arc<OnceLock<Arc<Dir>>>,
    is_claimed: bool,
}

impl TargetFolder {
    /// The folder, which is `directory` if it was not open yet, made if missing.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open(&self, directory: &Path) -> io::Result<Arc<Dir>> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.clone());
        }
        let opened = open_target(directory)?;
        Ok(self.opened.get_or_init(|| opened).clone())
    }

    /// Claims it for a listener, if it is open.
    ///
    /// # Errors
    /// [`Taken`], when somebody else receives into it.
    pub fn claim(&mut self) -> Result<Option<Claim>, Taken> {
        let claim = self.opened.get().map(|folder| Claim::alone(folder)).transpose()?;
        self.is_claimed = claim.is_some();
        Ok(claim)
    }

    /// Whether it is claimed for longer than a session.
    pub fn is_claimed(&self) -> bool {
        self.is_claimed
    }
}
