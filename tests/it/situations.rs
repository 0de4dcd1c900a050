//! What happens to people, played through by the real program.

mod staging_and_production;
