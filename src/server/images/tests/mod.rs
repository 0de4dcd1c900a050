//! Images from archives that are made here, and from a registry that runs here.

mod build;
mod found;
mod hostile;
mod pulling;
mod served;
mod unpacking;
