//! The environment of JavaScript that runs this: a worker, or the main thread. What it has started
//! ends with it, for its end may unload this code.

use std::cell::OnceCell;
use std::time::Duration;

use hawser_engine::Scope;
use napi::Env;

/// Longer than any session takes to say goodbye. A disk that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    /// One thread runs one environment, and ends with it.
    static SCOPE: OnceCell<Scope> = const { OnceCell::new() };
}

/// What runs in this environment.
pub fn scope(env: &Env) -> napi::Result<Scope> {
    SCOPE.with(|known| {
        if let Some(scope) = known.get() {
            return Ok(scope.clone());
        }
        let scope = Scope::default();
        env.add_env_cleanup_hook(scope.clone(), |scope| scope.end(PATIENCE))?;
        Ok(known.get_or_init(|| scope).clone())
    })
}
