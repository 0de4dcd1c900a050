//! What happens to people, played through by the real program.

mod hand_edit;
mod stage;
mod staging_and_production;
