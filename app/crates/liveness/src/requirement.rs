//! What the configured rule asks for, and the verdict on a track.

use std::path::Path;

use models::store::Store;

use crate::config::LivenessRule;

use crate::observation::{Summary, Verdict};
use crate::passive::Passive;
use crate::state::{Prompted, State};

/// What is missing before a face is taken for a living person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The passive models are not certain.
    Certainty,
    /// A blink.
    Blink,
    /// A blink or a turn of the head.
    BlinkOrTurn,
    /// A blink, which eyes as small as these could not show.
    LargerEyes,
    /// A turn of the head that is asked for.
    Prompt,
}

/// What a site requires, as far as the models at hand allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    rule: LivenessRule,
    passive_there: bool,
    asks: bool,
    /// Refusals of this face's name lately.
    refusals: u32,
    exempt: bool,
}

impl Requirement {
    /// The site's rule, and whether the passive models are there.
    pub fn new(rule: LivenessRule, passive_there: bool) -> Self {
        Self { rule, passive_there, asks: false, refusals: 0, exempt: false }
    }

    /// The same where the device can ask a person to turn the head, by a screen or by recorded words.
    pub fn asking(self, asks: bool) -> Self {
        Self { asks, ..self }
    }

    /// The same for somebody who was refused so often lately: then only the prompt counts.
    pub fn after(self, refusals: u32) -> Self {
        Self { refusals, ..self }
    }

    /// The same for somebody who cannot turn the head: they are not asked to, and need the models and the
    /// scene.
    pub fn exempting(self, exempt: bool) -> Self {
        Self { exempt, ..self }
    }

    /// Turns to ask for where nothing else shows liveness; 0 where a prompt does not help.
    pub fn turns(self) -> u32 {
        let asks = self.rule == LivenessRule::PassivePrompt && self.asks && !self.exempt;
        if asks { (crate::prompt::TURNS + self.refusals).min(crate::prompt::MAX_TURNS) } else { 0 }
    }

    /// The site's rule with the weights in this folder.
    pub fn at_hand(rule: LivenessRule, models: &Path) -> Self {
        Self::new(rule, Store::open(models).is_ok_and(|store| Passive::is_there(&store)))
    }

    /// The rule in force, and whether the passive models are there: without them only a blink is asked for. A
    /// device that cannot ask people to turn does with "passive+any".
    pub fn in_force(self) -> (LivenessRule, bool) {
        let rule = match self.rule {
            LivenessRule::PassivePrompt if !self.asks => LivenessRule::PassiveAny,
            rule => rule,
        };
        (rule, self.passive_there)
    }

    /// The rule in force, as the configuration names it; "blink" where the passive models are missing.
    pub fn name(self) -> &'static str {
        match (self.rule, self.passive_there) {
            (LivenessRule::Off, _) => "off",
            (LivenessRule::PassivePrompt, false) if self.asks => "prompt",
            (_, false) => "blink",
            (LivenessRule::PassivePrompt, true) if self.asks => "passive+prompt",
            (LivenessRule::PassivePrompt, true) => "passive+any",
            (LivenessRule::Passive, true) => "passive",
            (LivenessRule::PassiveBlink, true) => "passive+blink",
            (LivenessRule::PassiveAny, true) => "passive+any",
        }
    }

    /// What a person should know and may want to change.
    pub fn concern(self) -> Option<&'static str> {
        match (self.rule, self.passive_there) {
            (LivenessRule::Off, _) => {
                Some("liveness is not checked (liveness.require = \"off\"): a photo passes for the person")
            }
            (_, false) => Some(
                "the anti-spoof models are missing, so everybody must blink before the camera, and nothing tells a \
                 video from a person; run fetch_models to have them",
            ),
            _ => None,
        }
    }

    /// In words, for the log.
    fn text(self) -> &'static str {
        match self.rule {
            LivenessRule::Off => "liveness is not checked",
            LivenessRule::PassivePrompt if !self.passive_there && self.asks => {
                "liveness needs a turn of the head that is asked for"
            }
            _ if !self.passive_there => "liveness needs a blink",
            LivenessRule::Passive => "liveness needs the anti-spoof models",
            LivenessRule::PassiveBlink => "liveness needs the anti-spoof models and a blink",
            LivenessRule::PassivePrompt if self.asks => {
                "liveness needs the anti-spoof models, and the known scene around the head or a turn that is \
                 asked for"
            }
            LivenessRule::PassiveAny | LivenessRule::PassivePrompt => {
                "liveness needs the anti-spoof models, and a blink, a turn of the head or the known scene \
                 around it; a recording of a person may pass"
            }
        }
    }

    /// Writes into the log what is required, and a warning if there is a concern about it.
    pub fn tell(self) {
        log::info!("Recognition: {}", self.text());
        if let Some(concern) = self.concern() {
            log::warn!("{concern}");
        }
    }

    /// The decision over what is known of a track.
    pub fn judge(self, state: &State) -> Summary {
        let blinks = state.blink.blinks();
        let motion = state.depth.score();
        let passive = state.passive.mean();
        let scene = state.surroundings.are_evidence();
        let prompt = state.prompt_shown();
        let passed_prompt = state.answered_lately() && self.lowers_the_line(state);
        let moved = blinks > 0 || motion.is_some_and(|score| score >= 1.0);
        let verdict = match (self.rule, self.passive_there, state.passive.verdict()) {
            (LivenessRule::Off, ..) => Verdict::Unchecked,
            (_, true, crate::passive::Verdict::Attack) => Verdict::Attack,
            (LivenessRule::PassivePrompt, ..) if matches!(state.prompt, Prompted::Failed) => Verdict::Attack,
            (_, true, crate::passive::Verdict::Open) => live_if(passed_prompt),
            (LivenessRule::PassivePrompt, there, _) if self.turns() > 0 => {
                live_if(prompt == Some(true) || (there && scene && self.refusals == 0))
            }
            (LivenessRule::PassivePrompt, true, _) if self.exempt && self.asks => live_if(scene),
            (_, false, _) => live_if(blinks > 0),
            (LivenessRule::Passive, ..) => Verdict::Live,
            (LivenessRule::PassiveBlink, ..) => live_if(blinks > 0),
            (LivenessRule::PassiveAny, ..) => live_if(moved),
            (LivenessRule::PassivePrompt, ..) => live_if(moved || scene),
        };
        Summary { verdict, passive, blinks, motion, scene, prompt }
    }

    /// Whether a prompt suffices that is answered now, with what the models have said so far. For a name that
    /// was refused lately it does not. It helps for some seconds only: waiting must not make a picture pass.
    fn lowers_the_line(self, state: &State) -> bool {
        self.turns() > 0 && self.refusals == 0 && state.passive.suffice_after_prompt()
    }

    /// What would help a person about whom the decision is open.
    pub fn missing(self, state: &State) -> Missing {
        let certain = state.passive.verdict() == crate::passive::Verdict::Live || self.lowers_the_line(state);
        if self.passive_there && !certain {
            Missing::Certainty
        } else if self.turns() > 0 {
            Missing::Prompt
        } else if self.passive_there && self.exempt && self.asks {
            // No movement helps: the scene has to be seen around them.
            Missing::Certainty
        } else if self.passive_there
            && matches!(self.rule, LivenessRule::PassiveAny | LivenessRule::PassivePrompt)
        {
            Missing::BlinkOrTurn
        } else if state.eyes_too_small {
            Missing::LargerEyes
        } else {
            Missing::Blink
        }
    }

    /// Whether what is around the head counts.
    pub fn uses_scene(self) -> bool {
        self.passive_there && self.rule == LivenessRule::PassivePrompt
    }

    /// Whether anything is to be checked.
    pub fn checks(self) -> bool {
        self.rule != LivenessRule::Off
    }
}

fn live_if(shown: bool) -> Verdict {
    if shown { Verdict::Live } else { Verdict::Undecided }
}
