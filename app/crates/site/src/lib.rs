//! Many doors of one school. Each door publishes over MQTT 5 what it has seen, and takes in what the others
//! have seen.
//!
//! The disk of each door is the truth; the broker only carries. Without a broker each door goes on alone and
//! loses nothing. What comes from the broker is untrusted input: it is bounded, checked against a message
//! authentication code, and kept out of the book when its times cannot be right.
//!
//! | module | holds |
//! |---|---|
//! | [`book`] | what all doors have seen on one day; merges in any order; pure |
//! | [`message`] | the bytes of one message, with its authentication code; pure |
//! | [`keys`] | what stands for roll numbers, and the authentication codes; pure |
//! | [`erasure`] | students who were erased, by keyed hashes of their roll numbers |
//! | [`judge`] | which messages are believed: day, clock, replay, two doors with one name; pure |
//! | [`topics`] | where messages are published |
//! | [`link`] | the connection to the broker |
//! | [`home_assistant`] | discovery, state, events and commands for other programs |
//! | [`school`] | the books, the judge and the roster together: what the doors know; pure |
//! | [`worker`] | what runs: it joins all of these with the door's journal |
#![forbid(unsafe_code)]

pub mod book;
pub mod config;
pub mod device;
pub mod erasure;
pub mod home_assistant;
pub mod judge;
pub mod keys;
pub mod link;
pub mod message;
mod outbox;
pub mod school;
pub mod topics;
pub mod worker;
