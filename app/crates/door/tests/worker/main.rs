//! The worker on recording stand-ins: how fast it answers, and what it does when hardware fails.
#![allow(clippy::unwrap_used)]

mod stand_ins;
mod words;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base::event::{Event, Life};
use base::failure::Diagnosis;
use door::config::{Relay, Settings, Sound};
use door::fonts::{FOLDER, Fonts};
use door::pins::Pin;
use door::screen::ScreenError;
use stand_ins::{Call, Stage, Trouble, recognised, recorded, roll, shows};

const SOON: Duration = Duration::from_secs(5);
/// From the decision to the call into display and pins.
const ANSWER: Duration = Duration::from_millis(100);
const GREEN: u8 = 13;
const BUZZER: u8 = 11;
const RELAY: u8 = 16;

fn pin(number: u8) -> Option<Pin> {
    Some(Pin::try_from(number).unwrap())
}

fn settings() -> Settings {
    let sound = Sound { buzzer_pin: pin(BUZZER), green_pin: pin(GREEN), ..Sound::default() };
    let relay = Relay { pin: pin(RELAY), pulse: Duration::from_millis(300), ..Relay::default() };
    Settings { sound, relay, ..Settings::default() }
}

fn ready() -> Stage {
    let stage = Stage::start(settings(), Trouble::default());
    assert!(stage.wait(SOON, shows("idle")).is_some());
    stage
}

fn sets(pin: u8, on: bool) -> impl Fn(&Call) -> bool {
    move |call| *call == Call::Set(pin, on)
}

#[test]
fn a_decision_is_on_screen_and_pins_within_a_tenth_of_a_second() {
    let stage = ready();
    std::thread::sleep(Duration::from_millis(200));
    let decided = Instant::now();
    stage.bus.publish(recognised(1, Life::Scene));
    stage.bus.publish(recorded(1));
    let (mut shown, mut lit, mut opened, mut played) = (None, None, None, None);
    while [shown, lit, opened, played].contains(&None) {
        let (at, call) = stage.wait(SOON, |_| true).expect("one of the four did not come");
        let answer = Some(at - decided);
        match call {
            Call::Shown("in", _) => shown = shown.or(answer),
            Call::Set(GREEN, true) => lit = answer,
            Call::Set(RELAY, true) => opened = answer,
            Call::Played(_) => played = answer,
            _ => {}
        }
    }
    eprintln!("screen {shown:?}, light {lit:?}, relay {opened:?}, sound {played:?}");
    for time in [shown, lit, opened, played] {
        assert!(time.unwrap() <= ANSWER, "{time:?}");
    }
}

#[test]
fn the_relay_opens_after_shown_liveness_alone_and_its_pulse_ends() {
    let mut stage = ready();
    let mut heard = stage.bus.subscribe();
    stage.bus.publish(recognised(1, Life::Recordable));
    stage.bus.publish(recorded(1));
    let calls = stage.calls(Duration::from_millis(500));
    assert!(!calls.contains(&Call::Set(RELAY, true)), "neither a name nor a row opens: {calls:?}");
    stage.bus.publish(recognised(1, Life::Prompt));
    let (on, _) = stage.wait(SOON, sets(RELAY, true)).unwrap();
    let (off, _) = stage.wait(SOON, sets(RELAY, false)).unwrap();
    let pulse = off - on;
    assert!(pulse >= Duration::from_millis(290) && pulse < Duration::from_millis(700), "{pulse:?}");
    let opened = |heard: &mut tokio::sync::broadcast::Receiver<Event>| {
        std::iter::from_fn(|| heard.try_recv().ok())
            .filter(|event| *event == Event::DoorOpened { roll: roll(1) })
            .count()
    };
    assert_eq!(opened(&mut heard), 1, "every opening is told");
    stage.calls(Duration::from_millis(100));
    stage.end();
    let end = stage.calls(Duration::from_millis(300));
    assert!(!end.contains(&Call::Set(RELAY, true)), "a stop opens nothing: {end:?}");
    assert!(end.contains(&Call::Released(RELAY)), "{end:?}");
}

#[test]
fn recordings_open_where_the_site_accepts_them() {
    let mut settings = settings();
    settings.relay.accept_recordings = true;
    let stage = Stage::start(settings, Trouble::default());
    assert!(stage.wait(SOON, |call| *call == Call::Claimed(RELAY)).is_some());
    stage.bus.publish(recognised(1, Life::Recordable));
    assert!(stage.wait(SOON, sets(RELAY, true)).is_some());
}

#[test]
fn the_watchdog_ends_a_pulse_that_is_stuck() {
    let stage = ready();
    // The first two tries to switch off fail: the relay's, and a light's or the relay's again.
    stage.bus.publish(recognised(1, Life::Prompt));
    stage.wait(SOON, sets(RELAY, true)).unwrap();
    stage.trouble(|trouble| trouble.stuck = 1);
    assert!(stage.wait(SOON, sets(RELAY, false)).is_some(), "the watchdog switches it off");
    assert!(stage.wait(SOON, |call| *call == Call::Released(RELAY)).is_some(), "and the line is given up");
    assert!(stage.wait(Duration::from_secs(7), |call| *call == Call::Claimed(RELAY)).is_some());
    assert!(stage.all_well());
}

#[test]
fn a_display_unplugged_in_operation_is_found_again() {
    let stage = ready();
    stage.trouble(|trouble| trouble.unplugged = true);
    stage.bus.publish(recorded(1));
    let calls = stage.calls(Duration::from_secs(1));
    assert!(calls.contains(&Call::Closed), "{calls:?}");
    assert!(calls.contains(&Call::Set(GREEN, true)), "lights go on without a screen: {calls:?}");
    stage.trouble(|trouble| trouble.unplugged = false);
    assert!(stage.wait(SOON, |call| *call == Call::Opened).is_some());
    let (_, call) = stage.wait(SOON, |call| matches!(call, Call::Shown(..))).unwrap();
    let Call::Shown(_, changed) = call else { unreachable!() };
    assert_eq!((changed.width, changed.height), (480, 320), "all of it is shown again");
    assert!(stage.all_well(), "that no display is connected is not a fault");
}

#[test]
fn a_display_that_another_program_has_is_a_fault_until_it_is_free() {
    let opening = VecDeque::from([ScreenError::Taken, ScreenError::Taken]);
    let stage = Stage::start(settings(), Trouble { opening, ..Trouble::default() });
    assert!(stage.fault("another program has the display; end the program"));
    assert!(stage.wait(Duration::from_secs(8), shows("idle")).is_some());
    assert!(stage.all_well());
}

#[test]
fn a_display_that_another_program_has_is_one_fault_until_a_picture_is_shown() {
    let stage = Stage::start(settings(), Trouble { taken: true, ..Trouble::default() });
    assert!(stage.fault("another program has the display"));
    let begun = Instant::now();
    // Over two openings, which succeed.
    while begun.elapsed() < Duration::from_secs(5) {
        assert_eq!(stage.faults.all().iter().filter(|fault| fault.what.contains("the display")).count(), 1);
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.trouble(|trouble| trouble.taken = false);
    assert!(stage.wait(SOON, shows("idle")).is_some());
    assert!(stage.all_well());
}

#[test]
fn a_missing_controller_is_one_fault_for_all_pins() {
    let stage = Stage::start(settings(), Trouble { no_controller: true, ..Trouble::default() });
    assert!(stage.fault("no GPIO controller"));
    assert_eq!(stage.faults.all().iter().filter(|fault| fault.what.contains("controller")).count(), 1);
}

#[test]
fn the_console_gets_the_display_when_it_wants_it() {
    let stage = ready();
    let asks = || stage.asking.load(Ordering::Relaxed);
    assert!(asks(), "people can be asked to turn while a display shows it");
    stage.trouble(|trouble| trouble.console = true);
    assert!(stage.wait(SOON, |call| *call == Call::Closed).is_some());
    stage.bus.publish(recorded(1));
    let calls = stage.calls(Duration::from_millis(600));
    assert!(!calls.iter().any(|call| matches!(call, Call::Opened | Call::Shown(..))), "{calls:?}");
    assert!(!asks());
    stage.trouble(|trouble| trouble.console = false);
    assert!(stage.wait(SOON, |call| *call == Call::Opened).is_some());
}

#[test]
fn a_sound_device_that_is_gone_is_told_once_and_found_again() {
    let stage = Stage::start(settings(), Trouble { mute: true, ..Trouble::default() });
    stage.bus.publish(recorded(1));
    assert!(stage.fault("No such device"));
    assert!(stage.wait(SOON, shows("in")).is_some(), "the screen goes on");
    stage.trouble(|trouble| trouble.mute = false);
    stage.bus.publish(recorded(2));
    assert!(stage.wait(SOON, |call| matches!(call, Call::Played(_))).is_some());
    assert!(stage.all_well());
}

#[test]
fn a_pin_that_is_in_use_is_a_fault_and_is_asked_for_again() {
    let stage = Stage::start(settings(), Trouble { busy: true, ..Trouble::default() });
    assert!(stage.fault("header pin 16 is used by another program or driver; choose another pin"));
    stage.bus.publish(recognised(1, Life::Scene));
    stage.bus.publish(recorded(1));
    assert!(stage.wait(SOON, shows("in")).is_some(), "the screen goes on");
    stage.trouble(|trouble| trouble.busy = false);
    assert!(stage.wait(Duration::from_secs(7), |call| *call == Call::Claimed(RELAY)).is_some());
    assert!(stage.all_well());
}

#[test]
fn without_fonts_the_screen_shows_signs_and_says_what_to_install() {
    let missing = Fonts::load(Path::new("/nonexistent")).err().unwrap().fault();
    let stage = Stage::start_with(settings(), Trouble::default(), Err(missing));
    assert!(stage.fault("install the package fonts-dejavu-core"));
    stage.bus.publish(recorded(1));
    assert!(stage.wait(SOON, shows("in")).is_some());
}

#[test]
fn a_name_that_cannot_be_written_is_the_roll_number_and_a_long_one_harms_nothing() {
    if let Err(missing) = Fonts::load(Path::new(FOLDER)) {
        return skipped::skipped(&format!("the packages fonts-dejavu-core and fonts-lohit-deva ({missing})"));
    }
    let picture = |name: &str| {
        let stage = ready();
        stage.names.learn(&roll(1), name);
        stage.bus.publish(recorded(1));
        stage.wait(SOON, shows("in")).unwrap();
        let mut seen = None;
        stage.trouble(|trouble| seen = trouble.picture.clone());
        seen.unwrap()
    };
    let number = picture("");
    assert!(picture("山田太郎") == number && picture("🎓🎓") == number);
    let asha = picture("Asha Rao");
    assert!(asha != number && picture("Asha 🎓 Rao") == asha);
    assert!(picture(&"Venkatanarasimharajuvaripeta".repeat(4)) != number);
}

#[test]
fn forty_events_a_second_are_taken_and_the_newest_is_shown() {
    let stage = ready();
    let begun = Instant::now();
    for number in 0..80 {
        stage.bus.publish(recognised(number, Life::Recordable));
        stage.bus.publish(recorded(number));
        std::thread::sleep(Duration::from_millis(25));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "nobody who publishes waits");
    let calls = stage.calls(Duration::from_millis(300));
    let last = calls.iter().rev().find(|call| matches!(call, Call::Shown(..)));
    assert!(matches!(last, Some(Call::Shown("several", _))), "{last:?}");
    assert!(stage.wait(SOON, shows("idle")).is_some(), "and it becomes quiet again");
}

#[test]
fn who_looks_from_afar_sees_the_screen_without_a_display() {
    let opening = (0..50).map(|_| ScreenError::NoDisplay).collect();
    let stage = Stage::start(settings(), Trouble { opening, ..Trouble::default() });
    let begun = Instant::now();
    while stage.shot.picture().is_none() {
        assert!(begun.elapsed() < SOON, "no picture came");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(stage.shot.picture().unwrap().dimensions(), (800, 480));
}
