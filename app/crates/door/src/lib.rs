//! What the person at the door sees and hears: screen, tones, lights and the door opener.
//!
//! # Design
//! [`state`] is pure: events and faces go in, a [`state::Scene`] and [`state::Cue`]s come out. [`paint`]
//! draws a scene, with texts from [`words`] in the fonts of [`fonts`]. [`screen`] brings pictures to a
//! display or to files, [`speaker`] plays [`tones`] and [`recordings`], [`hand`] switches lights, buzzer and
//! relay, and [`relay`] says when the door may be opened. [`worker`] joins them.
//!
//! Everything hangs on the event bus, so it can neither slow nor stop recognition. Hardware that is not there
//! is told once, and looked for again.
//!
//! # Limitations
//! Text is written from left to right. Names in scripts that neither font has are shown as roll numbers.
#![forbid(unsafe_code)]

pub mod config;
pub mod fonts;
pub mod hand;
pub mod hours;
pub mod names;
pub mod paint;
pub mod pins;
pub mod recordings;
pub mod relay;
pub mod screen;
pub mod shot;
pub mod speaker;
pub mod state;
pub mod tones;
pub mod words;
pub mod worker;
