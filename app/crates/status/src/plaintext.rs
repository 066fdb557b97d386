//! Who types the address without `https://` speaks plain HTTP to the TLS port, and would see an empty page.
//! Such a request gets the same address with `https://`, and nothing else: no state, no answer.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Most of a request that is read for its address and its `Host`.
const LONGEST_HEAD: u64 = 2048;
/// Longest path, query included, that is sent back.
const LONGEST_PATH: usize = 1000;

/// Whether the first byte that came begins a plain HTTP request: TLS begins with 0x16, methods with a capital
/// letter.
pub(super) async fn is_plaintext(socket: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0];
    Ok(socket.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

/// Reads the head of the request and answers with the right address.
pub(super) async fn redirect(socket: &mut TcpStream) -> std::io::Result<()> {
    let local = socket.local_addr()?;
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let mut head = Vec::with_capacity(512);
    let mut limited = socket.take(LONGEST_HEAD);
    while !ended(&head) && limited.read_buf(&mut head).await? > 0 {}
    socket.write_all(answer(&head, local).as_bytes()).await?;
    socket.shutdown().await
}

fn ended(head: &[u8]) -> bool {
    head.windows(4).any(|four| four == b"\r\n\r\n")
}

/// The answer. A host that is not a plain name or address is replaced by the address the request came to, and
/// an invalid path by `/`. The text is for clients that do not follow the address, like curl without
/// `--location`.
fn answer(head: &[u8], local: SocketAddr) -> String {
    let head = String::from_utf8_lossy(head);
    let host = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.trim().to_owned())
        .filter(|host| is_host(host))
        .unwrap_or_else(|| local.to_string());
    let mut words = head.lines().next().unwrap_or("").split(' ');
    let (method, path) = (words.next(), words.next());
    let path = path.filter(|path| words.next().is_some() && is_path(path)).unwrap_or("/");
    let text = format!("This device answers over HTTPS only: https://{host}{path}\n");
    let body = if method == Some("HEAD") { "" } else { &text };
    // Not permanent: browsers would remember it beyond a change of the port.
    format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://{host}{path}\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        text.len()
    )
}

/// Whether `text` is a path with or without a query, of nothing but what URLs are written with.
fn is_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/?".contains(&b);
    text.starts_with('/') && text.len() <= LONGEST_PATH && text.bytes().all(plain)
}

fn is_host(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    (1..=255).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_and_the_path_are_kept() {
        let local = "192.0.2.7:8443".parse().unwrap();
        let to = |head: &str| answer(head.as_bytes(), local).lines().nth(1).unwrap().to_owned();
        assert_eq!(
            to("GET /x?key=1 HTTP/1.1\r\nHost: door.local:8443\r\n\r\n"),
            "Location: https://door.local:8443/x?key=1"
        );
        assert_eq!(
            to("POST /sync/manual HTTP/1.1\r\nHost: door.local:8000\r\n\r\n"),
            "Location: https://door.local:8000/sync/manual"
        );
        assert_eq!(
            to("GET / HTTP/1.1\r\nhost:[2001:db8::1]:8443\r\n\r\n"),
            "Location: https://[2001:db8::1]:8443/"
        );
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(LONGEST_PATH));
        for bad in [
            "GET / HTTP/1.0\r\n\r\n",
            "GET /\r\nHost: a/b@c\r\n",
            "GET /x\r\nHost: \r\n",
            "GET https://elsewhere.example/ HTTP/1.1\r\n",
            "GET /\u{e9}<script> HTTP/1.1\r\n",
            long.as_str(),
            "",
            "G",
        ] {
            assert_eq!(to(bad), "Location: https://192.0.2.7:8443/", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_request_writes_a_header_of_its_own(head in prop::collection::vec(any::<u8>(), 0..600), host in ".{0,40}") {
            let local = "192.0.2.7:8443".parse().unwrap();
            let mut request = b"GET / HTTP/1.1\r\nHost: ".to_vec();
            request.extend(host.as_bytes());
            for head in [head, request] {
                let answer = answer(&head, local);
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                prop_assert_eq!((head.lines().count(), body.lines().count() < 2), (5, true));
                prop_assert!(answer.is_ascii());
            }
        }
    }
}
