//! The way through an HTTP proxy: a tunnel (`CONNECT`) for https, the whole address in the request for http,
//! which many proxies let through no tunnel.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HeaderValue;
use http::{StatusCode, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_service::Service;
use url::Url;

use super::authorization::basic_authorization;
use crate::config::Proxy;
use base::secret::without_credentials;

/// Largest head of a proxy's answer to `CONNECT`.
const MAX_HEAD: usize = 8192;

/// A proxy that is to be used.
pub(super) struct Way {
    address: Uri,
    /// Its address without user and password, for messages.
    shown: String,
    authorization: Option<HeaderValue>,
    exceptions: Matcher,
}

impl Way {
    /// The proxy that the settings name; `None` for direct connections.
    pub(super) fn new(proxy: &Proxy) -> Option<Arc<Self>> {
        let url = proxy.url.as_ref()?.expose();
        let shown = without_credentials(url).trim_end_matches('/').to_owned();
        let address = shown.parse().ok()?;
        let exceptions = Matcher::builder().all(shown.clone()).no(proxy.no_proxy()).build();
        Some(Arc::new(Self { address, shown, authorization: basic_authorization(url), exceptions }))
    }

    /// Whether requests to `target` go through it.
    fn leads_to(&self, target: &Uri) -> bool {
        self.exceptions.intercept(target).is_some()
    }

    /// Whether a request to `url` is sent to the proxy itself, which passes it on; with https it only passes
    /// on bytes.
    pub(super) fn passes_on(&self, url: &Url) -> bool {
        url.scheme() == "http" && url.as_str().parse().is_ok_and(|target| self.leads_to(&target))
    }

    /// User and password as the proxy wants them.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// What an answer of the proxy itself means.
    pub(super) fn refusal(&self, status: StatusCode) -> ProxyError {
        let trouble = match (status, &self.authorization) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, None) => ProxyTrouble::AsksForPassword,
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(_)) => ProxyTrouble::RefusesPassword,
            (status, _) => ProxyTrouble::Refuses(status),
        };
        self.error(trouble)
    }

    fn error(&self, trouble: ProxyTrouble) -> ProxyError {
        ProxyError { proxy: self.shown.clone(), trouble }
    }

    /// Opens a tunnel to `target` through a connection with the proxy.
    async fn tunnel(&self, stream: &mut TcpStream, target: &Uri) -> Result<(), ProxyError> {
        let gone = |error: io::Error| self.error(ProxyTrouble::Gone(error.to_string()));
        let host = target.host().unwrap_or_default();
        let port = target.port_u16().unwrap_or(443);
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(value) = &self.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await.map_err(gone)?;
        // The head is read byte by byte, because the server's own bytes begin behind it. A TLS server waits
        // for the client's first bytes.
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) if answer.len() < MAX_HEAD => answer.push(byte),
                Ok(_) => return Err(self.error(ProxyTrouble::NotAProxy)),
                Err(error) if answer.is_empty() => return Err(gone(error)),
                Err(_) => return Err(self.error(ProxyTrouble::NotAProxy)),
            }
        }
        match status(&answer) {
            Some(status) if status.is_success() => Ok(()),
            Some(status) => Err(self.refusal(status)),
            None => Err(self.error(ProxyTrouble::NotAProxy)),
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The status in the first line of an answer.
fn status(head: &[u8]) -> Option<StatusCode> {
    let mut words = head.split(|byte| *byte == b' ');
    words.next().filter(|version| version.starts_with(b"HTTP/1."))?;
    StatusCode::from_bytes(words.next()?.trim_ascii().get(..3)?).ok()
}

/// A proxy that does not lead to the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{proxy}: {trouble:?}")]
pub(super) struct ProxyError {
    /// Its address, without user and password.
    pub(super) proxy: String,
    /// Why not.
    pub(super) trouble: ProxyTrouble,
}

/// Why a proxy does not lead to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyTrouble {
    /// Nobody answers at its address.
    Gone(String),
    /// It wants a user and a password (407), and none are set.
    AsksForPassword,
    /// It does not take the user and the password that are set (407).
    RefusesPassword,
    /// It does not connect to this server.
    Refuses(StatusCode),
    /// What answers there is no HTTP proxy.
    NotAProxy,
}

/// Connects to servers: directly, or through the proxy.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) direct: HttpConnector,
    pub(super) proxy: Option<Arc<Way>>,
}

/// What connecting may end with.
type Failure = Box<dyn StdError + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Failure>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(way) = self.proxy.clone().filter(|way| way.leads_to(&target)) else {
            let connecting = self.direct.call(target);
            return Box::pin(async move { Ok(Stream { inner: connecting.await?, passes_on: false }) });
        };
        let connecting = self.direct.call(way.address.clone());
        Box::pin(async move {
            let inner = connecting.await.map_err(|error| {
                way.error(ProxyTrouble::Gone(error.source().map_or(error.to_string(), ToString::to_string)))
            })?;
            if target.scheme_str() != Some("https") {
                return Ok(Stream { inner, passes_on: true });
            }
            let mut stream = inner.into_inner();
            way.tunnel(&mut stream, &target).await?;
            Ok(Stream { inner: TokioIo::new(stream), passes_on: false })
        })
    }
}

/// A connection, and whether a proxy at its other end passes requests on.
pub(super) struct Stream {
    inner: TokioIo<TcpStream>,
    passes_on: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.inner.connected().proxy(self.passes_on)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::secret::SecretUrl;

    #[test]
    fn exceptions_are_names_with_what_is_below_them_addresses_and_networks() {
        let except = ["school.example", "192.0.2.0/24", "2001:db8::1"].map(str::to_owned).to_vec();
        let url = SecretUrl::parse("http://user:s3cr3t@proxy.example:3128").unwrap();
        let way = Way::new(&Proxy { url: Some(url), except }).unwrap();
        assert!(!format!("{way:?}").contains("s3cr3t"));
        for (target, through) in [
            ("https://backend.example/", true),
            ("http://school.example/", false),
            ("https://photos.school.example:8443/", false),
            ("https://otherschool.example/", true),
            ("http://192.0.2.200/", false),
            ("http://198.51.100.1/", true),
            ("https://[2001:db8::1]/", false),
            ("https://[2001:db8::2]/", true),
            ("http://127.0.0.1:8000/", false),
            ("http://localhost/", false),
            ("https://[::1]:8443/", false),
        ] {
            assert_eq!(way.leads_to(&target.parse().unwrap()), through, "{target}");
        }
    }

    #[test]
    fn status_of_an_answer_is_read_and_nothing_else_is_one() {
        assert_eq!(status(b"HTTP/1.0 200 Connection established\r\n\r\n"), Some(StatusCode::OK));
        assert_eq!(status(b"HTTP/1.1 407\r\n\r\n"), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
        for other in [&b"SSH-2.0-dropbear\r\n\r\n"[..], b"", b"HTTP/1.1", b"HTTP/1.1 \r\n\r\n", b"HTTP/1.1 2"]
        {
            assert_eq!(status(other), None);
        }
    }
}
