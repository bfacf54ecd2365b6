//! Promises of what the engine does on a thread of its own.

use std::sync::{Arc, Mutex, PoisonError};

use hawser_engine::Error;
use napi::bindgen_prelude::{Either, Object, ToNapiValue};
use napi::{Env, Result};

use crate::NativeFailure;
use crate::environment::environment;

/// What a call of the engine comes to.
pub type Outcome<T> = std::result::Result<T, Error>;
/// What a call of the engine gives its result to.
pub type Finished<T> = Box<dyn FnOnce(Outcome<T>) + Send>;

/// A promise of what `start` has its argument called with, or of why it could not start.
pub fn promise<'env, T: Send + 'static, N: ToNapiValue + 'static>(
    env: &'env Env,
    start: impl FnOnce(Finished<T>) -> Outcome<()>,
    convert: fn(T) -> N,
) -> Result<Object<'env>> {
    let environment = environment(env)?;
    let (deferred, promise) = env.create_deferred()?;
    let ended = environment.add_unstoppable();
    // What cannot start drops what it was given, and a promise that nothing settles keeps Node alive.
    let settle = Arc::new(Mutex::new(Some(move |outcome: Outcome<T>| {
        deferred.resolve(move |_| {
            Ok(match outcome {
                Ok(value) => Either::A(convert(value)),
                Err(error) => Either::B(NativeFailure::from(error)),
            })
        });
        ended();
    })));
    let later = settle.clone();
    if let Err(error) = start(Box::new(move |outcome| settle_once(&later, outcome))) {
        settle_once(&settle, Err(error));
    }
    Ok(promise)
}

fn settle_once<T>(settle: &Mutex<Option<impl FnOnce(Outcome<T>)>>, outcome: Outcome<T>) {
    let settle = settle.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(settle) = settle {
        settle(outcome);
    }
}
