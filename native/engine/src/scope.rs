//! What an embedding program has running, and what becomes of it when that ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::closing::Closing;
use crate::transfer::lock;
use crate::{Listener, Transfer};

/// Transfers and listeners that must not outlive whoever started them: their threads run code that
/// may be unloaded with it. Clones are the same scope.
#[derive(Clone, Default)]
pub struct Scope(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    running: BTreeMap<u64, Running>,
}

#[derive(Clone)]
enum Running {
    Transfer(Transfer),
    Listener(Listener),
}

impl Scope {
    /// Adds a transfer, until it has ended.
    pub fn add_transfer(&self, transfer: &Transfer) {
        let remove = self.add(Running::Transfer(transfer.clone()));
        transfer.on_finished(|_| remove());
    }

    /// Adds a listener with its sessions, until it is closed and the last of them has ended.
    pub fn add_listener(&self, listener: &Listener) {
        let remove = self.add(Running::Listener(listener.clone()));
        listener.on_closed(remove);
    }

    /// Parks all that runs, and waits until it has ended, no longer than `patience`.
    pub fn end(&self, patience: Duration) {
        let running: Vec<_> = lock(&self.0.state).running.values().cloned().collect();
        for running in running {
            match running {
                Running::Transfer(transfer) => transfer.park(),
                Running::Listener(listener) => listener.close(Closing::Park),
            }
        }
        let state = lock(&self.0.state);
        let runs = |state: &mut State| !state.running.is_empty();
        // Whoever ends has waited long enough then.
        let _ = self.0.changed.wait_timeout_while(state, patience, runs);
    }

    fn add(&self, running: Running) -> impl FnOnce() + Send + 'static {
        let mut state = lock(&self.0.state);
        let id = state.next;
        state.next += 1;
        state.running.insert(id, running);
        drop(state);
        let shared = self.0.clone();
        move || {
            lock(&shared.state).running.remove(&id);
            shared.changed.notify_all();
        }
    }
}
