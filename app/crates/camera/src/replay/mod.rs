//! Files in place of a camera: Y4M and MJPEG videos and folders of pictures, at their own pace or as fast as
//! they are taken.
//!
//! The files are hostile until decoded: sizes are checked before anything is allocated, and a file that ends
//! in the middle of a frame simply ends there.

mod folder;
mod mjpeg;
mod patient;
mod y4m;

use std::io::{self, BufReader, Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::patient::{PATIENCE, Patient};
use super::error::CameraError;
use super::source::{Grab, Source};
use crate::config;
use base::moment::{Clock, Moment};
use vision::frame::{Frame, Picture};

/// How a replay keeps time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Seconds of film in a second: 1 shows it as it was taken, stamped with the clock. Any other speed is
    /// stamped with the film's own time, infinity comes without waiting. Slow motion is for machines that are
    /// too slow to see a blink.
    pub speed: f32,
    /// Frames per second of material without a rate of its own: pictures and MJPEG.
    pub frame_rate: f32,
    /// Whether the replay starts again at its end.
    pub repeat: bool,
}

impl Pace {
    /// As the configuration says.
    pub fn of(config: &config::Camera) -> Self {
        Self { speed: config.replay_speed, frame_rate: config.frame_rate, repeat: config.replay_loop }
    }
}

/// The replay of some files, one after the other.
pub struct Replay {
    files: Vec<PathBuf>,
    pace: Pace,
    clock: Arc<dyn Clock>,
    /// Index of the file that is open.
    current: usize,
    reel: Box<dyn Reel>,
    /// Whether any frame came since the first file was opened the last time: a replay of nothing must not
    /// spin.
    frames_this_round: bool,
    number: u64,
    due: Instant,
    /// Time stamp of the next frame of a replay in film time.
    stamp: Moment,
}

/// One opened file.
trait Reel: Send {
    /// Time from one frame to the next, where the file says it.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Decodes the next picture; `false` at the end.
    fn next(&mut self, picture: &mut Picture) -> Result<bool, ReelError>;
}

/// Why a file gives no further picture.
#[derive(Debug)]
enum ReelError {
    /// A pipe whose writer says nothing.
    Silent,
    Io(io::Error),
    Malformed(String),
}

impl From<io::Error> for ReelError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Silent } else { Self::Io(error) }
    }
}

impl ReelError {
    fn at(self, path: &Path) -> CameraError {
        let path = path.to_owned();
        match self {
            Self::Silent => CameraError::Stalled { waited: PATIENCE },
            Self::Io(source) => CameraError::Unreadable { path, source },
            Self::Malformed(reason) => CameraError::Malformed { path, reason },
        }
    }
}

impl Replay {
    /// Opens the files. All are looked at now, so that a wrong name is told at the start and not in the
    /// night.
    ///
    /// # Errors
    /// [`CameraError`] when one cannot be read or is neither Y4M, MJPEG nor a folder with pictures.
    pub fn open(files: &[PathBuf], pace: Pace, clock: Arc<dyn Clock>) -> Result<Self, CameraError> {
        let first = files.first().ok_or_else(|| CameraError::Missing {
            wanted: "camera.replay names no file; name a Y4M or MJPEG video or a folder of pictures"
                .to_owned(),
        })?;
        for file in &files[1..] {
            open_reel(file)?;
        }
        Ok(Self {
            files: files.to_vec(),
            pace,
            current: 0,
            reel: open_reel(first)?,
            frames_this_round: false,
            number: 0,
            due: Instant::now(),
            stamp: clock.now(),
            clock,
        })
    }

    fn interval(&self) -> Duration {
        self.reel
            .interval()
            .unwrap_or_else(|| Duration::from_secs_f32(1.0 / self.pace.frame_rate.clamp(0.1, 1000.0)))
    }

    /// Goes on to the next file; `false` when the replay is over.
    fn advance(&mut self) -> Result<bool, CameraError> {
        self.current += 1;
        if self.current == self.files.len() {
            if !self.pace.repeat || !self.frames_this_round {
                self.current -= 1;
                return Ok(false);
            }
            self.current = 0;
            self.frames_this_round = false;
        }
        self.reel = open_reel(&self.files[self.current])?;
        Ok(true)
    }
}

impl Source for Replay {
    fn describe(&self) -> String {
        let names: Vec<_> = self
            .files
            .iter()
            .map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
            .collect();
        format!("replay of {}", names.join(", "))
    }

    fn next_frame(&mut self, frame: &mut Frame, patience: Duration) -> Result<Grab, CameraError> {
        if self.pace.speed.is_finite() {
            let wait = self.due.saturating_duration_since(Instant::now());
            std::thread::sleep(wait.min(patience));
            if wait > patience {
                return Ok(Grab::Waiting);
            }
        }
        while !self.reel.next(&mut frame.picture).map_err(|error| error.at(&self.files[self.current]))? {
            if !self.advance()? {
                return Ok(Grab::Ended);
            }
        }
        let interval = self.interval();
        self.frames_this_round = true;
        self.number += 1;
        frame.number = self.number;
        if self.pace.speed.is_finite() {
            let wait = interval.div_f32(self.pace.speed.clamp(0.001, 100.0));
            // A replay that fell behind (a suspended machine) goes on from now instead of hurrying.
            self.due = (self.due + wait).max(Instant::now().checked_sub(wait).unwrap_or(self.due));
        }
        if self.pace.speed == 1.0 {
            frame.at = self.clock.now();
        } else {
            frame.at = self.stamp;
            self.stamp.utc += interval;
            self.stamp.since_boot += interval;
        }
        Ok(Grab::Filled)
    }
}

/// Opens a file by what is in it, not by its name.
fn open_reel(path: &Path) -> Result<Box<dyn Reel>, CameraError> {
    open_any(path).map_err(|error| error.at(path))
}

fn open_any(path: &Path) -> Result<Box<dyn Reel>, ReelError> {
    if path.is_dir() {
        return Ok(Box::new(folder::Folder::open(path)?));
    }
    let mut file = Patient::open(path, PATIENCE)?;
    let mut magic = Vec::new();
    (&mut file).take(y4m::MAGIC.len() as u64).read_to_end(&mut magic)?;
    let (y4m, jpeg) = (magic == y4m::MAGIC, magic.starts_with(&vision::jpeg::START));
    // A pipe cannot be read from its beginning again.
    let reader = BufReader::with_capacity(1 << 18, Cursor::new(magic).chain(file));
    if y4m {
        Ok(Box::new(y4m::Y4m::open(reader)?))
    } else if jpeg {
        Ok(Box::new(mjpeg::Mjpeg::open(reader)))
    } else {
        let how = "neither Y4M nor MJPEG; convert it with `ffmpeg -i VIDEO -pix_fmt yuv420p OUT.y4m`";
        Err(ReelError::Malformed(how.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::OffsetDateTime;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Moment {
            Moment { utc: OffsetDateTime::UNIX_EPOCH, since_boot: Duration::ZERO, trusted: true }
        }

        fn boot_id(&self) -> &str {
            "test"
        }
    }

    fn open(files: &[PathBuf], speed: f32, repeat: bool) -> Result<Replay, CameraError> {
        Replay::open(files, Pace { speed, frame_rate: 50.0, repeat }, Arc::new(Still))
    }

    fn video(dir: &Path, name: &str, frames: u8) -> PathBuf {
        let mut bytes = b"YUV4MPEG2 W4 H2 F25:1 C420jpeg\n".to_vec();
        for n in 0..frames {
            bytes.extend_from_slice(b"FRAME\n");
            bytes.extend_from_slice(&[n; 12]);
        }
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn next(replay: &mut Replay, frame: &mut Frame) -> Grab {
        replay.next_frame(frame, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn time_stamps_follow_the_rate_of_each_file() {
        let dir = tempfile::tempdir().unwrap();
        let pictures = dir.path().join("pictures");
        std::fs::create_dir(&pictures).unwrap();
        image::RgbImage::new(3, 3).save(pictures.join("a.png")).unwrap();
        let mut replay = open(&[video(dir.path(), "v.y4m", 2), pictures], f32::INFINITY, false).unwrap();
        let mut frame = Frame::default();
        let mut stamps = Vec::new();
        while next(&mut replay, &mut frame) == Grab::Filled {
            stamps.push((frame.number, frame.at.since_boot.as_millis(), frame.picture.width()));
        }
        assert_eq!(stamps, [(1, 0, 4), (2, 40, 4), (3, 80, 3)]);
        assert_eq!(next(&mut replay, &mut frame), Grab::Ended);
        assert_eq!(replay.describe(), "replay of v.y4m, pictures");
    }

    #[test]
    fn replay_loops_and_never_spins_on_empty_input() {
        let dir = tempfile::tempdir().unwrap();
        let mut frame = Frame::default();
        let mut replay = open(&[video(dir.path(), "v.y4m", 2)], f32::INFINITY, true).unwrap();
        for _ in 0..7 {
            assert_eq!(next(&mut replay, &mut frame), Grab::Filled);
        }
        let mut nothing = open(&[video(dir.path(), "e.y4m", 0)], f32::INFINITY, true).unwrap();
        assert_eq!(next(&mut nothing, &mut frame), Grab::Ended);
    }

    #[test]
    fn frames_are_paced() {
        let dir = tempfile::tempdir().unwrap();
        let mut replay = open(&[video(dir.path(), "v.y4m", 5)], 1.0, false).unwrap();
        let mut frame = Frame::default();
        let start = Instant::now();
        assert_eq!(replay.next_frame(&mut frame, Duration::ZERO).unwrap(), Grab::Filled);
        assert_eq!(replay.next_frame(&mut frame, Duration::from_millis(1)).unwrap(), Grab::Waiting);
        for _ in 0..4 {
            assert_eq!(next(&mut replay, &mut frame), Grab::Filled);
        }
        assert!(start.elapsed() >= Duration::from_millis(155), "{:?}", start.elapsed());
    }

    #[test]
    fn slow_motion_keeps_time_stamps() {
        let dir = tempfile::tempdir().unwrap();
        let mut replay = open(&[video(dir.path(), "v.y4m", 3)], 0.5, false).unwrap();
        let mut frame = Frame::default();
        let start = Instant::now();
        let stamps = [(); 3].map(|()| {
            assert_eq!(next(&mut replay, &mut frame), Grab::Filled);
            frame.at.since_boot.as_millis()
        });
        assert_eq!(stamps, [0, 40, 80]);
        assert!(start.elapsed() >= Duration::from_millis(155), "{:?}", start.elapsed());
    }

    #[test]
    fn named_pipe_without_writer_stalls() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe.y4m");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let (told, opened) = std::sync::mpsc::channel();
        let silent = path.clone();
        std::thread::spawn(move || told.send(open(&[silent], 1.0, false).err()));
        let error = opened.recv_timeout(2 * PATIENCE).unwrap().unwrap();
        assert!(matches!(error, CameraError::Stalled { .. }), "{error}");

        let film = std::fs::read(video(dir.path(), "v.y4m", 3)).unwrap();
        let writer = path.clone();
        std::thread::spawn(move || std::fs::write(writer, film));
        let mut replay = open(&[path], f32::INFINITY, false).unwrap();
        let mut frame = Frame::default();
        for _ in 0..3 {
            assert_eq!(next(&mut replay, &mut frame), Grab::Filled);
        }
        assert_eq!(next(&mut replay, &mut frame), Grab::Ended);
    }

    #[test]
    fn other_files_are_refused_at_start() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("notes.mp4");
        std::fs::write(&text, "hello").unwrap();
        let good = video(dir.path(), "v.y4m", 1);
        let refused = |files: &[PathBuf]| open(files, 1.0, false).err().unwrap().to_string();
        assert!(refused(&[good, text]).contains("ffmpeg"));
        assert!(refused(&[dir.path().join("missing.y4m")]).contains("missing.y4m"));
        assert!(refused(&[]).contains("camera.replay"));
        let empty = dir.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        assert!(refused(&[empty]).contains("no picture"));
    }
}
