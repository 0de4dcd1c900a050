//! What happens to people, played through by the real program.

mod dead_runner;
mod first_day;
mod hand_edit;
mod image_bump;
mod lost_inventory;
mod quota;
mod renamed_volume;
mod stage;
mod staging_and_production;
mod team_deleted;
mod two_merges;
