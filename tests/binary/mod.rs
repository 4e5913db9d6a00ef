//! The built binary, as people and Kubernetes run it: how it starts, what it refuses, how it ends.

mod admin_commands;
mod admins;
mod again;
mod changes;
mod commands;
mod dev;
mod ending;
mod hardening;
mod keks;
mod logs;
mod secrets;
mod starting;
