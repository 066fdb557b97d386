//! The real program under a flood: what recognition does per second, told by the program itself.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use access::token::{TokenAccess, TokenFile};
use models::store::Store;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::client::{answer, socket_from, tls};
use crate::flood::Flood;

/// One look at the frame rate.
const WINDOW: Duration = Duration::from_secs(4);
/// Looks of which the best counts, because others use this machine too.
const WINDOWS: usize = 3;
/// Rounds, should the machine have been busy in one.
const ROUNDS: usize = 3;

/// The appliance as `attendance run` starts it, with a replayed camera. Ends with the value.
struct Appliance {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
    token: String,
}

impl Appliance {
    /// None, said loudly, where the models or the demo's video are missing.
    fn start() -> Option<Self> {
        let Some(video) = video().filter(|_| Store::open(Store::default_dir()).is_ok()) else {
            skipped::skipped("the models and the demo's video; scripts/test has both");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // Free now, and taken in a moment by the program.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let data = folder.path().join("data");
        let config = folder.path().join("attendance.toml");
        let text = format!(
            "[site]\nname = \"Soak\"\ntime_zone = \"UTC\"\nclock = \"system\"\ndata_dir = {data:?}\n[camera]\nsource = \"replay\"\n\
             replay = [{video:?}]\n[page]\nlisten = \"{address}\"\n"
        );
        std::fs::write(&config, text).unwrap();
        let token = TokenFile::below(&data).add("soak", TokenAccess::Read).unwrap().expose().to_owned();
        let process = Command::new(env!("CARGO_BIN_EXE_attendance"))
            .args(["run", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { process, folder, address, token })
    }

    fn fingerprint(&self) -> Option<String> {
        let certificate =
            CertificateDer::from_pem_file(self.folder.path().join("data/tls/certificate.pem")).ok()?;
        Some(Sha256::digest(&certificate).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Frames processed since the start, as `/status` says. Under the flood one of many may be let in at
    /// once: so again.
    fn frames(&self) -> (u64, Instant) {
        let start = Instant::now();
        loop {
            if let Some(frames) = self.try_frames() {
                return (frames, Instant::now());
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the program does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn try_frames(&self) -> Option<u64> {
        let socket = std::net::TcpStream::connect(self.address).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let mut stream = tls(socket, &self.fingerprint()?).ok()?;
        let head = format!("Host: x\r\nConnection: close\r\nAuthorization: Bearer {}", self.token);
        stream.write_all(format!("GET /status HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).ok()?;
        answer(&mut stream).ok()?.json()["appliance"]["camera"]["frames"].as_u64()
    }

    /// Frames a second: the best of some looks.
    fn rate(&self) -> f64 {
        let looks = (0..WINDOWS).map(|_| {
            let (before, begun) = self.frames();
            std::thread::sleep(WINDOW);
            let (after, ended) = self.frames();
            (after - before) as f64 / (ended - begun).as_secs_f64()
        });
        looks.fold(0.0, f64::max)
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn video() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let folders = std::fs::read_dir(cache.join("attendance-appliance/demo")).ok()?.flatten();
    folders.map(|folder| folder.path().join("door.y4m")).find(|video| video.exists())
}

/// 200 clients and 1,000 half-open handshakes leave recognition nine tenths of its frames.
#[test]
#[ignore = "measures time, so it needs a machine that nobody else uses; cargo test -p attendance --test page -- --ignored soak::"]
fn flood_leaves_the_frame_rate() {
    let Some(appliance) = Appliance::start() else { return };
    while appliance.frames().0 == 0 {
        std::thread::sleep(Duration::from_millis(200));
    }
    let fingerprint = appliance.fingerprint().unwrap();
    let kept = (0..ROUNDS).any(|_| {
        let quiet = appliance.rate();
        let flood = Flood::begin(appliance.address, &fingerprint);
        let flooded = appliance.rate();
        drop(flood);
        eprintln!("recognition: {quiet:.1} frames a second, {flooded:.1} under the flood");
        flooded >= quiet * 0.9
    });
    assert!(kept, "the flood slows recognition down");
    // Another address is still served at once.
    assert!(tls(socket_from("127.0.0.2", appliance.address).unwrap(), &fingerprint).is_ok());
}
