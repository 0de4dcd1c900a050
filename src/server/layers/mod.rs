//! What happens to every request on its way in and out.

pub(crate) mod access;
pub(crate) mod faults;
pub(crate) mod observe;
mod rule;
