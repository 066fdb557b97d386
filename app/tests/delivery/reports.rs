//! What the commands print: JSON for scripts, all faults at once, no colours where none are wanted.

use std::process::{Command, Output};

use serde_json::Value;

fn attendance(words: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
    command.env_remove("NO_COLOR").envs(variables.iter().copied()).args(words).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stdout)))
}

fn with(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("attendance.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    (folder, file)
}

#[test]
fn all_faults_are_told_at_once_in_words_and_in_json() {
    let (_folder, file) = with(
        "[site]\ntimezone = \"UTC\"\n[photos]\ninterval = \"5\"\n[webhook]\nbatch_rows = 0\nkey = s3cr3t\n",
    );
    let output = attendance(&["check-config", "--config", &file], &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{said}");
    for words in ["line 2", "did you mean time_zone?", "line 4", "\"15m\"", "line 6", "1 to 1000", "line 7"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // The program says the same when it is started.
    let started = attendance(&["run", "--config", &file], &[]);
    assert_eq!(started.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&started.stderr).contains(said.trim()), "{said}");
    let output = attendance(&["check-config", "--json", "--config", &file], &[]);
    let told = json(&output);
    assert_eq!((output.status.code(), &told["valid"]), (Some(64), &Value::Bool(false)));
    assert_eq!(told["faults"].as_array().unwrap().len(), 4, "{told}");
    assert_eq!(
        (&told["faults"][1]["setting"], &told["faults"][1]["line"]),
        (&"photos.interval".into(), &4.into())
    );
    assert!(!told.to_string().contains("s3cr3t") && !said.contains("s3cr3t"));
}

#[test]
fn without_a_file_it_is_said_where_and_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.toml").display().to_string();
    for command in ["check-config", "run", "sync", "upload"] {
        let output = attendance(&[command, "--config", &file], &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{command}: {said}");
        assert!(said.contains(&file) && said.contains("--print-defaults"), "{command}: {said}");
    }
}

#[test]
fn every_report_comes_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (_kept, file) = with(&format!(
        "[site]\ndata_dir = {data:?}\nclock = \"system\"\n[photos]\nurl = \"http://127.0.0.1:1/photos\"\n[webhook]\n\
         url = \"http://127.0.0.1:1/hook\"\nkey = \"k\"\n"
    ));
    let ask = |words: &[&str]| json(&attendance(&[words, &["--json", "--config", &file]].concat(), &[]));
    let (_plain, plain) = with("[photos]\nurl = \"http://backend.example/photos\"\n");
    let checked = json(&attendance(&["check-config", "--json", "--config", &plain], &[]));
    assert_eq!(checked["valid"], true);
    assert!(checked["notes"].to_string().contains("http://"), "{checked}");
    assert_eq!(ask(&["check-connection"])["webhook"]["well"], false);
    assert!(ask(&["sync"])["error"].is_string());
    let upload = ask(&["upload"]);
    assert_eq!((&upload["stored"], &upload["waiting"]), (&0.into(), &0.into()));
    assert!(attendance(&["token", "add", "monitoring", "--config", &file], &[]).status.success());
    assert_eq!(ask(&["token", "list"])[0]["access"], "read");
}

#[test]
fn colours_respect_no_color() {
    let coloured = |variables: &[(&str, &str)]| {
        let output = attendance(&["--help"], variables);
        String::from_utf8_lossy(&output.stdout).contains('\u{1b}')
    };
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("NO_COLOR", "1")]));
    assert!(!coloured(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
}
