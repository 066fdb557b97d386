//! Whose face it is: the gallery, the threshold for its size, and the vote over frames.

pub mod gallery;
pub mod likeness;
pub mod own;
pub mod second;
pub mod threshold;
pub mod vote;
