//! YUV4MPEG2: a line of text and then raw planes (the format of mjpegtools, written by `ffmpeg -pix_fmt
//! yuv420p`).

use std::io::{BufRead, Read};
use std::time::Duration;

use super::{Picture, Reel, ReelError};
use vision::frame::MAX_SIDE;
use vision::frame::{Colour, PixelFormat};

/// How every file begins.
pub(super) const MAGIC: &[u8] = b"YUV4MPEG2 ";

/// Longest header line. Ours have about 100 bytes; comments (X tags) may make them longer.
const MAX_LINE: u64 = 4096;

/// A video that is being read.
pub(super) struct Y4m<R> {
    reader: R,
    header: Header,
}

/// What the first line says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    width: u32,
    height: u32,
    format: PixelFormat,
    interval: Option<Duration>,
}

impl<R: BufRead> Y4m<R> {
    pub(super) fn open(mut reader: R) -> Result<Self, ReelError> {
        let line = line(&mut reader)?.ok_or_else(|| ReelError::Malformed("the file is empty".to_owned()))?;
        let header = Header::parse(&line).map_err(ReelError::Malformed)?;
        Ok(Self { reader, header })
    }
}

impl Header {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|_| "the header is not text".to_owned())?;
        let mut words = text.split_ascii_whitespace();
        if words.next() != Some("YUV4MPEG2") {
            return Err("the header does not begin with YUV4MPEG2".to_owned());
        }
        let mut header = Self { width: 0, height: 0, format: PixelFormat::default(), interval: None };
        for word in words {
            let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            match tag {
                "W" => header.width = value.parse().unwrap_or(0),
                "H" => header.height = value.parse().unwrap_or(0),
                "F" => header.interval = interval(value),
                "C" => header.format = format(value)?,
                "X" if value == "COLORRANGE=FULL" && header.format == PixelFormat::default() => {
                    header.format = PixelFormat::Yuv420(Colour::Bt601Full);
                }
                // Interlacing, aspect ratio and comments change nothing here.
                _ => {}
            }
        }
        let allowed = 1..=MAX_SIDE;
        if allowed.contains(&header.width) && allowed.contains(&header.height) {
            Ok(header)
        } else {
            Err(format!(
                "the picture has {}×{} pixels; each side may have 1 to {MAX_SIDE}",
                header.width, header.height
            ))
        }
    }
}

/// `30000:1001` as the time from frame to frame. Rates below one in ten seconds or above 1000 a second are
/// not believed.
fn interval(rate: &str) -> Option<Duration> {
    let (frames, seconds) = rate.split_once(':')?;
    let rate = f64::from(frames.parse::<u32>().ok()?) / f64::from(seconds.parse::<u32>().ok()?);
    (0.1..=1000.0).contains(&rate).then(|| Duration::from_secs_f64(1.0 / rate))
}

fn format(name: &str) -> Result<PixelFormat, String> {
    match name {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(PixelFormat::default()),
        "mono" => Ok(PixelFormat::Grey),
        other => Err(format!(
            "the pixel format {other:?} is not supported; convert it with `ffmpeg -i VIDEO -pix_fmt yuv420p OUT.y4m`"
        )),
    }
}

impl<R: BufRead + Send> Reel for Y4m<R> {
    fn interval(&self) -> Option<Duration> {
        self.header.interval
    }

    fn next(&mut self, picture: &mut Picture) -> Result<bool, ReelError> {
        match line(&mut self.reader)? {
            None => return Ok(false),
            Some(line) if line == b"FRAME" || line.starts_with(b"FRAME ") => {}
            Some(_) => return Err(ReelError::Malformed("a frame does not begin with FRAME".to_owned())),
        }
        let Header { width, height, format, .. } = self.header;
        let bytes = picture
            .reshape(width, height, format)
            .ok_or_else(|| ReelError::Malformed("the picture is too large".to_owned()))?;
        match self.reader.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                log::warn!("the video ends in the middle of a frame; the rest is shown");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A line without its end; `None` at the end of the file.
fn line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, ReelError> {
    let mut line = Vec::new();
    reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(ReelError::Malformed(format!(
            "a header line is cut short or longer than {MAX_LINE} bytes; the file is damaged"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ffmpeg_headers_are_read() {
        let line =
            b"YUV4MPEG2 W640 H524 F30000:1001 Ip A5764:5265 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED";
        let header = Header::parse(line).unwrap();
        assert_eq!((header.width, header.height, header.format), (640, 524, PixelFormat::default()));
        assert_eq!(header.interval.unwrap().as_micros(), 33_366);
        let full = Header::parse(b"YUV4MPEG2 W2 H2 C420jpeg XCOLORRANGE=FULL").unwrap();
        assert_eq!((full.format, full.interval), (PixelFormat::Yuv420(Colour::Bt601Full), None));
    }

    #[test]
    fn hostile_headers_are_refused_before_allocation() {
        for (line, reason) in [
            (&b"YUV4MPEG2 W99999999 H2"[..], "4096"),
            (b"YUV4MPEG2 W0 H2", "4096"),
            (b"YUV4MPEG2 H2", "4096"),
            (b"YUV4MPEG2 W-4 H2", "4096"),
            (b"YUV4MPEG2 W4 H2 C444p16", "ffmpeg"),
            (b"YUV4MPEG2 W4 H2 \xff", "text"),
        ] {
            assert!(Header::parse(line).unwrap_err().contains(reason));
        }
        for rate in ["0:1", "1:0", "4294967295:1", "1:4294967295", "x", "1"] {
            assert_eq!(interval(rate), None);
        }
        assert!(Y4m::open(&[b'Y'; 100_000][..]).is_err());
    }

    #[test]
    fn truncated_video_ends_with_its_last_whole_frame() {
        let mut bytes = b"YUV4MPEG2 W2 H2 Cmono\nFRAME Ip\nabcdFRAME\nef".to_vec();
        let mut video = Y4m::open(&bytes[..]).unwrap();
        let mut picture = Picture::default();
        assert!(video.next(&mut picture).unwrap());
        assert_eq!(picture.bytes(), b"abcd");
        assert!(!video.next(&mut picture).unwrap());
        bytes.truncate(25);
        assert!(matches!(Y4m::open(&bytes[..]).unwrap().next(&mut picture), Err(ReelError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [MAGIC, &b"W4 H2\n"[..], &tail].concat();
            let mut picture = Picture::default();
            let mut video = Y4m::open(&bytes[..]).unwrap();
            while let Ok(true) = video.next(&mut picture) {}
            let _ = Y4m::open(&[MAGIC, &tail].concat()[..]);
            let _ = Header::parse(&tail);
        }
    }
}
