//! The demo backend: file browser and webhook behind one listener. Tests use it too.
// Included by the example and by several test crates, none of which uses all of it.
#![allow(dead_code, unreachable_pub)]

pub mod browser;
pub mod fault;
pub mod webhook;

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub use browser::Browser;
pub use fault::Fault;
pub use webhook::Webhook;

/// An answer's body; its error breaks the connection in the middle.
pub type Body = BoxBody<Bytes, io::Error>;

/// Largest upload: a thousand rows have 40 kB.
const MAX_BODY: usize = 1_000_000;

/// Where the file browser's base is.
const PHOTOS: &str = "/media/students";

/// Where the webhook is.
const WEBHOOK: &str = "/attendance/webhook/";

/// The whole backend.
pub struct Site {
    /// The photos.
    pub browser: Browser,
    /// The rows.
    pub webhook: Webhook,
    key: String,
    photos_fault: fault::Switch,
    webhook_fault: fault::Switch,
    requests: AtomicUsize,
}

impl Site {
    /// A backend over the photos in `folder`, whose students are the folders there now.
    pub fn new(folder: &Path, key: &str) -> io::Result<Arc<Self>> {
        let browser = Browser::new(folder)?;
        let webhook = Webhook::new(browser.students()?);
        Ok(Arc::new(Self {
            browser,
            webhook,
            key: key.to_owned(),
            photos_fault: fault::Switch::default(),
            webhook_fault: fault::Switch::default(),
            requests: AtomicUsize::new(0),
        }))
    }

    /// Sets how the file browser and the webhook misbehave from now on.
    pub fn misbehave(&self, photos: Option<Fault>, webhook: Option<Fault>) {
        self.photos_fault.set(photos);
        self.webhook_fault.set(webhook);
    }

    /// Requests answered so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Answers whoever connects, forever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, tls: Option<Tls>) {
        let acceptor = tls.map(|tls| tls.acceptor);
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (site, acceptor) = (Arc::clone(&self), acceptor.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| Arc::clone(&site).answer(request));
                let mut http = hyper::server::conn::http1::Builder::new();
                http.timer(TokioTimer::new());
                // An error is the client's going away, or a fault asked for.
                let _ = match acceptor {
                    None => http.serve_connection(TokioIo::new(stream), service).await,
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        http.serve_connection(TokioIo::new(stream), service).await
                    }
                };
            });
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Body>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path().to_owned();
        let fault = match path.starts_with(PHOTOS) {
            true => self.photos_fault.next(),
            false => self.webhook_fault.next(),
        };
        match fault {
            None => Ok(self.route(&path, request).await),
            Some(fault) => fault.spoil(self.route(&path, request)).await,
        }
    }

    async fn route(&self, path: &str, request: Request<Incoming>) -> Response<Body> {
        let in_query = query_value(request.uri().query().unwrap_or(""), "key");
        let in_header = request.headers().get("x-webhook-key").and_then(|value| value.to_str().ok());
        let authorised = in_query.as_deref() == Some(&self.key)
            || path.starts_with(WEBHOOK) && in_header == Some(&self.key);
        if !authorised {
            return webhook::unauthorised();
        }
        match (request.method().clone(), path) {
            (Method::GET | Method::HEAD, path) if path.starts_with(PHOTOS) => {
                self.browser.answer(&path[PHOTOS.len()..], &request)
            }
            (Method::POST, WEBHOOK) => match Limited::new(request.into_body(), MAX_BODY).collect().await {
                Ok(body) => self.webhook.receive(&body.to_bytes()),
                Err(_) => text(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "too large"),
            },
            (Method::GET, "/attendance/webhook/status/") => self.webhook.status(),
            (Method::GET, "/attendance/webhook/rows/") => {
                text(StatusCode::OK, "text/csv", self.webhook.rows())
            }
            _ => text(StatusCode::NOT_FOUND, "text/html", "<h1>Not Found</h1>"),
        }
    }
}

/// Where `listener` can be reached.
pub fn origin(listener: &TcpListener, tls: bool) -> io::Result<String> {
    Ok(format!("{}://{}", if tls { "https" } else { "http" }, listener.local_addr()?))
}

/// A self-signed certificate and its key.
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: rcgen::Certificate,
}

impl Tls {
    /// Makes one for loopback.
    pub fn self_signed() -> anyhow::Result<Self> {
        let made = for_loopback()?;
        Self::new(made.cert, &made.signing_key)
    }

    /// Shows a certificate without having its key, as somebody in between would.
    pub fn with_anothers_certificate() -> anyhow::Result<Self> {
        Self::new(for_loopback()?.cert, &for_loopback()?.signing_key)
    }

    /// Shows this certificate.
    pub fn new(certificate: rcgen::Certificate, key: &rcgen::KeyPair) -> anyhow::Result<Self> {
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(key.into())?;
        let shown = rustls::sign::CertifiedKey::new(vec![certificate.der().clone()], key);
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// The certificate's SHA-256, hexadecimal.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(self.certificate.der()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }
}

fn for_loopback() -> Result<rcgen::CertifiedKey<rcgen::KeyPair>, rcgen::Error> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
}

/// An answer with a body of text.
pub fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// A body that is there already.
pub fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
}

fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
