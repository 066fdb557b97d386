//! The parts put together: what `attendance run` starts, and what the technician's page sees of it.

pub mod frame_path;
pub mod machine;
