//! The environment of JavaScript that runs this: a worker, or the main thread. What it has started
//! ends with it, for its end may unload this code.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hawser_engine::{Scope, Verification};
use napi::Env;

/// Longer than any session takes to say goodbye. A disk that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    /// One thread runs one environment, and ends with it.
    static ENVIRONMENT: OnceCell<Environment> = const { OnceCell::new() };
}

/// What runs in this environment.
pub fn environment(env: &Env) -> napi::Result<Environment> {
    ENVIRONMENT.with(|known| {
        if let Some(environment) = known.get() {
            return Ok(environment.clone());
        }
        let environment = Environment::default();
        env.add_env_cleanup_hook(environment.clone(), |environment| environment.end(PATIENCE))?;
        Ok(known.get_or_init(|| environment).clone())
    })
}

/// What runs in an environment. Clones are the same one.
#[derive(Clone, Default)]
pub struct Environment {
    /// Transfers and listeners.
    pub scope: Scope,
    local: Arc<Local>,
}

/// What has no peer: it is stopped if it can be, and waited for.
#[derive(Default)]
struct Local {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    running: BTreeMap<u64, Option<Verification>>,
}

impl Environment {
    /// Adds a verification, until it has ended.
    pub fn add_verification(&self, verification: &Verification) {
        let remove = self.add(Some(verification.clone()));
        verification.on_finished(|_| remove());
    }

    /// Adds something that cannot be stopped, until the result is called.
    pub fn add_unstoppable(&self) -> impl FnOnce() + Send + 'static {
        self.add(None)
    }

    fn add(&self, stoppable: Option<Verification>) -> impl FnOnce() + Send + 'static {
        let mut state = self.local.lock();
        let id = state.next;
        state.next += 1;
        state.running.insert(id, stoppable);
        drop(state);
        let local = self.local.clone();
        move || {
            local.lock().running.remove(&id);
            local.changed.notify_all();
        }
    }

    /// Ends all that runs, and waits for that, no longer than `patience`.
    fn end(&self, patience: Duration) {
        let began = Instant::now();
        self.local.lock().running.values().flatten().for_each(Verification::cancel);
        self.scope.end(patience);
        let left = patience.saturating_sub(began.elapsed());
        let runs = |state: &mut State| !state.running.is_empty();
        // Whoever ends has waited long enough then.
        let _ = self.local.changed.wait_timeout_while(self.local.lock(), left, runs);
    }
}

impl Local {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
