//! The admin port, as admins meet it: the frame around every answer, what keeps strangers and web pages out, workspaces
//! with their keys, integrations, and admins.

mod admins;
mod description;
mod flood;
mod frame;
mod idempotency;
mod integrations;
mod keys;
mod pages;
mod roles;
mod rotation;
mod safety;
mod schemes;
mod secrets;
mod serving;
mod store_faults;
mod walk;
mod workspaces;
