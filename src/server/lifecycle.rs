//! What may become of a sandbox: one function from a generation, a state and an event to the next state, or a refusal.
//!
//! *Invariant: no other code decides that a sandbox changes its state.* The table is the whole of it; it knows no
//! store, no clock and no runtime.

use std::str::FromStr;

/// Which of the API's generations a sandbox belongs to, for all its life (contract S16 of the second generation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Generation {
    /// Made from a template; idleness deletes it.
    First,
    /// Made from a snapshot; idleness stops it.
    Second,
}

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
    /// It does not run, and its disk waits for the next start.
    Stopped,
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
    /// Somebody asked for it to be stopped.
    StopAsked,
    /// Somebody asked for it to be started.
    StartAsked,
    /// Somebody wants something of what runs in it.
    Needed,
    /// Its time is up: it was idle for too long, too old, or stopped for too long.
    Expired,
    /// Somebody deleted it, or its pool.
    Deleted,
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
pub(crate) fn next(generation: Generation, state: State, event: Event) -> Result<State, Refusal> {
    match (generation, state, event) {
        (_, State::Gone, _) => Err(Refusal::Gone),
        (_, _, Event::Deleted) => Ok(State::Gone),
        (Generation::First, _, Event::Expired) => Ok(State::Gone),
        (Generation::First, _, Event::StopAsked | Event::StartAsked) => Err(Refusal::Misplaced),
        (Generation::Second, _, Event::Claimed) => Err(Refusal::Misplaced),

        (_, State::Provisioning, Event::Started) => Ok(State::Ready),
        (_, State::Provisioning, Event::StartFailed) => Ok(State::Failed),
        (_, State::Provisioning, Event::GivenUp) => Ok(State::Gone),
        // Of the first generation, one that is not ready is refused at once; the second one waits.
        (Generation::Second, State::Provisioning, Event::Needed) => Ok(State::Provisioning),
        (_, State::Provisioning, _) => Err(Refusal::Misplaced),

        (_, State::Ready, Event::Claimed) => Ok(State::Ready),
        // A ready sandbox whose processes have ended is started again on its disk when it is needed. Where that fails, it
        // is tried again the next time: nothing else would lead to its disk.
        (_, State::Ready, Event::Started | Event::StartFailed | Event::Ended) => Ok(State::Ready),
        (_, State::Ready, Event::Needed) => Ok(State::Ready),
        (_, State::Ready, Event::StopAsked | Event::Expired) => Ok(State::Stopped),
        (_, State::Ready, Event::GivenUp | Event::StartAsked) => Err(Refusal::Misplaced),

        (_, State::Stopped, Event::StartAsked | Event::Needed) => Ok(State::Provisioning),
        (_, State::Stopped, Event::Expired) => Ok(State::Gone),
        // A start that was on its way when it was stopped comes too late.
        (_, State::Stopped, _) => Err(Refusal::Misplaced),

        (_, State::Failed, Event::StartAsked) => Ok(State::Provisioning),
        (_, State::Failed, _) => Err(Refusal::Misplaced),
    }
}

impl State {
    /// Returns the state as the wire and the store spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
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
            "stopped" => Ok(Self::Stopped),
            _ => Err(UnknownState),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 5] = [State::Provisioning, State::Ready, State::Failed, State::Stopped, State::Gone];
    const EVENTS: [Event; 10] = [
        Event::Started,
        Event::StartFailed,
        Event::GivenUp,
        Event::Claimed,
        Event::Ended,
        Event::StopAsked,
        Event::StartAsked,
        Event::Needed,
        Event::Expired,
        Event::Deleted,
    ];

    /// Writes the table: a row for each state, with what each event makes of it; a `-` has no meaning.
    fn table(generation: Generation) -> Vec<String> {
        let cell = |state, event| match next(generation, state, event) {
            Ok(next) => next.as_str(),
            Err(Refusal::Misplaced) => "-",
            Err(Refusal::Gone) => "too-late",
        };
        let row = |&state: &State| {
            let cells: Vec<_> = EVENTS.iter().map(|&event| cell(state, event)).collect();
            format!("{}: {}", state.as_str(), cells.join(" "))
        };
        STATES.iter().map(row).collect()
    }

    #[test]
    fn the_whole_table() {
        // Started StartFailed GivenUp Claimed Ended StopAsked StartAsked Needed Expired Deleted
        let first = [
            "provisioning: ready failed gone - - - - - gone gone",
            "ready: ready ready - ready ready - - ready gone gone",
            "failed: - - - - - - - - gone gone",
            // No sandbox of the first generation is ever stopped.
            "stopped: - - - - - - - provisioning gone gone",
            "gone: too-late too-late too-late too-late too-late too-late too-late too-late too-late too-late",
        ];
        assert_eq!(table(Generation::First), first);
        let second = [
            "provisioning: ready failed gone - - - - provisioning - gone",
            "ready: ready ready - - ready stopped - ready stopped gone",
            "failed: - - - - - - provisioning - - gone",
            "stopped: - - - - - - provisioning provisioning gone gone",
            "gone: too-late too-late too-late too-late too-late too-late too-late too-late too-late too-late",
        ];
        assert_eq!(table(Generation::Second), second);
    }

    #[test]
    fn stored_states_are_read_back() {
        for state in [State::Provisioning, State::Ready, State::Failed, State::Stopped] {
            assert_eq!(state.as_str().parse().ok(), Some(state));
        }
        assert!("gone".parse::<State>().is_err());
    }
}
