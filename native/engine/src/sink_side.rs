//! The sink's side of a session: it takes frames, and hands them to a [`Delivery`] once it may write.

use std::cell::Cell;
use std::sync::{Arc, Mutex, OnceLock};

use hawser_protocol::frame::{FrameClass, FrameType, Header};
use hawser_protocol::link::LaneId;
use hawser_protocol::message::CloseCode;
use hawser_protocol::receiver::{Placement, Receiver, ReceiverEvent};

use crate::Error;
use crate::asking::Asking;
use crate::delivery::{Delivery, Plan, skip};
use crate::lane::Record;
use crate::session::{Flow, Session, Side};
use crate::transfer::lock;

pub(crate) struct SinkSide {
    plan: Plan,
    /// Where it asks before it writes anything, if it does.
    asking: Option<Asking>,
    /// Made when it may write.
    delivery: OnceLock<Delivery>,
    /// Control frames are dealt with one after the other, disk included: when the control lane is
    /// lost, the next one's thread must not overtake.
    control: Mutex<()>,
}

impl SinkSide {
    /// A sink that writes at once.
    ///
    /// # Errors
    /// Those of [`Delivery::open`].
    pub fn open(plan: Plan) -> Result<Self, Error> {
        let delivery = Delivery::open(&plan, None)?;
        Ok(Self { plan, asking: None, delivery: delivery.into(), control: Mutex::default() })
    }

    /// A sink that asks first. Until then it does not touch the disk.
    pub fn ask(plan: Plan, asking: Asking) -> Self {
        Self { plan, asking: Some(asking), delivery: OnceLock::new(), control: Mutex::default() }
    }

    /// What writes, once it may. The calling thread is bound to its folder from the first time on.
    ///
    /// # Errors
    /// Those of [`Side::confine`].
    fn delivery(&self) -> Result<Option<&Delivery>, Error> {
        thread_local! {
            /// A thread serves one session.
            static IS_BOUND: Cell<bool> = const { Cell::new(false) };
        }
        let Some(delivery) = self.delivery.get() else { return Ok(None) };
        if !IS_BOUND.get() {
            delivery.confinement.bind_thread()?;
            IS_BOUND.set(true);
        }
        Ok(Some(delivery))
    }

    /// Waits until it may write, and does what has gathered; `false` when the session has ended.
    fn begin(&self, session: &Arc<Session<Self>>, asking: &Asking) -> bool {
        let Some(accepted) = asking.ask(session) else { return false };
        session.transfer.set_undecided(false);
        session.transfer.set_accepted();
        let opened = match Delivery::open(&self.plan, Some(accepted)) {
            Ok(delivery) => delivery,
            Err(error) => {
                session.end(Err(error));
                return false;
            }
        };
        let _turn = lock(&self.control);
        self.delivery.get_or_init(|| opened);
        let delivery = match self.delivery() {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return false,
            Err(error) => {
                session.end(Err(error));
                return false;
            }
        };
        for event in asking.take() {
            if session.state().is_ended() {
                return false;
            }
            delivery.handle(session, event);
        }
        delivery.end_page(session);
        true
    }

    /// Deals with what may be dealt with before anything is written, and keeps the rest.
    fn gather(&self, session: &Session<Self>, kind: FrameType, mut events: Vec<ReceiverEvent>) -> Flow {
        let mut flow = Flow::Continue;
        events.retain(|event| match event {
            ReceiverEvent::Hello(hello) => {
                session.transfer.introduce(hello.label.clone(), hello.continues);
                true
            }
            ReceiverEvent::Skipped(path, reason) => {
                skip(session, path.clone(), *reason);
                false
            }
            ReceiverEvent::Closed(close) => {
                flow = session.handle_close(close.clone());
                false
            }
            _ => true,
        });
        if let Some(asking) = self.asking.as_ref().filter(|_| kind.class() == FrameClass::Control) {
            asking.gather(session, kind, events);
        }
        flow
    }
}

impl Side for SinkSide {
    type Machine = Receiver;
    const HAS_LAST_WORD: bool = false;

    fn confine(&self) -> Result<(), Error> {
        self.delivery().map(drop)
    }

    fn drive(&self, session: &Arc<Session<Self>>) {
        if let Some(asking) = &self.asking
            && !self.begin(session, asking)
        {
            return;
        }
        let Some(delivery) = self.delivery.get() else { return };
        if delivery.settle_all(session) && delivery.flush(session) {
            delivery.say_done(session);
        }
    }

    fn fill(&self, session: &Session<Self>, lane: LaneId, record: &mut Record) {
        if let Err(error) = self.confine() {
            return session.end(Err(error));
        }
        let mut state = session.state();
        while let Some(frame) = state.machine.next(lane, record.room()) {
            record.push(&frame);
        }
        session.relieve(&mut state);
    }

    fn handle(
        &self,
        session: &Session<Self>,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Flow, Error> {
        if header.kind == FrameType::Data {
            let placement = session.state().machine.handle_data(lane, header)?;
            if let (Placement::Write(id, offset), Some(delivery)) = (placement, self.delivery()?) {
                delivery.write(session, id, offset, payload);
            }
            return Ok(Flow::Continue);
        }
        let turn = (header.kind.class() == FrameClass::Control).then(|| lock(&self.control));
        let mut state = session.state();
        if turn.is_some() && state.is_ended() {
            // Another lane may have ended it between two control frames: nothing more is written.
            return Ok(Flow::Continue);
        }
        let events = state.machine.handle_frame(lane, header, payload)?;
        session.wake(&mut state);
        drop(state);
        if let Some(ReceiverEvent::Hello(hello)) = events.first() {
            session.vet(&hello.label)?;
        }
        if header.kind == FrameType::ManifestEnd {
            session.transfer.set_walked();
        }
        let Some(delivery) = self.delivery()? else {
            return Ok(self.gather(session, header.kind, events));
        };
        for event in events {
            if delivery.handle(session, event) == Flow::Closed {
                return Ok(Flow::Closed);
            }
        }
        if header.kind == FrameType::Manifest {
            delivery.end_page(session);
        }
        Ok(Flow::Continue)
    }

    fn finish(&self, session: &Session<Self>) {
        if let Some(asking) = &self.asking
            && !session.outcome().is_some_and(|outcome| may_go_on(&outcome))
        {
            asking.forget();
        }
        if let Some(delivery) = self.delivery.get() {
            delivery.close();
        }
    }
}

/// Whether the dialler of a session that has ended so may open another in its place.
fn may_go_on(outcome: &Result<(), Error>) -> bool {
    match outcome {
        Err(Error::ClosedByPeer { code, .. }) => *code == CloseCode::Away,
        Err(Error::Lost | Error::Parked | Error::Superseded) => true,
        _ => false,
    }
}
