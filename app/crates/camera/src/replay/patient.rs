//! A file or a named pipe, read without waiting forever.
//!
//! A named pipe without a writer would block its reader in the kernel, where neither an error nor a stop
//! signal reaches it. It is opened and read without blocking instead, and silence is an error.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

/// Silence that is an error: a pipe's writer may take a while to start.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Time between two looks into a pipe that is empty. It holds 64 KiB, so that 32 MB come through in a second.
const LOOK: Duration = Duration::from_millis(2);

/// An open file of any kind.
pub(super) struct Patient {
    file: File,
    patience: Duration,
    /// For a pipe: whether a byte has come. Before it, "no writer" does not mean "the end".
    pipe: Option<bool>,
}

impl Patient {
    /// Opens `path`. If it is not a plain file, each read waits for `patience` at most.
    ///
    /// # Errors
    /// An error of the file system.
    pub(super) fn open(path: &Path, patience: Duration) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        let kind = file.metadata()?.file_type();
        let waits = kind.is_fifo() || kind.is_char_device();
        Ok(Self { file, patience, pipe: waits.then_some(false) })
    }
}

impl Read for Patient {
    /// # Errors
    /// `TimedOut` when nothing came within the patience.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(heard) = &mut self.pipe else { return self.file.read(bytes) };
        let begun = Instant::now();
        loop {
            match self.file.read(bytes) {
                Ok(0) if !*heard && !bytes.is_empty() => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) => {
                    *heard |= count > 0;
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
            if begun.elapsed() >= self.patience {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    fn pipe(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        path
    }

    #[test]
    fn pipe_without_writer_times_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = Patient::open(&pipe(folder.path()), SHORT).unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn silent_writer_times_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(folder.path());
        let mut reader = Patient::open(&path, SHORT).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"picture").unwrap();
        let mut bytes = [0; 16];
        assert_eq!(reader.read(&mut bytes).unwrap(), 7);
        assert_eq!(reader.read(&mut bytes).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(writer);
        assert_eq!(reader.read(&mut bytes).unwrap(), 0);
    }
}
