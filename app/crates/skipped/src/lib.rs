//! For tests: what is skipped is named and counted, and fails where everything should be there.
//!
//! A test that lacks its material (weights, a film, a browser) calls [`skipped`] and returns. `cargo test`
//! hides what a passing test prints, so the line also goes to the file that `ATTENDANCE_SKIPS` names;
//! scripts/test counts and shows them at its end. With `ATTENDANCE_REQUIRE=1`, which CI sets, a skip is a
//! failure.
#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::io::Write as _;

/// Says that the running test skips something because `needs` is missing; `needs` says what to do to have it.
///
/// # Panics
/// With `ATTENDANCE_REQUIRE=1`, and when the file `ATTENDANCE_SKIPS` cannot be written.
#[track_caller]
pub fn skipped(needs: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED: {}: needs {needs}", thread.name().unwrap_or("a test"));
    eprintln!("{line}");
    if let Some(file) = std::env::var_os("ATTENDANCE_SKIPS") {
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        assert!(written.is_ok(), "cannot note in ATTENDANCE_SKIPS what was skipped: {written:?}");
    }
    assert!(
        std::env::var_os("ATTENDANCE_REQUIRE").is_none_or(|value| value != "1"),
        "{line}; ATTENDANCE_REQUIRE=1 allows no skipped test"
    );
}
