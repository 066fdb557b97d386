//! TLS 1.3 only, the redirect from plain HTTP, the original’s port, and a pinned key.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::client::{As, answer, plain, request, tls};
use crate::device::Device;

#[test]
fn plain_http_is_redirected_to_https() {
    let device = Device::start();
    let mut plain = plain(device.running.address());
    plain.write_all(b"GET /status HTTP/1.1\r\nHost: door.local:8443\r\n\r\n").unwrap();
    let sent = answer(&mut plain).unwrap();
    assert_eq!((sent.status, sent.header("location")), (307, Some("https://door.local:8443/status")));
    assert_eq!(sent.text(), "This device answers over HTTPS only: https://door.local:8443/status\n");
}

/// A site that asks for it gets the original's port, with the same tokens over HTTPS.
#[test]
fn the_originals_port_answers_over_https_with_tokens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let device = Device::with_original_port(port);
    let address = device.running.original_address().unwrap();
    assert_eq!(address.port(), port);
    let ask = |who: &As| {
        let fingerprint = device.running.identity().fingerprint.to_string();
        let mut stream = tls(std::net::TcpStream::connect(address).unwrap(), &fingerprint).unwrap();
        stream.write_all(request(&device, "GET", "/status", who, "").as_bytes()).unwrap();
        answer(&mut stream).unwrap().status
    };
    assert_eq!((ask(&As::token(&device.read)), ask(&As::default())), (200, 401));
    // The old call, without HTTPS: it is told where to go, with its path.
    let mut plain = plain(address);
    let old = format!("POST /sync/manual HTTP/1.1\r\nHost: door.local:{port}\r\n\r\n");
    plain.write_all(old.as_bytes()).unwrap();
    let sent = answer(&mut plain).unwrap();
    let to = format!("https://door.local:{port}/sync/manual");
    assert_eq!((sent.status, sent.header("location")), (307, Some(to.as_str())));

    assert!(Device::start().running.original_address().is_none(), "nobody listens unasked");
    // A port that is taken is told, and the page works.
    let other = Device::with_original_port(port);
    let problems = other.get("/", &As::token(&other.read)).json()["problems"].to_string();
    assert!(
        other.running.original_address().is_none() && problems.contains("page.original_port"),
        "{problems}"
    );
}

#[test]
fn nothing_below_tls_1_3_is_spoken() {
    let device = Device::start();
    let address = device.running.address().to_string();
    let scan = |more: &[&str]| {
        let mut arguments = vec!["s_client", "-connect", &address, "-servername", "localhost"];
        arguments.extend(more);
        run("openssl", &arguments)
    };
    let Some(good) = scan(&["-tls1_3", "-alpn", "h2,http/1.1"]) else { return };
    for part in ["TLSv1.3", "ALPN protocol: http/1.1", "Early data was not sent"] {
        assert!(good.contains(part), "{part}\n{good}");
    }
    assert!(
        good.contains("ECDSA") && good.contains("(secp256r1)")
            || good.contains("prime256v1")
            || good.contains("256 bit"),
        "{good}"
    );
    for old in ["-tls1_2", "-tls1_1", "-tls1"] {
        let refused = scan(&[old, "-cipher", "ALL:@SECLEVEL=0"]).unwrap();
        assert!(!refused.contains("BEGIN CERTIFICATE"), "{old}\n{refused}");
        assert!(
            refused.contains("Cipher is (NONE)") || refused.contains("unknown option"),
            "{old}\n{refused}"
        );
    }
    // A self-signed certificate for this host.
    let chain = scan(&["-tls1_3", "-showcerts"]).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 1, "{chain}");
    let certificate = device.path().join("tls/certificate.pem");
    let text = run("openssl", &["x509", "-in", certificate.to_str().unwrap(), "-noout", "-text"]).unwrap();
    for part in
        ["ASN1 OID: prime256v1", "TLS Web Server Authentication", "DNS:localhost", "IP Address:127.0.0.1"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn curl_can_pin_the_key() {
    let device = Device::start();
    let pin = device.running.identity().key_pin.clone();
    let url = format!("{}status", device.url());
    let bearer = format!("Authorization: Bearer {}", device.read.expose());
    let pinned = |pin: &str| run("curl", &["-sS", "--insecure", "--pinnedpubkey", pin, "-H", &bearer, &url]);
    let Some(answer) = pinned(&pin) else { return };
    assert!(answer.contains("\"attendance_system\""), "{answer}");
    let wrong = pinned("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    assert!(!wrong.contains("attendance_system") && wrong.contains("public key"), "{wrong}");
}

/// Runs a program. If it is not installed, reports the check as skipped.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let out = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match out {
        Ok(out) => Some(String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()),
        Err(_) => {
            skipped::skipped(&format!("{program}; scripts/test installs it"));
            None
        }
    }
}
