//! From what is declared and what is live to a plan, and from a plan to a workspace.
//!
//! [`observe`] reads the live state into a [`World`]; [`plan`](plan::plan) compares it with what is [`Desired`]; [`apply`]
//! performs the [`Plan`]'s steps and reports [`Event`]s. The middle is pure: no clock, no network, no waiting. Nothing
//! here knows a kind by name; what differs between kinds is data in [`kinds`](crate::kinds).

mod apply;
mod diff;
mod drift;
mod error;
mod event;
mod graph;
pub mod inventory;
mod lack;
pub mod ledger;
pub mod model;
mod observation;
mod observe;
pub mod plan;
mod world;

pub use apply::{ApplyCx, GRACE, LONGEST_SECTION, Outcome, Recorder, apply};
pub use diff::{Cause, FieldChange};
pub use drift::{Drift, DriftEvent, FieldDrift, drift, drift_from};
pub use error::StepError;
pub use event::{Counts, Done, Event, EventSink, Phase, RunState};
pub use inventory::Inventory;
pub use lack::Lack;
pub use observation::{Observation, ObservationError};
pub use observe::{look_again, observe};
pub use plan::Plan;
pub use world::{Desired, World};
