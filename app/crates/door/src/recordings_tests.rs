//! Tests of `recordings`.

#![allow(clippy::unwrap_used)]
use std::path::Path;

use super::*;

const GOOD: WavSpec =
    WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// A file with so many samples of each channel, all of them 1000.
fn wav(spec: WavSpec, samples: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for _ in 0..samples * u32::from(spec.channels) {
        match (spec.sample_format, spec.bits_per_sample) {
            (SampleFormat::Float, _) => writer.write_sample(0.1_f32).unwrap(),
            (SampleFormat::Int, 8) => writer.write_sample(100_i8).unwrap(),
            (SampleFormat::Int, _) => writer.write_sample(1000_i16).unwrap(),
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn put(folder: &Path, recording: Recording, bytes: &[u8]) {
    std::fs::write(folder.join(recording.file()), bytes).unwrap();
}

#[test]
fn each_answer_and_each_turn_has_a_recording_named_like_it() {
    let advice = [Advice::TurnLeft, Advice::TurnRight, Advice::LookUp, Advice::LookDown];
    let prompts = advice.map(Tone::Prompt);
    let said = Tone::ALL.into_iter().filter(|tone| !matches!(tone, Tone::Prompt(_))).chain(prompts);
    let said: Vec<_> = said.map(|tone| Recording::of(tone).unwrap()).collect();
    assert_eq!(said, Recording::ALL);
    assert_eq!(Recording::of(Tone::Prompt(Advice::Blink)), None);
    for (name, recording) in [
        "in",
        "out",
        "seen",
        "too-early",
        "unknown",
        "refused",
        "turn-left",
        "turn-right",
        "look-up",
        "look-down",
    ]
    .into_iter()
    .zip(Recording::ALL)
    {
        assert_eq!(recording.file(), format!("{name}.wav"));
        // The door's texts have the same names.
        let texts = include_str!("../texts/en.ftl");
        assert!(texts.lines().any(|line| line.starts_with(&format!("{name} = "))), "{name}");
    }
}

#[test]
fn what_is_no_recording_is_told_with_what_to_do() {
    let export = "export it as WAV, mono, 48,000 Hz, 16 bit";
    let whole = wav(GOOD, 1000);
    let table = [
        (b"RIFF".to_vec(), "not a whole WAV file", export),
        (b"ID3\x04 an MP3".to_vec(), "not a whole WAV file", export),
        (Vec::new(), "not a whole WAV file", export),
        (whole[..whole.len() - 7].to_vec(), "not a whole WAV file", export),
        (wav(WavSpec { channels: 2, ..GOOD }, 10), "channels: 2, Hz: 48000, bits: 16", export),
        (wav(WavSpec { sample_rate: 44_100, ..GOOD }, 10), "channels: 1, Hz: 44100", export),
        (wav(WavSpec { bits_per_sample: 8, ..GOOD }, 10), "bits: 8)", export),
        (
            wav(WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..GOOD }, 10),
            "bits: 32, floating point",
            export,
        ),
        (wav(GOOD, 0), "is empty", export),
        (wav(GOOD, 5 * RATE + 480), "lasts 5.0 s, and at most 5 s", "fewer words"),
        (vec![0; MAX_BYTES as usize + 1], "more than 524288 bytes", export),
    ];
    for (bytes, what, advice) in table {
        let fault = Recording::In.parse(&bytes).unwrap_err().fault();
        assert!(fault.what.contains(what), "{what}: {fault}");
        assert!(fault.advice.as_ref().unwrap().contains(advice), "{what}: {fault}");
    }
    assert_eq!(Recording::In.parse(&wav(GOOD, 5 * RATE)).unwrap().len(), 5 * RATE as usize);
    // A turn has to be said while there is time to make it.
    for turn in Recording::TURNS {
        assert_eq!(turn.parse(&wav(GOOD, RATE)).unwrap().len(), RATE as usize);
        let fault = turn.parse(&wav(GOOD, RATE + 4800)).unwrap_err().fault();
        assert!(
            fault.what.contains("lasts 1.1 s, and at most 1 s") && fault.to_string().contains("two seconds")
        );
    }
}

#[test]
fn no_damage_of_a_file_does_harm() {
    let whole = wav(GOOD, 200);
    let mut random = fastrand::Rng::with_seed(21);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..6) {
            // Mostly in the head, where the lengths stand.
            let end = if random.bool() { 60 } else { bytes.len() };
            bytes[random.usize(..end)] = random.u8(..);
        }
        bytes.truncate(random.usize(..=bytes.len()).max(20));
        if let Ok(samples) = Recording::Out.parse(&bytes) {
            assert!(samples.len() <= bytes.len() / 2);
        }
    }
}

#[test]
fn a_wrong_file_leaves_the_others_and_a_changed_one_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut recordings = Recordings::of(folder.path().to_owned());
    assert!(recordings.refresh(|| false));
    assert!(recordings.faults().is_empty(), "a missing file is no fault");
    put(folder.path(), Recording::In, &wav(GOOD, 10));
    put(folder.path(), Recording::Out, b"something else");
    std::fs::create_dir(folder.path().join("seen.wav")).unwrap();
    for turn in &Recording::TURNS[1..] {
        put(folder.path(), *turn, &wav(GOOD, 10));
    }
    assert!(recordings.refresh(|| false));
    assert_eq!(recordings.samples(Recording::In).unwrap(), [1000; 10]);
    assert!(
        [Recording::Out, Recording::Seen, Recording::Unknown]
            .iter()
            .all(|one| recordings.samples(*one).is_none())
    );
    let faults = recordings.faults();
    assert!(faults.len() == 2 && faults[0].what.starts_with("the recording out.wav of "), "{faults:?}");
    assert!(
        faults[1].what.contains("seen.wav") && faults[1].what.ends_with("is not a plain file"),
        "{faults:?}"
    );
    assert!(!recordings.can_ask(), "the fourth turn is missing");
    put(folder.path(), Recording::TurnLeft, &wav(GOOD, 10));
    put(folder.path(), Recording::Out, &wav(GOOD, 20));
    assert!(!recordings.refresh(|| true) && !recordings.can_ask(), "a tone comes first");
    assert!(recordings.refresh(|| false) && recordings.can_ask());
    assert_eq!(recordings.samples(Recording::Out).unwrap().len(), 20);
    std::fs::remove_file(folder.path().join("look-up.wav")).unwrap();
    assert!(recordings.refresh(|| false) && !recordings.can_ask());
    assert!(recordings.describe().contains("turn-right.wav") && recordings.describe().contains("cannot ask"));
}

#[test]
fn a_file_that_did_not_change_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.wav");
    let mut recordings = Recordings::of(folder.path().to_owned());
    put(folder.path(), Recording::In, &wav(GOOD, 10));
    recordings.refresh(|| false);
    let changed = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::write(&path, vec![0; std::fs::metadata(&path).unwrap().len() as usize]).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
    recordings.refresh(|| false);
    assert!(recordings.samples(Recording::In).is_some(), "same time and length: it was not opened");
    File::options().write(true).open(&path).unwrap().set_modified(changed + Duration::from_secs(2)).unwrap();
    recordings.refresh(|| false);
    assert!(recordings.samples(Recording::In).is_none() && recordings.faults().len() == 1);
}

#[test]
fn a_folder_that_is_not_there_is_one_fault() {
    let mut recordings = Recordings::of("/nonexistent/words".into());
    recordings.refresh(|| false);
    let faults = recordings.faults();
    assert!(faults.len() == 1 && faults[0].to_string().contains("put the recordings into it"), "{faults:?}");
}

#[test]
fn a_recording_is_as_loud_as_a_tone() {
    let full = [i16::MAX, i16::MIN, 0];
    for volume in [0, 10, 50, 100] {
        let peak = at_volume(&full, volume)[0];
        let loud = share(volume) * f32::from(i16::MAX);
        assert!((f32::from(peak) - loud).abs() <= 1.0, "{volume}: {peak}, {loud}");
        let tone = Tone::Seen.samples(volume).into_iter().map(i16::unsigned_abs).max().unwrap();
        assert!(f32::from(tone) <= loud + 1.0, "{volume}: no tone is louder");
        assert!(f32::from(tone) >= 0.8 * loud, "{volume}: {tone} beside {loud}");
    }
    assert_eq!(at_volume(&full, 0), [0, 0, 0]);
}
