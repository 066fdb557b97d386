//! Recorded words, played by a stand-in.

use std::path::Path;
use std::time::{Duration, Instant};

use base::event::{Advice, Event};
use door::config::{Settings, Sound};
use door::recordings::Recording;
use door::tones::{RATE, Tone};

use crate::SOON;
use crate::stand_ins::{Call, Stage, Trouble, recorded};

/// Samples of a recording: another number for each.
fn length(recording: Recording) -> usize {
    RATE as usize / 10 + recording as usize
}

fn record(folder: &Path, recording: Recording, samples: usize) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(folder.join(recording.file()), spec).unwrap();
    (0..samples).for_each(|_| writer.write_sample(8000_i16).unwrap());
    writer.finalize().unwrap();
}

/// A folder with all recordings.
fn words() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Recording::ALL.into_iter().for_each(|recording| record(folder.path(), recording, length(recording)));
    folder
}

fn settings(folder: &Path) -> Settings {
    let sound =
        Sound { device: Some("default".to_owned()), words: Some(folder.to_owned()), ..Sound::default() };
    Settings { sound, ..Settings::default() }
}

/// The door without a display.
fn start(settings: Settings, trouble: Trouble) -> Stage {
    Stage::start(settings, Trouble { unplugged: true, ..trouble })
}

fn samples(tone: Tone) -> usize {
    tone.samples(70).len()
}

fn played(call: &Call) -> bool {
    matches!(call, Call::Played(_) | Call::Cut(_))
}

fn prompt(advice: Advice) -> Event {
    Event::Hint { track: 7, advice }
}

#[test]
fn each_tone_is_followed_by_its_words() {
    let folder = words();
    std::fs::remove_file(folder.path().join("unknown.wav")).unwrap();
    let stage = start(settings(folder.path()), Trouble::default());
    assert!(stage.asks(true), "all four turns are there, and the device works");
    let stranger = Event::Stranger { track: 8, similarity: 0.1, threshold: 0.4 };
    let events = [
        (recorded(1), Tone::In, Some(Recording::In)),
        (prompt(Advice::LookUp), Tone::Prompt(Advice::LookUp), Some(Recording::LookUp)),
        (prompt(Advice::TurnRight), Tone::Prompt(Advice::TurnRight), Some(Recording::TurnRight)),
        (stranger, Tone::Unknown, None),
    ];
    for (event, tone, recording) in events {
        stage.bus.publish(event);
        let calls: Vec<_> = stage.calls(Duration::from_millis(400)).into_iter().filter(played).collect();
        let tone = Call::Played(samples(tone));
        let wanted: Vec<_> =
            [tone].into_iter().chain(recording.map(|one| Call::Played(length(one)))).collect();
        assert_eq!(calls, wanted);
    }
    assert!(stage.all_well(), "a recording that is not there is no fault: {:?}", stage.faults.all());
}

#[test]
fn the_next_tone_cuts_words() {
    let folder = words();
    record(folder.path(), Recording::In, 5 * RATE as usize);
    let stage = start(settings(folder.path()), Trouble { slow: true, ..Trouble::default() });
    assert!(stage.asks(true));
    stage.bus.publish(recorded(1));
    assert!(stage.wait(SOON, |call| *call == Call::Played(samples(Tone::In))).is_some());
    // The words take five seconds.
    std::thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    stage.bus.publish(prompt(Advice::TurnLeft));
    let (cut, call) = stage.wait(SOON, played).unwrap();
    assert!(matches!(call, Call::Cut(heard) if heard > 0), "{call:?}");
    assert!(cut - asked < Duration::from_millis(250), "{:?}", cut - asked);
    let next = [samples(Tone::Prompt(Advice::TurnLeft)), length(Recording::TurnLeft)];
    for samples in next {
        assert_eq!(stage.wait(SOON, played).unwrap().1, Call::Played(samples));
    }
    // Of many at once, those that wait are heard without words between them.
    (2..20).for_each(|number| stage.bus.publish(recorded(number)));
    let calls: Vec<_> = stage.calls(Duration::from_millis(1500)).into_iter().filter(played).collect();
    let (tones, words): (Vec<_>, Vec<_>) =
        calls.into_iter().partition(|call| *call == Call::Played(samples(Tone::In)));
    assert!(
        (2..=3).contains(&tones.len()) && words == vec![Call::Cut(0); tones.len() - 1],
        "{tones:?} {words:?}"
    );
    let mut stage = stage;
    let ended = Instant::now();
    stage.end();
    assert!(ended.elapsed() < Duration::from_secs(1), "the worker waits for no words");
}

#[test]
fn without_one_of_the_four_turns_nobody_is_asked() {
    for turn in Recording::TURNS {
        let folder = words();
        std::fs::write(folder.path().join(turn.file()), "not a recording").unwrap();
        let stage = start(settings(folder.path()), Trouble::default());
        assert!(stage.fault(turn.file()) && stage.fault("export it as WAV, mono, 48,000 Hz, 16 bit"));
        stage.bus.publish(recorded(1));
        assert!(
            stage.wait(SOON, |call| *call == Call::Played(length(Recording::In))).is_some(),
            "the others work"
        );
        assert!(stage.never_asks());
    }
}

#[test]
fn nobody_is_asked_while_nothing_is_heard() {
    let folder = words();
    // It is 12:31.
    for (hours, asks) in [("08:00-12:00", false), ("12:00-13:00", true)] {
        let mut settings = settings(folder.path());
        settings.sound.hours = Some(hours.to_owned().try_into().unwrap());
        let stage = start(settings, Trouble::default());
        assert!(if asks { stage.asks(true) } else { stage.never_asks() }, "{hours}");
        stage.bus.publish(recorded(1));
        let heard = stage.wait(Duration::from_secs(1), |call| *call == Call::Played(length(Recording::In)));
        assert_eq!(heard.is_some(), asks, "{hours}");
    }
}

#[test]
fn nobody_is_asked_while_the_sound_device_is_gone() {
    let folder = words();
    let stage = start(settings(folder.path()), Trouble { mute: true, ..Trouble::default() });
    assert!(stage.fault("No such device"), "it is told before the first tone");
    assert!(stage.never_asks());
    stage.trouble(|trouble| trouble.mute = false);
    assert!(stage.asks(true) && stage.all_well(), "it is found without a tone");
    stage.trouble(|trouble| trouble.mute = true);
    stage.bus.publish(recorded(1));
    assert!(stage.asks(false) && stage.fault("No such device"));
    stage.trouble(|trouble| trouble.mute = false);
    stage.bus.publish(recorded(2));
    assert!(stage.asks(true) && stage.all_well());
}

#[test]
fn a_folder_that_is_not_there_is_told_and_tones_are_heard() {
    let stage = start(settings(Path::new("/nonexistent/words")), Trouble::default());
    assert!(stage.fault("put the recordings into it"));
    stage.bus.publish(recorded(1));
    assert_eq!(stage.wait(SOON, played).unwrap().1, Call::Played(samples(Tone::In)));
    assert!(stage.never_asks());
}
