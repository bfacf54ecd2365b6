//! A listening port for JavaScript.

use hawser_engine::{
    Closing, CodeChange, ListenOptions, Listener, Offer, Offers, Refusal, RefusedFor, ShownCode, TicketUse,
    listen as engine_listen,
};
use napi::bindgen_prelude::{Either, Object};
use napi::{Env, Result};
use napi_derive::napi;

use crate::NativeFailure;
use crate::environment::environment;
use crate::offer::NativeOffer;
use crate::options::{NativeListenOptions, limit};
use crate::transfer::NativeTransfer;

/// A listening port that serves sessions: a receiver (sink) or a sharer (source).
#[napi]
pub struct NativeListener(Listener, Option<Offers>);

#[napi]
impl NativeListener {
    /// What a sender, or a fetcher, needs.
    #[napi(getter, catch_unwind)]
    pub fn ticket(&self) -> String {
        self.0.ticket().to_string()
    }

    /// In seconds since 1970, when it lets nobody new in any more.
    #[napi(getter, catch_unwind)]
    pub fn expires(&self) -> Option<f64> {
        self.0.ticket().expires().map(|seconds| seconds as f64)
    }

    /// How much of its limits the ticket has come to.
    #[napi(getter, catch_unwind)]
    pub fn ticket_use(&self) -> NativeTicketUse {
        let TicketUse { peers, bytes, entries } = self.0.ticket_use();
        NativeTicketUse { peers: peers as f64, bytes: bytes as f64, entries: entries as f64 }
    }

    /// Makes another ticket, and lets nobody in with this one any more; both at once. Resolves when the ledger has it.
    /// A failure comes back as a value.
    #[napi(ts_return_type = "Promise<string | NativeFailure>", catch_unwind)]
    pub fn revoke<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.revoke_and(move |ticket| {
            deferred.resolve(move |_| {
                Ok(match ticket {
                    Ok(ticket) => Either::A(ticket.to_string()),
                    Err(error) => Either::B(NativeFailure::from(error)),
                })
            });
        });
        Ok(promise)
    }

    /// The next short code to show; null when there will be none any more.
    #[napi(ts_return_type = "Promise<NativeCode | null>", catch_unwind)]
    pub fn next_code<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.on_code(move |code| deferred.resolve(move |_| Ok(code.map(NativeCode::from))));
        Ok(promise)
    }

    /// The next peer that has what lets in, and was not let in; null once closed.
    #[napi(ts_return_type = "Promise<NativeRefusal | null>", catch_unwind)]
    pub fn next_refusal<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.on_refusal(move |refusal| {
            deferred.resolve(move |_| Ok(refusal.map(NativeRefusal::from)));
        });
        Ok(promise)
    }

    /// The port listened on.
    #[napi(getter, catch_unwind)]
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// The socket addresses listened on, such as "[::]:7707".
    #[napi(getter, catch_unwind)]
    pub fn addresses(&self) -> Vec<String> {
        self.0.addresses().iter().map(ToString::to_string).collect()
    }

    /// The next session a peer opened; null once closed and none is left.
    #[napi(ts_return_type = "Promise<NativeTransfer | null>", catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.on_next(move |transfer| {
            deferred.resolve(move |_| Ok(transfer.map(NativeTransfer::from)));
        });
        Ok(promise)
    }

    /// The next offer to decide about; null when there will be none.
    #[napi(ts_return_type = "Promise<NativeOffer | null>", catch_unwind)]
    pub fn next_offer<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let next = move |offer: Option<Offer>| deferred.resolve(move |_| Ok(offer.map(NativeOffer::from)));
        match &self.1 {
            Some(offers) => offers.on_next(next),
            None => next(None),
        }
        Ok(promise)
    }

    /// Limits all transfers together to so many bytes a second, or no longer. A bad limit comes back
    /// as a failure.
    #[napi(catch_unwind)]
    pub fn set_limit(&self, bytes_per_second: Option<i64>) -> Option<NativeFailure> {
        limit(bytes_per_second).map(|limit| self.0.set_limit(limit)).err().map(NativeFailure::from)
    }

    /// Stops accepting, and says what becomes of running sessions. May be called again.
    #[napi(catch_unwind)]
    pub fn close(&self, closing: NativeClosing) {
        self.0.close(closing.into());
    }

    /// Resolves when closed and the last session has ended.
    #[napi(ts_return_type = "Promise<void>", catch_unwind)]
    pub fn closed<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.on_closed(move || deferred.resolve(move |_| Ok(())));
        Ok(promise)
    }
}

/// How much a ticket was used.
#[napi(object)]
pub struct NativeTicketUse {
    pub peers: f64,
    pub bytes: f64,
    pub entries: f64,
}

/// A short code to show.
#[napi(object)]
pub struct NativeCode {
    pub code: String,
    pub reason: NativeCodeReason,
}

/// Why a code is shown.
#[napi(string_enum = "lowercase")]
pub enum NativeCodeReason {
    /// There was none before.
    First,
    /// Somebody has come with the one before.
    Used,
    /// The one before was guessed at too often.
    Guessed,
    /// The one before is too old.
    Expired,
    /// The one before was revoked.
    Revoked,
}

impl From<ShownCode> for NativeCode {
    fn from(ShownCode { code, why }: ShownCode) -> Self {
        let reason = match why {
            CodeChange::First => NativeCodeReason::First,
            CodeChange::Used => NativeCodeReason::Used,
            CodeChange::Guessed => NativeCodeReason::Guessed,
            CodeChange::Expired => NativeCodeReason::Expired,
            CodeChange::Revoked => NativeCodeReason::Revoked,
        };
        Self { code: code.to_string(), reason }
    }
}

/// Whom a listener has not let in.
#[napi(object)]
pub struct NativeRefusal {
    pub address: String,
    /// In base32.
    pub public_key: String,
    pub fingerprint: String,
    pub reason: NativeRefusalReason,
}

/// Why somebody with the ticket, the code or a known key was not let in.
#[napi(string_enum = "kebab-case")]
pub enum NativeRefusalReason {
    /// As many as may come have come.
    UsedUp,
    /// The time of the ticket is over.
    Expired,
    /// There is no place at the moment.
    Busy,
}

impl From<Refusal> for NativeRefusal {
    fn from(Refusal { key, address, why }: Refusal) -> Self {
        let reason = match why {
            RefusedFor::UsedUp => NativeRefusalReason::UsedUp,
            RefusedFor::Expired => NativeRefusalReason::Expired,
            RefusedFor::Busy => NativeRefusalReason::Busy,
        };
        let (public_key, fingerprint) = (key.to_string(), key.fingerprint());
        Self { address: address.to_string(), public_key, fingerprint, reason }
    }
}

/// What becomes of the running sessions of a listener that is closed.
#[napi(string_enum = "lowercase")]
pub enum NativeClosing {
    /// They go on to their end.
    Finish,
    /// They end for now, and the peers are told that they may continue.
    Park,
    /// They end.
    Cancel,
}

impl From<NativeClosing> for Closing {
    fn from(closing: NativeClosing) -> Self {
        match closing {
            NativeClosing::Finish => Self::Finish,
            NativeClosing::Park => Self::Park,
            NativeClosing::Cancel => Self::Cancel,
        }
    }
}

/// Starts listening. Options are validated; a failure comes back as a value.
#[napi(catch_unwind)]
pub fn listen(env: Env, options: NativeListenOptions) -> Result<Either<NativeListener, NativeFailure>> {
    let environment = environment(&env)?;
    let options: std::result::Result<ListenOptions, _> = options.try_into();
    let offers = options.as_ref().ok().and_then(|options| options.job.offers.clone());
    Ok(match options.and_then(engine_listen) {
        Ok(listener) => {
            environment.scope.add_listener(&listener);
            Either::A(NativeListener(listener, offers))
        }
        Err(error) => Either::B(error.into()),
    })
}
