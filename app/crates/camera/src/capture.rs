//! The capture thread: from a source to the inference thread, until it is told to stop.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::error::CameraError;
use super::source::{Grab, Source};
use vision::frame::Frame;
use vision::latest::Sender;

/// A camera that gives no frame for this long hangs: more than twice the slowest frame interval (one second),
/// and soon enough that it is told within three seconds.
pub const STALL: Duration = Duration::from_millis(2500);

/// For the first frame of a camera that was just opened: exposure settles, USB cameras wake up, an emulated
/// board is slow.
const FIRST: Duration = Duration::from_secs(10);

/// How often the stop signal is looked at while the camera is silent.
const LOOK: Duration = Duration::from_millis(200);

/// How a capture ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was told to stop.
    Stopped,
    /// The replay is over; the receiver has been told.
    Ended,
}

/// Moves frames from `source` to `sender` until `stop` or the end of the source. Never waits for the
/// receiver.
///
/// # Errors
/// [`CameraError`] when the source fails, or [`CameraError::Stalled`] when it is silent for [`STALL`]; the
/// caller opens it again.
pub fn run(
    source: &mut dyn Source,
    sender: &mut Sender,
    stop: &CancellationToken,
) -> Result<Finish, CameraError> {
    sender.reopen();
    let mut spare: Option<Frame> = None;
    let mut heard = Instant::now();
    let mut patience = FIRST;
    while !stop.is_cancelled() {
        let mut frame = spare.take().unwrap_or_else(|| sender.buffer());
        match source.next_frame(&mut frame, LOOK)? {
            Grab::Filled => {
                heard = Instant::now();
                patience = STALL;
                spare = sender.send(frame);
            }
            Grab::Ended => {
                sender.close();
                return Ok(Finish::Ended);
            }
            Grab::Waiting => {
                spare = Some(frame);
                if heard.elapsed() >= patience {
                    return Err(CameraError::Stalled { waited: patience });
                }
            }
        }
    }
    Ok(Finish::Stopped)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vision::latest::{Received, channel};

    /// Gives `frames` frames and then does what `then` says.
    struct Scripted {
        frames: u64,
        then: fn() -> Result<Grab, CameraError>,
    }

    impl Source for Scripted {
        fn describe(&self) -> String {
            "script".to_owned()
        }

        fn next_frame(&mut self, frame: &mut Frame, _: Duration) -> Result<Grab, CameraError> {
            if self.frames == 0 {
                return (self.then)();
            }
            self.frames -= 1;
            frame.number += 1;
            Ok(Grab::Filled)
        }
    }

    #[test]
    fn end_of_source_closes_the_channel() {
        let (mut sender, mut receiver, _) = channel();
        let mut source = Scripted { frames: 1, then: || Ok(Grab::Ended) };
        assert_eq!(run(&mut source, &mut sender, &CancellationToken::new()).unwrap(), Finish::Ended);
        assert!(matches!(receiver.newest(LOOK), Received::Frame(_)));
        assert!(matches!(receiver.newest(LOOK), Received::Closed));
    }

    #[test]
    fn a_camera_that_hangs_is_seen() {
        let (mut sender, _receiver, _) = channel();
        let silent = || {
            std::thread::sleep(LOOK);
            Ok(Grab::Waiting)
        };
        let mut source = Scripted { frames: 2, then: silent };
        let error = run(&mut source, &mut sender, &CancellationToken::new()).unwrap_err();
        assert!(matches!(error, CameraError::Stalled { waited } if waited == STALL), "{error}");
    }

    #[test]
    fn capture_reports_failures_and_stops() {
        let (mut sender, _receiver, _) = channel();
        let mut source =
            Scripted { frames: 0, then: || Err(CameraError::Device { reason: "unplugged".to_owned() }) };
        assert!(run(&mut source, &mut sender, &CancellationToken::new()).is_err());
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(run(&mut source, &mut sender, &stop).unwrap(), Finish::Stopped);
    }
}
