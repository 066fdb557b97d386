//! The one HTTP client: photos come in by it, rows go out by it.
//!
//! hyper over rustls, HTTP/1.1. What every request gets, whoever makes it:
//! - a time-out for connecting, for the answer's head, for every pause within the body, and for the whole;
//! - a limit on the body, so that no server can fill the memory or the disk;
//! - a body that was compressed unasked is unpacked, and the limit counts what comes out;
//! - certificates verified, always ([`TlsPolicy`]): by the system's authorities and the site's own, or by one
//!   pinned fingerprint. There is no way to switch it off;
//! - no redirect followed: a redirect is an answer like any other, and whoever asked decides ([`crate::sync`]
//!   follows those that stay below its base; nobody who sends a key follows any);
//! - the way through the site's HTTP proxy, where there is one (`proxy`);
//! - errors that say what to do next and never contain a query string, a user name or a password.

mod authorization;
mod client;
mod encoding;
mod error;
pub mod json;
pub mod portal;
mod proxy;
mod retry;
mod tls;

pub use client::{Answer, Body, Client, Reply, Timeouts};
pub use error::{Error, Phase};
pub use proxy::ProxyTrouble;
pub use retry::Retry;
pub use tls::{Fingerprint, TlsConfigError, TlsPolicy};
