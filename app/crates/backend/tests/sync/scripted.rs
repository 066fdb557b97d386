//! A server that does exactly what a test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What to send, byte for byte, and whether to close the connection afterwards or leave it hanging.
pub struct Script {
    pub bytes: Vec<u8>,
    pub hang: bool,
    /// Repeats the bytes without end.
    pub endless: bool,
}

impl Script {
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), hang: false, endless: false }
    }

    pub fn answer(status: &str, headers: &str, body: &[u8]) -> Self {
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Self::raw(bytes)
    }

    pub fn page(body: impl AsRef<[u8]>) -> Self {
        Self::answer("200 OK", "Content-Type: text/html\r\n", body.as_ref())
    }

    pub fn file(body: &[u8]) -> Self {
        Self::answer("200 OK", "Content-Type: image/jpeg\r\n", body)
    }

    pub fn hang(bytes: impl Into<Vec<u8>>) -> Self {
        Self { hang: true, ..Self::raw(bytes) }
    }
}

pub struct Server {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request by its head (request line and headers).
    pub async fn start(script: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), heads: Arc::default() };
        let (script, heads) = (Arc::new(script), Arc::clone(&server.heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, heads) = (Arc::clone(&script), Arc::clone(&heads));
                tokio::spawn(async move {
                    // The client may go away whenever it likes.
                    let _ = answer(stream, &*script, &heads).await;
                });
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}/students/?key={}", self.address, super::door::KEY)
    }

    /// Request lines so far.
    pub fn requests(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    }

    pub fn forget(&self) {
        self.heads.lock().unwrap().clear();
    }
}

async fn answer(
    mut stream: TcpStream,
    script: &(dyn Fn(&str) -> Script + Send + Sync),
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let script = script(&head);
    stream.write_all(&script.bytes).await?;
    if script.endless {
        loop {
            stream.write_all(&[b'x'; 65536]).await?;
        }
    }
    if script.hang {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}

/// The path that a request line asks for, without query.
pub fn path(head: &str) -> &str {
    head.split([' ', '?']).nth(1).unwrap()
}
