//! Telling living people from pictures of them.

use std::fmt;

use serde::Serialize;

/// What was found about the liveness of one track, with the scores that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Whether the site's rule is satisfied.
    pub verdict: Verdict,
    /// Mean P(live) of the passive networks over the votes, 0 to 1; `None` where they did not vote.
    pub passive: Option<f32>,
    /// Blinks seen.
    pub blinks: u32,
    /// Motion that a flat picture cannot make, as a multiple of the threshold; `None` before enough motion was seen.
    pub motion: Option<f32>,
}

/// The decision about liveness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not checked: the site's rule is "off".
    Unchecked,
    /// More frames are needed.
    Undecided,
    /// A living person.
    Live,
    /// Not a living person.
    Attack,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Unchecked => "not checked",
            Verdict::Undecided => "undecided",
            Verdict::Live => "live",
            Verdict::Attack => "attack",
        };
        f.write_str(verdict)?;
        if let Some(passive) = self.passive {
            write!(f, ", passive {passive:.2}")?;
        }
        if self.verdict != Verdict::Unchecked {
            write!(f, ", blinks {}", self.blinks)?;
        }
        if let Some(motion) = self.motion {
            write!(f, ", motion {motion:.2}")?;
        }
        Ok(())
    }
}
