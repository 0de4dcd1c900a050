//! What may become of a sandbox: one function from a state and an event to the next state, or a refusal.
//!
//! *Invariant: no other code decides that a sandbox changes its state.* The table is the whole of it; it knows no
//! store, no clock and no runtime.

use std::str::FromStr;

/// How far a sandbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// It is to be started, or being started.
    Provisioning,
    /// It takes commands. Its processes may have ended, with the server or by themselves; they are started again when
    /// somebody needs them.
    Ready,
    /// It could not be started.
    Failed,
    /// It is deleted: no client sees it any more.
    Gone,
}

/// What happens to a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// The runtime has started it.
    Started,
    /// The runtime could not start it.
    StartFailed,
    /// Its creator stopped waiting for it to become ready.
    GivenUp,
    /// Somebody drew it from its pool.
    Claimed,
    /// It ended by itself.
    Ended,
    /// Somebody deleted it, or its pool.
    Deleted,
    /// Its time to live is over.
    Expired,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The sandbox is deleted: whoever brings the event clears up what it left behind.
    Gone,
    /// The event has no meaning in this state.
    Misplaced,
}

/// Returns the state after `event`.
#[expect(clippy::match_same_arms, reason = "a table is read row by row: one for each state")]
pub(crate) fn next(state: State, event: Event) -> Result<State, Refusal> {
    match (state, event) {
        (State::Gone, _) => Err(Refusal::Gone),
        (_, Event::Deleted | Event::Expired) => Ok(State::Gone),

        (State::Provisioning, Event::Started) => Ok(State::Ready),
        (State::Provisioning, Event::StartFailed) => Ok(State::Failed),
        (State::Provisioning, Event::GivenUp) => Ok(State::Gone),
        (State::Provisioning, Event::Claimed | Event::Ended) => Err(Refusal::Misplaced),

        (State::Ready, Event::Claimed) => Ok(State::Ready),
        // A ready sandbox whose processes have ended is started again on its disk when it is needed. Where that fails, it
        // is tried again the next time: nothing else would lead to its disk.
        (State::Ready, Event::Started | Event::StartFailed | Event::Ended) => Ok(State::Ready),
        (State::Ready, Event::GivenUp) => Err(Refusal::Misplaced),

        (State::Failed, Event::Started | Event::StartFailed | Event::GivenUp | Event::Claimed | Event::Ended) => {
            Err(Refusal::Misplaced)
        }
    }
}

impl State {
    /// Returns the state as the wire and the store spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}

/// A text that is no state.
#[derive(Debug)]
pub(crate) struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    /// Reads a state that a stored sandbox can have: one that is gone is not stored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "provisioning" => Ok(Self::Provisioning),
            "ready" => Ok(Self::Ready),
            "failed" => Ok(Self::Failed),
            _ => Err(UnknownState),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 4] = [State::Provisioning, State::Ready, State::Failed, State::Gone];
    const EVENTS: [Event; 7] = [
        Event::Started,
        Event::StartFailed,
        Event::GivenUp,
        Event::Claimed,
        Event::Ended,
        Event::Deleted,
        Event::Expired,
    ];

    #[test]
    fn the_whole_table() {
        let rows: Vec<String> = STATES
            .iter()
            .map(|&state| {
                let cells: Vec<_> = EVENTS
                    .iter()
                    .map(|&event| match next(state, event) {
                        Ok(next) => format!("{event:?}={}", next.as_str()),
                        Err(refusal) => format!("{event:?}!{refusal:?}"),
                    })
                    .collect();
                format!("{}: {}", state.as_str(), cells.join(" "))
            })
            .collect();
        let expected = [
            "provisioning: Started=ready StartFailed=failed GivenUp=gone Claimed!Misplaced Ended!Misplaced \
             Deleted=gone Expired=gone",
            "ready: Started=ready StartFailed=ready GivenUp!Misplaced Claimed=ready Ended=ready Deleted=gone \
             Expired=gone",
            "failed: Started!Misplaced StartFailed!Misplaced GivenUp!Misplaced Claimed!Misplaced Ended!Misplaced \
             Deleted=gone Expired=gone",
            "gone: Started!Gone StartFailed!Gone GivenUp!Gone Claimed!Gone Ended!Gone Deleted!Gone Expired!Gone",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn stored_states_are_read_back() {
        for state in [State::Provisioning, State::Ready, State::Failed] {
            assert_eq!(state.as_str().parse().ok(), Some(state));
        }
        assert!("gone".parse::<State>().is_err());
    }
}
