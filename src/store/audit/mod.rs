//! The audit log as it is read: events, the check of their chain, and the note of where it stands.
//!
//! Not the writing (`store/writer/`), nor the MACs (`store/seal/`). Nothing here changes a store.

pub mod chain;
mod event;
pub mod note;

pub use event::AuditEvent;
