//! The admin port, as admins meet it: the frame around every answer, workspaces with their keys, and
//! integrations.

mod description;
mod frame;
mod idempotency;
mod integrations;
mod keys;
mod pages;
mod rotation;
mod schemes;
mod serving;
mod store_faults;
mod walk;
mod workspaces;
