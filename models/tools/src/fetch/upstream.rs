//! Single files of public git repositories, over HTTPS by `curl`.
//!
//! curl rather than an HTTP stack of our own: a build tool that is there anyway, knows the machine's proxies
//! and roots, and is kept up to date by the distribution. What it brings is checked by hash.

use std::time::Duration;

use super::child::{self, Failure};
use super::clients::Clients;
use super::mirror;
use model_files::lock::Upstream;

/// Forty megabytes over a slow line.
const LIMIT: Duration = Duration::from_secs(240);

/// How long to wait for a connection: a machine that reaches registries alone must not wait long.
const CONNECT_SECONDS: &str = "10";

/// Address of one file at one commit.
pub(super) fn address(upstream: &Upstream) -> String {
    let Upstream { repository, commit, path, lfs, .. } = upstream;
    if *lfs {
        return format!("https://media.githubusercontent.com/media/{repository}/{commit}/{path}");
    }
    format!("https://raw.githubusercontent.com/{repository}/{commit}/{path}")
}

/// Downloads `address`, at most `limit` bytes, by `protocols` in curl's notation; an error says why it cannot
/// be had.
pub(super) fn download(
    clients: &Clients,
    address: &str,
    protocols: &str,
    limit: u64,
) -> Result<Vec<u8>, String> {
    const NAME: &str = "download";
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = child::command(&clients.curl);
    command
        // First of all: no settings from a file of the user's.
        .args(["--disable", "--fail", "--silent", "--show-error", "--location", "--max-redirs", "3"])
        .args(["--proto", protocols, "--connect-timeout", CONNECT_SECONDS])
        .args(["--max-time", &LIMIT.as_secs().to_string(), "--max-filesize", &limit.to_string()])
        .arg("--output")
        .arg(folder.path().join(NAME))
        .arg(address);
    match child::run(&mut command, LIMIT + Duration::from_secs(5)) {
        Ok(()) => mirror::read(Some(folder.path()), NAME, limit),
        Err(Failure::NotInstalled) => {
            Err("curl is not installed; on Debian: apt-get install curl".to_owned())
        }
        Err(Failure::Failed(reason)) => Err(format!("{address}: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::process::Command;
    use std::thread;

    use super::*;

    /// Answers one request with `answer` and returns the address.
    fn serve(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/model.onnx", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        });
        address
    }

    fn fetch(address: &str, protocols: &str) -> Result<Vec<u8>, String> {
        download(&Clients::default(), address, protocols, 3)
    }

    fn curl_is_here() -> bool {
        let here = Command::new("curl").arg("--version").output().is_ok();
        if !here {
            skipped::skipped("curl");
        }
        here
    }

    #[test]
    fn a_file_arrives() {
        if curl_is_here() {
            let address = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_vec());
            assert_eq!(fetch(&address, "=http").unwrap(), b"abc");
        }
    }

    #[test]
    fn what_is_too_large_absent_or_unencrypted_does_not() {
        if !curl_is_here() {
            return;
        }
        let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd".to_vec();
        assert!(fetch(&serve(announced), "=http").is_err());
        let mut unannounced = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        unannounced.resize(1 << 20, b'x');
        assert!(fetch(&serve(unannounced), "=http").is_err());
        let absent = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        assert!(fetch(&serve(absent), "=http").unwrap_err().contains("404"));
        let plain = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_vec());
        assert!(fetch(&plain, "=https").is_err());
    }
}
