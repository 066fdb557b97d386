//! Shell completions and manual pages lie in the repository, as the image installs them: nothing that only a
//! builder needs is in the device's program.

use std::path::{Path, PathBuf};

use attendance::command::Cli;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Writes those of the device's program, which has no `evaluate`.
fn write(to: &Path) {
    let mut command = Cli::command().mut_subcommand("evaluate", |evaluate| evaluate.hide(true));
    for folder in ["completions", "man"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "attendance", to.join("completions")).unwrap();
    }
    clap_mangen::generate_to(command.disable_help_subcommand(true), to.join("man")).unwrap();
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// With `UPDATE_GOLDEN=1` they are renewed.
#[test]
fn completions_and_manual_pages_are_those_of_the_program() {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/command-line");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = std::fs::remove_dir_all(&kept);
        write(&kept);
    }
    let made = tempfile::tempdir().unwrap();
    write(made.path());
    for kind in ["completions", "man"] {
        assert_eq!(names(&made.path().join(kind)), names(&kept.join(kind)), "UPDATE_GOLDEN=1 renews them");
        for name in names(&kept.join(kind)) {
            let read = |folder: &Path| std::fs::read_to_string(folder.join(kind).join(&name)).unwrap();
            assert!(
                read(made.path()) == read(&kept),
                "{name:?} is not up to date: UPDATE_GOLDEN=1 renews it"
            );
        }
    }
    assert!(kept.join("man/attendance.1").exists() && kept.join("completions/_attendance").exists());
}
