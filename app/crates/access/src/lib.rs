//! Who may use the page and the API: accounts and their roles, passwords, sessions, tokens, and how often
//! somebody may guess.
//!
//! Pure but for the private files in which accounts, tokens and the password are kept. What a role may do at
//! which address is said by the crate `status`, which knows the addresses.
#![forbid(unsafe_code)]

pub mod account;
pub mod audit;
pub mod password;
pub mod private_file;
pub mod private_list;
pub mod role;
pub mod session;
pub mod throttle;
pub mod token;
pub mod turnstile;
