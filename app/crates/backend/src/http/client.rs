//! Requests and answers, bounded in time and size.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::authorization::basic_authorization;
use super::encoding::Encoding;
use super::error::{Error, Phase};
use super::portal::{self, Sign};
use super::proxy::{Connector, ProxyError, Way};
use super::tls::{TlsConfigError, TlsPolicy};
use crate::config;
use base::moment::Clock;
use base::secret::without_credentials;

/// Idle connections kept to a server, as many as downloads run at once.
const IDLE_CONNECTIONS: usize = 4;

/// How long an idle connection is kept. Shorter than nginx's and Apache's default patience (75 s, 5 s), so
/// that it is seldom the server that closes first; where it is, hyper notices and opens another.
const IDLE_TIME: Duration = Duration::from_secs(4);

/// How long a request waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the TCP connection.
    pub connect: Duration,
    /// From the request to the answer's head, connection and TLS included.
    pub head: Duration,
    /// For the next piece of the body.
    pub idle: Duration,
    /// For the whole request. It also ends a request to a server that sends a byte now and then.
    pub whole: Duration,
}

impl Default for Timeouts {
    /// 30 s for head and pauses as backend-contract.md §1 says; five minutes let 20 MB through at 70 kB/s.
    fn default() -> Self {
        let patience = Duration::from_secs(30);
        Self {
            connect: Duration::from_secs(10),
            head: patience,
            idle: patience,
            whole: Duration::from_secs(300),
        }
    }
}

impl Timeouts {
    /// `limit` for the whole request, however it is spent.
    pub fn whole(limit: Duration) -> Self {
        Self { connect: limit.min(Duration::from_secs(10)), head: limit, idle: limit, whole: limit }
    }
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool<HttpsConnector<Connector>, Full<Bytes>>,
    timeouts: Timeouts,
    proxy: Option<Arc<Way>>,
    server: config::Server,
}

impl Client {
    /// A client with the configured trust.
    ///
    /// # Errors
    /// [`TlsConfigError`] when the configured authorities or fingerprint cannot be used.
    pub fn new(tls: &config::Tls, timeouts: Timeouts) -> Result<Self, TlsConfigError> {
        Self::made(tls, timeouts, None)
    }

    /// The same where a clock may be in doubt: a certificate that is not valid by it is then looked at by the
    /// last time that was believed.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_clock(
        tls: &config::Tls,
        timeouts: Timeouts,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsConfigError> {
        Self::made(tls, timeouts, Some(clock))
    }

    fn made(
        tls: &config::Tls,
        timeouts: Timeouts,
        clock: Option<Arc<dyn Clock>>,
    ) -> Result<Self, TlsConfigError> {
        let mut direct = HttpConnector::new();
        direct.set_connect_timeout(Some(timeouts.connect));
        direct.set_nodelay(true);
        direct.enforce_http(false);
        let proxy = Way::new(&tls.proxy);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(TlsPolicy::from_config(tls)?.client_config(tls.server, clock)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector { direct, proxy: proxy.clone() });
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Ok(Self { pool, timeouts, proxy, server: tls.server })
    }

    /// Asks for `url`. The reply may have any status; its body is still to be read.
    ///
    /// # Errors
    /// [`Error`] when no answer's head came.
    pub async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Reply, Error> {
        self.send(Method::GET, url, headers, Bytes::new()).await
    }

    /// Sends `body` to `url` and reads the whole answer, at most `limit` bytes of it. The answer may have any
    /// status. A secret belongs into a header made by [`secret_header`](Self::secret_header).
    ///
    /// # Errors
    /// [`Error`] when no whole answer came.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        limit: u64,
    ) -> Result<Answer, Error> {
        self.send(Method::POST, url, headers, body).await?.read(limit).await
    }

    /// A header value that debug output does not show; `None` when `value` cannot stand in a header.
    pub fn secret_header(value: &base::secret::Secret) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Sends `body` to `url` by `method`. The reply may have any status; its body is still to be read.
    ///
    /// # Errors
    /// [`Error`] when no answer's head came.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Error> {
        let deadline = Instant::now() + self.timeouts.whole;
        let mut request = request(method, url, headers, body)?;
        // The one that receives the request itself, and may answer in the server's place.
        let proxy = self.proxy.as_ref().filter(|way| way.passes_on(url));
        if let Some(value) = proxy.and_then(|way| way.authorization()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value.clone());
        }
        let within = self.timeouts.head.min(self.timeouts.whole);
        let response = match timeout(within, self.pool.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Error::from_request(url, &error)),
            Err(_) => {
                let url = without_credentials(url);
                return Err(Error::TimedOut { url, phase: Phase::Head, after: within });
            }
        };
        let (head, incoming) = response.into_parts();
        if let Some(way) = proxy.filter(|_| head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            let ProxyError { proxy, trouble } = way.refusal(head.status);
            return Err(Error::Proxy { url: without_credentials(url), proxy, trouble });
        }
        let encoding = head.headers.get(CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?"));
        let encoding = Encoding::named(encoding);
        let timeouts = self.timeouts;
        let body =
            Body { incoming, encoding, unfinished: false, received: 0, url: url.clone(), deadline, timeouts };
        Ok(Reply { status: head.status, headers: head.headers, body, server: self.server })
    }

    /// An answer of `url` in which data are expected.
    ///
    /// # Errors
    /// [`Error::LogInPage`] when it is a web page.
    pub fn data(&self, url: &Url, answer: Answer) -> Result<Answer, Error> {
        if portal::is_page(&answer.body) {
            let url = without_credentials(url);
            return Err(Error::LogInPage { url, sign: Sign::Page, server: self.server });
        }
        Ok(answer)
    }
}

fn request(
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Error> {
    let malformed = |reason: String| Error::Protocol { url: without_credentials(url), reason };
    let mut bare = url.clone();
    bare.set_fragment(None);
    // Both fail only for URLs that cannot have a user part.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    let mut request = Request::builder()
        .method(method)
        .uri(bare.as_str())
        .body(Full::new(body))
        .map_err(|error| malformed(error.to_string()))?;
    *request.headers_mut() = headers;
    let agent = HeaderValue::from_static(concat!("attendance/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    if let Some(value) = basic_authorization(url) {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// An answer's head, with the body still to come.
#[derive(Debug)]
pub struct Reply {
    /// Its status, whichever.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body. Dropped unread, it costs nothing more than the connection.
    pub body: Body,
    server: config::Server,
}

impl Reply {
    /// A header's text, where it is there and is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The announced length of the body; none where it comes compressed, for then its length is another one.
    pub fn content_length(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH).filter(|_| self.body.encoding.is_plain())?.parse().ok()
    }

    /// Whether the answer says where it ends. If not, an answer that broke off looks like a complete one.
    pub fn is_framed(&self) -> bool {
        [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| self.headers.contains_key(name))
            || !self.body.encoding.is_plain()
    }

    /// The error of a status that was not wanted.
    pub fn unwanted(&self) -> Error {
        let url = without_credentials(&self.body.url);
        match portal::sign(&self.body.url, self.status, self.header(&LOCATION)) {
            Some(sign) => Error::LogInPage { url, sign, server: self.server },
            None => Error::Status { url, status: self.status },
        }
    }

    /// The error of an answer that is a web page where something else was expected.
    pub fn is_a_page(&self) -> Error {
        let url = without_credentials(&self.body.url);
        Error::LogInPage { url, sign: Sign::Page, server: self.server }
    }

    /// Reads the body, at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error`] when the body is longer, late or cut short.
    pub async fn read(mut self, limit: u64) -> Result<Answer, Error> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.body.piece(limit).await? {
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status: self.status, headers: self.headers, body: body.freeze() })
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status, whichever.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A body on its way.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    encoding: Encoding,
    /// Whether compressed data came whose end was not seen.
    unfinished: bool,
    /// Bytes so far, decompressed.
    received: u64,
    url: Url,
    deadline: Instant,
    timeouts: Timeouts,
}

impl Body {
    /// The next piece, or `None` at the end. `limit` is for the body's bytes in all. A body that was
    /// compressed comes decompressed, and so it counts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond `limit` bytes, [`Error::TimedOut`] after a long pause or in all,
    /// [`Error::CutShort`] when fewer bytes come than were announced.
    pub async fn piece(&mut self, limit: u64) -> Result<Option<Bytes>, Error> {
        loop {
            let idle = Instant::now() + self.timeouts.idle;
            let (until, phase, after) = if idle < self.deadline {
                (idle, Phase::Body, self.timeouts.idle)
            } else {
                (self.deadline, Phase::Whole, self.timeouts.whole)
            };
            let shown = || without_credentials(&self.url);
            let frame = match timeout_at(until, self.incoming.frame()).await {
                Err(_) => return Err(Error::TimedOut { url: shown(), phase, after }),
                Ok(None) if !self.unfinished => return Ok(None),
                Ok(None) => {
                    self.unfinished = false;
                    let rest = self.encoding.finish().map_err(|error| self.undecodable(&error))?;
                    return self.counted(rest.into(), limit).map(|rest| (!rest.is_empty()).then_some(rest));
                }
                Ok(Some(Err(error))) => return Err(Error::from_body(&self.url, &error)),
                Ok(Some(Ok(frame))) => frame,
            };
            // Anything but data is a trailer, which nobody here uses.
            let Ok(data) = frame.into_data() else { continue };
            if let Encoding::Unknown(encoding) = &self.encoding {
                return Err(Error::Encoded { url: shown(), encoding: encoding.clone() });
            }
            if self.encoding.is_plain() {
                return self.counted(data, limit).map(Some);
            }
            self.unfinished = true;
            match self.encoding.decode(&data, limit.saturating_sub(self.received)) {
                Ok(Some(piece)) => return self.counted(piece.into(), limit).map(Some),
                Ok(None) => return Err(Error::TooLarge { url: shown(), limit }),
                Err(error) => return Err(self.undecodable(&error)),
            }
        }
    }

    fn counted(&mut self, piece: Bytes, limit: u64) -> Result<Bytes, Error> {
        self.received += piece.len() as u64;
        if self.received > limit {
            return Err(Error::TooLarge { url: without_credentials(&self.url), limit });
        }
        Ok(piece)
    }

    /// Compressed data that end too early, or are none.
    fn undecodable(&self, error: &std::io::Error) -> Error {
        let reason = format!("its compressed answer cannot be unpacked: {error}");
        Error::CutShort { url: without_credentials(&self.url), reason }
    }
}
