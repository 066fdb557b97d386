//! The texts of the screen, by Fluent.

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use base::event::Advice;

use crate::config::Language;
use crate::state::{Kind, Wall};

/// The texts of one language.
pub struct Words {
    bundle: FluentBundle<FluentResource>,
    language: Language,
}

impl Words {
    /// The texts of `language`. They are part of the program; a test reads all of them.
    pub fn of(language: Language) -> Self {
        let source = match language {
            Language::En => include_str!("../texts/en.ftl"),
            Language::Hi => include_str!("../texts/hi.ftl"),
        };
        let tag: LanguageIdentifier = language.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new(vec![tag]);
        // The marks around values change the direction of writing, which is never changed here.
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        if bundle.add_resource(resource).is_err() {
            log::error!("a text of the screen is there twice in the language {}", language.tag());
        }
        Self { bundle, language }
    }

    /// Which language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The invitation of the idle screen.
    pub fn invitation(&self) -> String {
        self.text("invitation", None)
    }

    /// What an answer says, and the line below it.
    pub fn answer(&self, kind: Kind) -> (String, Option<String>) {
        let (id, hint) = match kind {
            Kind::In => ("in", Some("in-hint")),
            Kind::Out => ("out", Some("out-hint")),
            Kind::Seen => ("seen", Some("seen-hint")),
            Kind::TooEarly => ("too-early", Some("too-early-hint")),
            Kind::Unknown => ("unknown", Some("unknown-hint")),
            Kind::Refused => ("refused", Some("refused-hint")),
            Kind::Wait => ("wait", None),
        };
        (self.text(id, None), hint.map(|hint| self.text(hint, None)))
    }

    /// What the person should do.
    pub fn advice(&self, advice: Advice) -> String {
        self.text(
            match advice {
                Advice::ComeCloser => "come-closer",
                Advice::MoreLight => "more-light",
                Advice::LessLight => "less-light",
                Advice::LookAtTheCamera => "look-at-the-camera",
                Advice::HoldStill => "hold-still",
                Advice::Blink => "blink",
                Advice::BlinkOrTurn => "blink-or-turn",
                Advice::TurnLeft => "turn-left",
                Advice::TurnRight => "turn-right",
                Advice::LookUp => "look-up",
                Advice::LookDown => "look-down",
                Advice::StepAside => "step-aside",
                Advice::BetterView => "better-view",
                Advice::WaitForPhotos => "wait-for-photos",
            },
            None,
        )
    }

    /// The date, as "Monday, 15 January".
    pub fn date(&self, wall: &Wall) -> String {
        let named = |id: &str, argument: &'static str, number: u8| {
            let mut args = FluentArgs::new();
            args.set(argument, f64::from(number));
            self.text(id, Some(&args))
        };
        let mut args = FluentArgs::new();
        args.set("weekday", named("weekday", "day", wall.weekday));
        args.set("month", named("month", "month", wall.month));
        args.set("day", FluentValue::from(wall.day.to_string()));
        self.text("date", Some(&args))
    }

    fn text(&self, id: &str, args: Option<&FluentArgs<'_>>) -> String {
        let message = self.bundle.get_message(id).and_then(|message| message.value());
        let Some(pattern) = message else { return String::new() };
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, args, &mut errors).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ADVICE: [Advice; 14] = [
        Advice::ComeCloser,
        Advice::MoreLight,
        Advice::LessLight,
        Advice::LookAtTheCamera,
        Advice::HoldStill,
        Advice::Blink,
        Advice::BlinkOrTurn,
        Advice::TurnLeft,
        Advice::TurnRight,
        Advice::LookUp,
        Advice::LookDown,
        Advice::StepAside,
        Advice::BetterView,
        Advice::WaitForPhotos,
    ];

    #[test]
    fn every_text_is_there_in_every_language_and_differs_from_the_others() {
        for language in Language::ALL {
            let words = Words::of(language);
            let mut texts: Vec<String> = ADVICE.map(|advice| words.advice(advice)).into();
            texts.push(words.invitation());
            for kind in Kind::ALL {
                let (text, hint) = words.answer(kind);
                texts.push(text);
                texts.extend(hint);
            }
            assert!(texts.iter().all(|text| !text.is_empty()), "{language:?}: {texts:?}");
            let different: BTreeSet<_> = texts.iter().collect();
            assert_eq!(different.len(), texts.len(), "{language:?}: {texts:?}");
            let foreign =
                |text: &&String| (language == Language::Hi) == text.chars().any(|c| c.is_ascii_alphabetic());
            assert!(!texts.iter().any(|text| foreign(&text)), "{language:?}: {texts:?}");
        }
    }

    #[test]
    fn dates_are_written_out() {
        let wall = Wall { hour: 9, minute: 5, weekday: 7, day: 29, month: 11 };
        assert_eq!(Words::of(Language::En).date(&wall), "Sunday, 29 November");
        assert_eq!(Words::of(Language::Hi).date(&wall), "रविवार, 29 नवंबर");
        assert_eq!(wall.clock(), "09:05");
    }
}
