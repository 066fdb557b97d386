//! Running a client as a child process that may hang, be absent, or talk without end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often to look whether the child has ended: short beside any network round trip.
const POLL: Duration = Duration::from_millis(50);

/// How much of the child's last words to keep.
const TAIL_BYTES: u64 = 300;

/// How a child can fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no such program.
    NotInstalled,
    /// It ran and did not do what it should; in words.
    Failed(String),
}

/// A command of the words of a client; further arguments follow.
pub(super) fn command(words: &[String]) -> Command {
    let (program, arguments) =
        words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs `command` to its end, at most for `limit`. Its output goes to a file, where it cannot block.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<(), Failure> {
    let mut output = tempfile::tempfile().map_err(failed)?;
    let log = |output: &File| output.try_clone().map(Stdio::from).map_err(failed);
    let started = Instant::now();
    let mut child = match command.stdin(Stdio::null()).stdout(log(&output)?).stderr(log(&output)?).spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failure::NotInstalled),
        other => other.map_err(failed)?,
    };
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(Failure::Failed(format!("{status}: {}", tail(&mut output)))),
            None if started.elapsed() >= limit => {
                // It may have ended just now. In either case it must not run on.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::Failed(format!("no answer within {} s", limit.as_secs_f32())));
            }
            None => thread::sleep(POLL),
        }
    }
}

/// The last lines of what the child wrote, in one line.
fn tail(output: &mut File) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let len = output.seek(SeekFrom::End(0))?;
        output.seek(SeekFrom::Start(len.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        output.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = { read }().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // What was cut in the middle is left out, unless it is all there is.
    let whole = if bytes.len() as u64 == TAIL_BYTES && lines.len() > 1 { &lines[1..] } else { &lines[..] };
    whole.join(" ")
}

fn failed(error: io::Error) -> Failure {
    Failure::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<(), Failure> {
        run(Command::new("sh").arg("-c").arg(script), limit)
    }

    #[test]
    fn end_of_long_output_is_kept() {
        let error = shell("yes | head -c 1000000; echo no such package >&2; exit 3", Duration::from_secs(20));
        let Err(Failure::Failed(reason)) = error else { panic!("{error:?}") };
        assert!(reason.contains("exit status: 3") && reason.ends_with("no such package"), "{reason}");
    }

    #[test]
    fn a_hanging_client_is_ended() {
        let started = Instant::now();
        let error = shell("exec sleep 60", Duration::from_millis(200));
        assert!(matches!(error, Err(Failure::Failed(reason)) if reason.contains("no answer")));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn an_absent_client_is_told_apart() {
        let error = run(&mut Command::new("no-such-client-here"), Duration::from_secs(1));
        assert_eq!(error, Err(Failure::NotInstalled));
    }
}
