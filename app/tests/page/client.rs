//! A plain HTTPS client that pins the device's certificate: one connection a request.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use sha2::{Digest, Sha256};

use crate::device::Device;

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

/// How a request presents itself.
#[derive(Clone, Default)]
pub struct As {
    pub headers: Vec<(String, String)>,
}

impl As {
    pub fn token(token: &base::secret::Secret) -> Self {
        Self::default().with("Authorization", &format!("Bearer {}", token.expose()))
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Device {
    pub fn connect(&self) -> std::io::Result<Tls> {
        let socket = TcpStream::connect(self.running.address())?;
        socket.set_read_timeout(Some(Duration::from_secs(120)))?;
        tls(socket, &self.running.identity().fingerprint.to_string())
    }

    pub fn get(&self, path: &str, who: &As) -> Answer {
        self.send("GET", path, who, "")
    }

    pub fn post(&self, path: &str, who: &As, form: &str) -> Answer {
        self.send("POST", path, who, form)
    }

    pub fn send(&self, method: &str, path: &str, who: &As, body: &str) -> Answer {
        self.try_send(method, path, who, body).unwrap()
    }

    pub fn try_send(&self, method: &str, path: &str, who: &As, body: &str) -> std::io::Result<Answer> {
        let mut stream = self.connect()?;
        stream.write_all(request(self, method, path, who, body).as_bytes())?;
        answer(&mut stream)
    }

    /// Logs in and returns what to send: the cookie, and the CSRF token as a header.
    pub fn log_in(&self) -> As {
        let answer = self.post("/login", &As::default(), &format!("password={}", self.password));
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let who = As::default().with("Cookie", &cookie);
        let page = self.get("/", &who.clone().with("Accept", "text/html")).text();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        who.with("X-CSRF-Token", csrf)
    }
}

pub fn request(device: &Device, method: &str, path: &str, who: &As, body: &str) -> String {
    let mut text =
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", device.running.address());
    for (name, value) in &who.headers {
        text += &format!("{name}: {value}\r\n");
    }
    if method == "POST" {
        text +=
            &format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

/// Reads one answer up to the end of the connection.
pub fn answer(stream: &mut impl Read) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // A server that closes without a TLS goodbye has still answered.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !bytes.is_empty() => {}
        Err(error) => return Err(error),
    }
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Ok(Answer { status, headers, body: bytes.split_off(end + 4) })
}

/// TLS to whoever shows the certificate with this fingerprint.
pub fn tls(socket: TcpStream, fingerprint: &str) -> std::io::Result<Tls> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(fingerprint.replace(':', "").to_lowercase())))
        .with_no_client_auth();
    let name = ServerName::from(IpAddr::from([127, 0, 0, 1]));
    let connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

pub fn plain(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

/// A connection from another address of the loopback network.
pub fn socket_from(source: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source.parse().map_err(std::io::Error::other)?, 0))?;
        socket.connect(to).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[derive(Debug)]
struct Pinned(String);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: String = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect();
        if shown == self.0 {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!("another certificate: {shown}")))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 must not be offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let provider = rustls::crypto::ring::default_provider();
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
