//! What happens to people, played through by the real program.

mod dead_runner;
mod first_day;
mod hand_edit;
mod image_bump;
mod stage;
mod staging_and_production;
mod two_merges;
