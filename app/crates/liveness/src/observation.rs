//! What was seen of a face in one frame, in the terms of liveness.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use base::event::Life;

use crate::passive::LIVE_FROM;

/// What was found about the liveness of one track, with the scores that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Whether the site's rule is satisfied.
    pub verdict: Verdict,
    /// Mean P(live) of the passive models over the last votes, 0 to 1; `None` before they voted and where
    /// there are none.
    pub passive: Option<f32>,
    /// Blinks seen.
    pub blinks: u32,
    /// Motion that a flat picture cannot make, as a multiple of what is required; `None` before there was
    /// motion to judge.
    pub motion: Option<f32>,
    /// Whether the known scene was visible around the head.
    pub scene: bool,
    /// Whether a turn that was asked for was shown; `None` where none was asked for.
    pub prompt: Option<bool>,
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

/// What the models say of one face in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// P(live) of the passive models, 0 to 1; `None` where there are none, or were not asked.
    pub live: Option<f32>,
    /// How far the eyes are open, as [`relative`](crate::blink::relative) gives it; `None` where they are too
    /// small to tell.
    pub opening: Option<f32>,
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.live {
            Some(live) => write!(f, "passive {live:.3}")?,
            None => f.write_str("no passive vote")?,
        }
        match self.opening {
            Some(opening) => write!(f, ", lids {opening:.3}"),
            None => f.write_str(", eyes too small"),
        }
    }
}

impl Summary {
    /// What has shown that the person lives, for whoever opens a door. A blink, or a turn that nobody asked
    /// for, is in every recording; and a face that the models believe less than [`LIVE_FROM`] may be a
    /// recording that turned as it was asked to by chance.
    pub fn life(&self) -> Life {
        match self.verdict {
            Verdict::Live if self.passive.is_some_and(|mean| mean < LIVE_FROM) => Life::Recordable,
            Verdict::Live if self.prompt == Some(true) => Life::Prompt,
            Verdict::Live if self.scene => Life::Scene,
            Verdict::Live => Life::Recordable,
            Verdict::Unchecked | Verdict::Undecided | Verdict::Attack => Life::Unchecked,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Unchecked => return f.write_str("not checked"),
            Verdict::Undecided => "undecided",
            Verdict::Live => "live",
            Verdict::Attack => "attack",
        };
        f.write_str(verdict)?;
        if let Some(passive) = self.passive {
            write!(f, ", passive {passive:.2}")?;
        }
        write!(f, ", blinks {}", self.blinks)?;
        if let Some(motion) = self.motion {
            write!(f, ", depth {motion:.2}")?;
        }
        if self.scene {
            f.write_str(", scene visible")?;
        }
        if let Some(shown) = self.prompt {
            f.write_str(if shown { ", prompt answered" } else { ", prompt not answered" })?;
        }
        Ok(())
    }
}

/// Longest time between two frames of one face. A picture can be exchanged for another in less, but not by
/// hand before a face that is followed; somebody who is seen less often than this cannot be told by their
/// motion anyway.
pub(super) const WITHOUT_A_BREAK: Duration = Duration::from_millis(350);

/// Least similarity of a face to itself a moment ago; below it, it is another picture, or is covered.
///
/// Measured on a man who talks, nods and blinks, and on a singer who moves the head a lot: after 33 ms they
/// never fall below 0.83, after 66 ms below 0.73, after 100 ms below 0.65 (the man alone: 0.92, 0.88, 0.83).
/// SFace gives the same within 0.03 (after 40, 80 and 120 ms never below 0.81, 0.74 and 0.66 where
/// MobileFaceNet gives 0.84, 0.74 and 0.66), and less to two photos of one person. Two photos of one person
/// reach 0.54 to 0.81, a photo whose eyes are covered by a finger 0.43 to 0.69. So the sooner faces are
/// compared the better they are told apart.
pub(super) fn same_picture(gap: Duration) -> f32 {
    (0.90 - 2.4 * gap.as_secs_f32()).max(0.60)
}
