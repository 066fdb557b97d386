//! The section `[liveness]` of the configuration.

use base::identity::RollNumber;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Telling living people from pictures of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Liveness {
    /// What a person must show before a row is written: "passive+prompt" (the anti-spoof models, and the
    /// known scene around the head or a turn that the device asks for), "passive+any" (a blink, or motion
    /// that a flat picture cannot make), "passive+blink", "passive" (the models alone, which do not stop
    /// prints) or "off". A device without a screen and without recorded words cannot ask: it uses
    /// "passive+any" and the scene.
    pub require: LivenessRule,
    /// Whether the device asks people to turn the head: "auto" (where it has a screen, or where recorded
    /// words for all four turns can be heard now, see sound.words), "always" or "never". "always" is for a
    /// site whose own display follows the event stream.
    pub prompt: PromptUse,
    /// Roll numbers of people who cannot turn the head. They are not asked to, and pass with the models and
    /// the known scene together.
    #[schemars(with = "Vec<String>")]
    pub exempt: Vec<RollNumber>,
}

/// When a person may be asked to turn the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptUse {
    /// Where the device has a screen, or words that can be heard.
    #[default]
    Auto,
    /// Always: something else shows the events.
    Always,
    /// Never.
    Never,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { require: LivenessRule::PassivePrompt, prompt: PromptUse::Auto, exempt: Vec::new() }
    }
}

/// What is required of a living person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LivenessRule {
    /// Nothing: photos pass. For tests of recognition alone.
    #[serde(rename = "off")]
    Off,
    /// The anti-spoof models.
    #[serde(rename = "passive")]
    Passive,
    /// The anti-spoof models and a blink.
    #[serde(rename = "passive+blink")]
    PassiveBlink,
    /// The anti-spoof models, and a blink or motion in depth.
    #[serde(rename = "passive+any")]
    PassiveAny,
    /// The anti-spoof models, and the known scene around the head or a turn that was asked for.
    #[serde(rename = "passive+prompt")]
    PassivePrompt,
}
