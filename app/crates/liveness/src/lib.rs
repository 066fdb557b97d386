//! Telling living people from pictures of them.
//!
//! Three tests that fail in different ways, each for one track over its frames:
//! - [`passive`]: the MiniFASNet models look at skin, edges and surroundings of a single frame. Good
//!   against paper and most screens; a bright OLED screen may get past them.
//! - [`blink`]: the lids close and open again, measured on the lid contour of the iris model. A photo
//!   cannot; a video can.
//! - [`depth`]: points of the face move against each other as only a body with depth makes them. No flat or
//!   bent picture can.
//!
//! A recording of a person does all three. Against it stand two more, where the site has them:
//! - [`scene`]: the known empty scene is visible around the head, and not the edge of a screen;
//! - [`prompt`]: the head turns as it was asked to, in a direction drawn by chance.
//!
//! What was refused stays refused until it has gone for a while: [`latch`].
//!
//! All that is known belongs to one face that was before the camera without a break: a face that was gone for
//! a moment, or that does not look as it did a moment ago, is looked at from the beginning ([`State`]).
//! Otherwise two photos of a person shown in turn would be a head that turns, and a finger before the eyes a
//! blink.
//!
//! The site chooses what is required. Where no passive model is there, a blink is required whatever the
//! site chose.

#![forbid(unsafe_code)]

pub mod blink;
mod checker;
pub mod config;
pub mod depth;
mod eyes;
pub mod latch;
mod observation;
pub mod passive;
pub mod poses;
pub mod prompt;
mod requirement;
pub mod scene;
mod square;
mod state;

pub use crate::checker::{Checker, face_bounds};
pub use crate::observation::{Observation, Summary, Verdict};
pub use crate::requirement::{Missing, Requirement};
pub use crate::state::State;

#[cfg(test)]
mod tests;
