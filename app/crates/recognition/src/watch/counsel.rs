//! What a person before the camera is told, and when: early enough to help, and only once.

use base::event::Advice;

/// Frames in a row with the same problem before the person is told: a single blurred frame is nobody's fault.
const PATIENCE: u32 = 5;

/// What a person was advised, so that advice comes late enough to be true and is not repeated.
#[derive(Debug, Default)]
pub struct Counsel {
    current: Option<Advice>,
    frames: u32,
    told: Option<Advice>,
}

impl Counsel {
    /// Notes the advice of one frame; gives it when it is time to tell it.
    pub fn note(&mut self, advice: Option<Advice>) -> Option<Advice> {
        self.frames = if advice == self.current { self.frames.saturating_add(1) } else { 1 };
        self.current = advice;
        // What does not depend on the picture stays until it is fulfilled: that the picture is good does not
        // change it.
        let lasts = matches!(
            self.told,
            Some(
                Advice::Blink
                    | Advice::BlinkOrTurn
                    | Advice::TurnLeft
                    | Advice::TurnRight
                    | Advice::LookUp
                    | Advice::LookDown
                    | Advice::StepAside
                    | Advice::BetterView
                    | Advice::WaitForPhotos
            )
        );
        // A head that turns as it was asked to looks away from the camera, and moves.
        let turning = matches!(
            self.told,
            Some(Advice::TurnLeft | Advice::TurnRight | Advice::LookUp | Advice::LookDown)
        ) && matches!(advice, Some(Advice::LookAtTheCamera | Advice::HoldStill));
        let asked = lasts && (advice.is_none() || turning);
        if self.frames < PATIENCE || advice == self.told || asked {
            return None;
        }
        self.told = advice;
        advice
    }

    /// What the person was told last.
    pub fn told(&self) -> Option<Advice> {
        self.told
    }

    /// Notes advice that is certain. Returns whether it is new, so that it must be told.
    pub fn tell(&mut self, advice: Advice) -> bool {
        self.told.replace(advice) != Some(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_told_once_when_it_lasts_and_again_after_it_changed() {
        let mut counsel = Counsel::default();
        let far = Some(Advice::ComeCloser);
        let told: Vec<_> = (0..20).filter_map(|_| counsel.note(far)).collect();
        assert_eq!(told, [Advice::ComeCloser]);
        for n in 0..10 {
            let flicker = if n % 2 == 0 { far } else { Some(Advice::HoldStill) };
            assert_eq!(counsel.note(flicker), None, "flicker is not told");
        }
        assert!((0..PATIENCE).all(|_| counsel.note(None).is_none()));
        assert!((0..PATIENCE).any(|_| counsel.note(far).is_some()), "it became good in between");
    }
}
