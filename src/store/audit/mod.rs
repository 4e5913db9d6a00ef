//! The audit log as it is read: events, the checkpoint that it begins with, the check of their chain, and the note of
//! where it stands.
//!
//! Not the writing (`store/writer/`), nor the MACs (`store/seal/`). Nothing here changes a store.

pub mod chain;
pub mod checkpoint;
mod event;
pub mod note;
mod walker;

pub use event::AuditEvent;
