//! Against libcamera's virtual cameras, in one process: `scripts/test-camera` prepares the machine and runs
//! these.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::{Mutex, Once};

use image::{Rgb, RgbImage};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::capture;
use crate::turn::{COPIED, Turn};
use base::moment::ClockTrust;
use base::moment::SystemClock;
use base::rotation::Rotation;
use vision::latest;

/// libcamera allows one camera manager in a process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const PATIENCE: Duration = Duration::from_secs(5);

/// Makes the pictures that the virtual cameras show; says why there is no test, where there are no virtual
/// cameras.
fn prepared() -> bool {
    static PICTURES: Once = Once::new();
    if std::env::var_os("ATTENDANCE_VIRTUAL_CAMERAS").is_none() {
        skipped::skipped("libcamera's virtual cameras; run scripts/test-camera");
        return false;
    }
    PICTURES.call_once(|| {
        // As scripts/test-camera.d/virtual.yaml says.
        let folder = PathBuf::from("/tmp/attendance-cameras");
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..5 {
            let picture = RgbImage::from_fn(640, 480, |x, y| Rgb([(x / 3) as u8, (y / 2) as u8, 50 * n]));
            picture.save(folder.join(format!("{n}.jpg"))).unwrap();
        }
    });
    true
}

fn wanted(id: &str) -> config::Camera {
    config::Camera { id: Some(id.to_owned()), frame_rate: 60.0, ..config::Camera::default() }
}

fn open(config: &config::Camera) -> Result<Device, CameraError> {
    Device::open(config, Arc::new(SystemClock::new(ClockTrust::System)))
}

fn next(device: &mut Device) -> Frame {
    let mut frame = Frame::default();
    assert_eq!(device.next_frame(&mut frame, PATIENCE).unwrap(), Grab::Filled);
    frame
}

fn rgb(frame: &Frame) -> RgbImage {
    let mut rgb = RgbImage::default();
    frame.picture.write_rgb(&mut rgb);
    rgb
}

#[test]
fn frames_have_their_rate_and_capture_time() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let mut device = open(&config::Camera { frame_rate: 20.0, ..wanted("lines") }).unwrap();
    assert!(device.describe().contains("Moving lines (lines), 1280x720 NV12"), "{}", device.describe());
    let clock = SystemClock::new(ClockTrust::System);
    let start = Instant::now();
    let frames: Vec<_> = (0..20)
        .map(|_| {
            let frame = next(&mut device);
            let age = clock.now().since_boot.checked_sub(frame.at.since_boot).unwrap();
            assert!(age < Duration::from_millis(500), "{age:?} old");
            (frame.number, frame.at.since_boot, frame.picture)
        })
        .collect();
    let took = start.elapsed();
    // The first few come at once: the requests that wait from the start.
    assert!((600..2500).contains(&took.as_millis()), "20 frames at 20 a second took {took:?}");
    assert!(frames.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "order");
    assert!(frames.iter().all(|(_, _, picture)| (picture.width(), picture.height()) == (1280, 720)));
    assert!(frames.windows(2).any(|pair| pair[0].2.bytes() != pair[1].2.bytes()), "the lines move");
}

#[test]
fn unsupported_size_becomes_the_nearest() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let mut device = open(&wanted("bars")).unwrap();
    let picture = rgb(&next(&mut device));
    assert_eq!(picture.dimensions(), (800, 600));
    // White, yellow, cyan, green, magenta, red, blue, black, from the left. The virtual camera says BT.709
    // and draws by BT.601, which makes green darker.
    let at = |n: u32| picture.get_pixel(50 + 100 * n, 300).0;
    let near = |n, expected: [u8; 3]| at(n).iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 45);
    for (n, expected) in [(0, [255; 3]), (3, [0, 255, 0]), (5, [255, 0, 0]), (6, [0, 0, 255]), (7, [0; 3])] {
        assert!(near(n, expected), "bar {n} is {:?}", at(n));
    }
}

#[test]
fn virtual_camera_pictures_are_unchanged() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let mut device = open(&wanted("still")).unwrap();
    let picture = rgb(&next(&mut device));
    assert_eq!(picture.dimensions(), (640, 480));
    for (x, y) in [(60, 60), (300, 200), (600, 400)] {
        let [red, green, _] = picture.get_pixel(x, y).0;
        let expected = [(x / 3) as u8, (y / 2) as u8];
        assert!(
            red.abs_diff(expected[0]) < 24 && green.abs_diff(expected[1]) < 24,
            "{red} {green} at {x}, {y}"
        );
    }
}

#[test]
fn the_picture_is_turned_as_configured() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let upright = rgb(&next(&mut open(&wanted("bars")).unwrap()));
    for (degrees, mirror) in [(180, false), (0, true), (90, false), (270, true)] {
        let rotation = Rotation::try_from(degrees).unwrap();
        let turned = rgb(&next(&mut open(&config::Camera { rotation, mirror, ..wanted("bars") }).unwrap()));
        let mirrored = if mirror { image::imageops::flip_horizontal(&upright) } else { upright.clone() };
        let expected = match degrees {
            90 => image::imageops::rotate90(&mirrored),
            180 => image::imageops::rotate180(&mirrored),
            270 => image::imageops::rotate270(&mirrored),
            _ => mirrored,
        };
        assert_eq!(turned.dimensions(), expected.dimensions());
        let worst = turned.as_raw().iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        // Chroma is interpolated in another direction at the bars' edges.
        let differing =
            turned.pixels().zip(expected.pixels()).filter(|(a, b)| a.0[1].abs_diff(b.0[1]) > 8).count();
        assert!(differing < 10_000, "{degrees} {mirror}: {differing} pixels, worst {worst:?}");
    }
}

#[test]
fn missing_camera_error_lists_the_present_ones() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let refused = |id: &str| open(&wanted(id)).err().unwrap().to_string();
    let error = refused("imx708");
    assert!(error.contains("imx708") && error.contains("there is") && error.contains("lines"), "{error}");
    // Part of two ids, and so of neither.
    assert!(refused("s").contains("there is"));
    assert!(open(&wanted("line")).is_ok());
    assert!(open(&config::Camera { id: None, ..wanted("") }).is_ok());
}

#[test]
fn second_session_is_refused() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let first = open(&wanted("lines")).unwrap();
    assert!(matches!(open(&wanted("bars")), Err(CameraError::Stuck { .. })));
    drop(first);
    assert!(open(&wanted("bars")).is_ok());
}

#[test]
fn frozen_camera_is_detected_and_blocks_nothing() {
    let _one = ONE_AT_A_TIME.lock();
    let Some(freeze) = std::env::var_os("CAMERA_FREEZE").map(PathBuf::from).filter(|_| prepared()) else {
        return;
    };
    let mut device = open(&wanted("lines")).unwrap();
    let (mut sender, mut receiver, _) = latest::channel();
    std::thread::scope(|scope| {
        let capture = scope.spawn(|| {
            let ended = capture::run(&mut device, &mut sender, &CancellationToken::new());
            (ended, Instant::now())
        });
        for _ in 0..10 {
            assert!(matches!(receiver.newest(PATIENCE), latest::Received::Frame(_)));
        }
        std::fs::write(&freeze, "").unwrap();
        let frozen = Instant::now();
        let (ended, seen) = capture.join().unwrap();
        assert!(matches!(ended, Err(CameraError::Stalled { .. })), "{ended:?}");
        assert!(seen - frozen < Duration::from_secs(3), "seen after {:?}", seen - frozen);
    });
    // Closing it does not hang us either, and until the driver comes back nothing else is opened.
    let closing = Instant::now();
    drop(device);
    assert!(closing.elapsed() < Duration::from_secs(4), "{:?}", closing.elapsed());
    assert!(matches!(open(&wanted("lines")), Err(CameraError::Stuck { .. })));
    std::fs::remove_file(&freeze).unwrap();
    let mut device = open(&wanted("lines")).unwrap();
    next(&mut device);
}

#[test]
fn identical_frames_are_a_fault() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let until = |id: &str, longest: Duration| {
        let mut device = open(&config::Camera { frame_rate: 15.0, ..wanted(id) }).unwrap();
        let (start, mut frame) = (Instant::now(), Frame::default());
        loop {
            match device.next_frame(&mut frame, PATIENCE) {
                Err(error) => return Some((error.to_string(), start.elapsed())),
                Ok(_) if start.elapsed() > longest => return None,
                Ok(_) => {}
            }
        }
    };
    let (error, after) = until("still", PATIENCE).unwrap();
    assert!(error.contains("repeats one picture") && after < Duration::from_secs(3), "{error} {after:?}");
    for moves in ["lines", "pictures"] {
        assert_eq!(until(moves, Duration::from_secs(4)), None, "{moves}");
    }
}

#[test]
fn thousand_sessions_leak_nothing() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let round = || {
        let mut device = open(&wanted("bars")).unwrap();
        next(&mut device);
    };
    // Caches and pools fill in the first rounds.
    (0..100).for_each(|_| round());
    let before = (resident_kb(), open_files(), threads());
    (0..1000).for_each(|_| round());
    let after = (resident_kb(), open_files(), threads());
    eprintln!("before 1000 rounds {before:?}, after {after:?} (kB, files, threads)");
    assert!(after.1 <= before.1 && after.2 <= before.2, "{before:?} {after:?}");
    assert!(after.0 < before.0 + 4_000, "resident memory grew from {} to {} kB", before.0, after.0);
}

#[test]
fn a_frame_costs_one_copy() {
    let _one = ONE_AT_A_TIME.lock();
    if !prepared() {
        return;
    }
    let mut device = open(&wanted("lines")).unwrap();
    let before = COPIED.get();
    let frame = next(&mut device);
    assert_eq!((COPIED.get() - before, frame.picture.bytes().len()), (1_382_400, 1_382_400));
    // More than the processor's caches hold, as it is when the camera has written it.
    let sources = vec![frame.picture.bytes().to_vec(); 48];
    let mut target = vec![0; sources[0].len()];
    let mut times: Vec<_> = sources
        .iter()
        .map(|source| {
            let start = Instant::now();
            Turn::default().copy::<1>(source, (1280, 1080), 1280, &mut target).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    eprintln!("copying {} bytes takes {:?} (median)", target.len(), times[24]);
}

fn proc_number(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn resident_kb() -> u64 {
    proc_number("VmRSS:")
}

fn threads() -> u64 {
    proc_number("Threads:")
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
