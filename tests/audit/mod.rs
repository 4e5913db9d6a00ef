//! The audit log over the admin port and the command line: lists, the check of the chain, retention, and what the log of
//! the process says of them.

mod chain;
mod checkpoint;
mod commands;
mod foreign;
mod listing;
mod retention;
