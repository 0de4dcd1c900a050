//! A scripted runtime for tests.
