//! The audit log over the admin port and the command line: lists, the check of the chain, and what the log of the
//! process says of both.

mod chain;
mod commands;
mod listing;
