//! Many clients that mean no good, with bounded counts.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::{Tls, socket_from, tls};

/// Clients that ask as fast as they can.
const CLIENTS: u32 = 200;
/// Handshakes that never end.
const HALF_OPEN: u64 = 1000;
/// Clients that hold them, each the same number.
const HOLDERS: u32 = 40;

/// A flood that runs: 200 clients from fifty addresses, half of them on connections they keep, and a thousand
/// handshakes that never end. It ends with the value.
pub struct Flood {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    opened: AtomicU64,
    answered: AtomicU64,
}

impl Flood {
    /// Begins the flood, and returns when all the handshakes hang.
    pub fn begin(address: SocketAddr, fingerprint: &str) -> Self {
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::<Counts>::default());
        let clients = (0..CLIENTS)
            .map(|n| {
                let (stop, counts, fingerprint) =
                    (Arc::clone(&stop), Arc::clone(&counts), fingerprint.to_owned());
                std::thread::spawn(move || client(n, address, &fingerprint, &stop, &counts))
            })
            .collect();
        let start = Instant::now();
        while counts.opened.load(Ordering::Relaxed) < HALF_OPEN {
            assert!(start.elapsed() < Duration::from_secs(60), "the flood does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { stop, counts, clients }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (opened, answered) = (count(&self.counts.opened), count(&self.counts.answered));
        eprintln!("flood: {opened} half-open handshakes, {answered} requests answered");
    }
}

fn client(n: u32, address: SocketAddr, fingerprint: &str, stop: &AtomicBool, counts: &Counts) {
    // The clients stand for other machines: what they compute must not be laid to the server's charge.
    rustix::process::setpriority_process(None, 19).unwrap();
    let source = format!("127.0.1.{}", n % 50 + 1);
    let mut half_open = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // A full queue refuses: then again.
        let Ok(socket) = socket_from(&source, address) else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if n < HOLDERS && half_open.len() < HALF_OPEN as usize / HOLDERS as usize {
            half_open.push(socket);
            counts.opened.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let _ = socket.set_read_timeout(Some(Duration::from_secs(10)));
        if let Ok(mut stream) = tls(socket, fingerprint) {
            counts.answered.fetch_add(ask(&mut stream, n, stop), Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks once, or (every second client) again and again on the same connection; how many answers began to
/// come.
fn ask(stream: &mut Tls, client: u32, stop: &AtomicBool) -> u64 {
    if client.is_multiple_of(2) {
        let _ = stream.write_all(b"GET /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        return u64::from(stream.read_to_end(&mut Vec::new()).is_ok());
    }
    let mut answers = 0;
    let mut answer = [0; 16 * 1024];
    while !stop.load(Ordering::Relaxed)
        && stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").is_ok()
        && stream.read(&mut answer).is_ok_and(|bytes| bytes > 0)
    {
        answers += 1;
    }
    answers
}
