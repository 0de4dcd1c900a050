//! The one integration-test binary: the public library and the program as their users see them.

mod apply;
mod cases;
mod checking;
mod cli;
mod dependencies;
mod docs;
mod dropping;
mod inside;
mod json_schema;
mod layering;
mod layout;
mod probe;
mod rolling;
mod simulation;
mod situations;
mod stopping;
mod tree;
mod workflows;
