//! What can go wrong with a request, told apart by what a person or a retry can do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;
use url::Url;

use super::portal::{self, Sign};
use super::proxy::{ProxyError, ProxyTrouble};
use super::tls::{PinMismatch, Untrusted};
use crate::config::Server;
use base::failure::{Diagnosis, Fault};
use base::secret::without_credentials;

/// A request that did not get its answer. `url` is always without query string and user part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection: name not found, nobody listening, no route.
    #[error("{}", self.fault())]
    Connect {
        /// Whom.
        url: String,
        /// An error of the operating system.
        reason: String,
    },
    /// The server showed another certificate than the pinned one.
    #[error("{}", self.fault())]
    PinMismatch {
        /// Whom.
        url: String,
        /// Fingerprint of the certificate the server showed.
        seen: String,
        /// The configured fingerprint.
        expected: String,
        /// Which server it is.
        server: Server,
    },
    /// The TLS handshake failed, most often because the certificate is not trusted.
    #[error("{}", self.fault())]
    Tls {
        /// Whom.
        url: String,
        /// What is wrong, in words and in rustls' own.
        reason: String,
        /// Fingerprint of the certificate that the server showed, if the handshake got that far, and which
        /// server it is.
        seen: Option<(String, Server)>,
        /// Whether the certificate is for other names.
        for_others: bool,
    },
    /// The proxy between the device and the server does not lead there.
    #[error("{}", self.fault())]
    Proxy {
        /// Whom.
        url: String,
        /// The proxy.
        proxy: String,
        /// Why not.
        trouble: ProxyTrouble,
    },
    /// Something else answers in the server's place, as the log-in page of a network does.
    #[error("{}", self.fault())]
    LogInPage {
        /// Whom.
        url: String,
        /// By what it was noticed.
        sign: Sign,
        /// Which server it is.
        server: Server,
    },
    /// Nothing came for too long.
    #[error("{}", self.fault())]
    TimedOut {
        /// Whom.
        url: String,
        /// What was being waited for.
        phase: Phase,
        /// How long.
        after: Duration,
    },
    /// An answer with a status that is none of the wanted ones.
    #[error("{}", self.fault())]
    Status {
        /// Whom.
        url: String,
        /// Its status.
        status: StatusCode,
    },
    /// A body beyond the limit.
    #[error("{}", self.fault())]
    TooLarge {
        /// Whom.
        url: String,
        /// The limit, bytes.
        limit: u64,
    },
    /// The connection ended before the answer did.
    #[error("{}", self.fault())]
    CutShort {
        /// Whom.
        url: String,
        /// What was noticed.
        reason: String,
    },
    /// The body is compressed in a way that is not known here.
    #[error("{}", self.fault())]
    Encoded {
        /// Whom.
        url: String,
        /// The encoding's name.
        encoding: String,
    },
    /// The other side does not speak HTTP/1.1, or breaks its rules.
    #[error("{}", self.fault())]
    Protocol {
        /// Whom.
        url: String,
        /// What was noticed.
        reason: String,
    },
}

impl Diagnosis for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Connect { url, reason } => Fault::new(format!("cannot connect to {url}: {reason}"))
                .advise("check the address and the network"),
            Self::PinMismatch { url, seen, expected, server } => Fault::new(format!(
                "{url} shows a certificate with the SHA-256 fingerprint {seen}, pinned is {expected}"
            ))
            .advise(format!(
                "if the server's certificate was renewed, check the new fingerprint at the server and set {} to it, \
                 else somebody stands in between",
                server.pin()
            )),
            Self::Tls { url, reason, seen: None, .. } => {
                Fault::new(format!("no encrypted connection with {url}: {reason}"))
                    .advise("check that the address and its port are those of an HTTPS server")
            }
            Self::Tls { url, reason, seen: Some((seen, server)), for_others } => {
                let portal = if *for_others { format!("{}. Otherwise, ", portal::ADVICE) } else { String::new() };
                Fault::new(format!(
                    "{url} is not trusted: {reason}. Its certificate has the SHA-256 fingerprint {seen}"
                ))
                .advise(format!(
                    "{portal}if this is the server's own fingerprint, set {} to it; if an authority of the site signed the \
                     certificate, set tls.ca_file to the authority's; check the device's clock, too",
                    server.pin()
                ))
            }
            Self::Proxy { url, proxy, trouble } => trouble.fault(url, proxy),
            Self::LogInPage { url, sign, server } => portal::fault(url, sign, *server),
            Self::TimedOut { url, phase, after } => Fault::new(format!(
                "{url} did not answer in time ({phase}: nothing within {} s)",
                after.as_secs_f32()
            )),
            Self::Status { url, status } => {
                let fault = Fault::new(format!("{url} answered {status}"));
                Fault { advice: advice(*status).map(str::to_owned), ..fault }
            }
            Self::TooLarge { url, limit } => {
                Fault::new(format!("the answer of {url} has more than {limit} bytes, the limit for it"))
            }
            Self::CutShort { url, reason } => {
                Fault::new(format!("{url} broke off in the middle of its answer ({reason})"))
            }
            Self::Encoded { url, encoding } => {
                Fault::new(format!("{url} answers compressed by {encoding}, though nobody asked for it"))
                    .advise("switch the compression of photos and listings off at the server, or let it use gzip")
            }
            Self::Protocol { url, reason } => {
                Fault::new(format!("{url} does not answer as an HTTP server does: {reason}"))
            }
        }
    }
}

/// What a request was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Connection, TLS handshake and the answer's head.
    Head,
    /// The next piece of the body.
    Body,
    /// The whole answer.
    Whole,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "waiting for the answer to begin",
            Self::Body => "waiting for more of the answer",
            Self::Whole => "waiting for the answer to end",
        })
    }
}

/// What the usual refusals mean to the person who reads them.
fn advice(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        401 => Some("the key in the configuration is wrong or has been withdrawn"),
        403 => Some(
            "the key in the configuration is wrong or has been withdrawn, or a firewall or the server itself refuses \
             this device for now",
        ),
        404 => Some("check the path in the configuration"),
        _ => None,
    }
}

impl Error {
    /// Whether trying again soon may help. Not after a refusal: a wrong key does not become right by asking
    /// again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::TimedOut { .. } | Self::CutShort { .. } | Self::Protocol { .. } => {
                true
            }
            Self::PinMismatch { .. }
            | Self::Tls { .. }
            | Self::LogInPage { .. }
            | Self::TooLarge { .. }
            | Self::Encoded { .. } => false,
            Self::Proxy { trouble, .. } => match trouble {
                ProxyTrouble::Gone(_) => true,
                ProxyTrouble::Refuses(status) => status.is_server_error(),
                _ => false,
            },
            Self::Status { status, .. } => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
        }
    }

    /// Whether the server refuses the key (401, 403): trying again soon does not help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(status.as_u16(), 401 | 403))
    }

    /// Whether the server could not be reached at all, or fell silent.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::TimedOut { .. }
                | Self::PinMismatch { .. }
                | Self::Tls { .. }
                | Self::Proxy { .. }
                | Self::LogInPage { .. }
        )
    }

    /// Names the reason of a request that got no answer's head.
    pub(super) fn from_request(url: &Url, error: &hyper_util::client::legacy::Error) -> Self {
        let shown = without_credentials(url);
        match deepest_cause(error) {
            Cause::Pin(PinMismatch { seen, expected, server }) => Self::PinMismatch {
                url: shown,
                seen: seen.to_string(),
                expected: expected.to_string(),
                server,
            },
            Cause::Untrusted(Untrusted { seen, reason, server, for_others }) => {
                Self::Tls { url: shown, reason, seen: Some((seen.to_string(), server)), for_others }
            }
            Cause::Tls(reason) => Self::Tls { url: shown, reason, seen: None, for_others: false },
            Cause::Proxy(ProxyError { proxy, trouble }) => Self::Proxy { url: shown, proxy, trouble },
            Cause::CutShort => {
                Self::CutShort { url: shown, reason: "connection closed before a whole answer".to_owned() }
            }
            Cause::Io(reason) if error.is_connect() => Self::Connect { url: shown, reason },
            Cause::Io(reason) => Self::CutShort { url: shown, reason },
            Cause::Other(reason) if error.is_connect() => Self::Connect { url: shown, reason },
            Cause::Other(reason) => Self::Protocol { url: shown, reason },
        }
    }

    /// Names the reason of a body that did not come to its end.
    pub(super) fn from_body(url: &Url, error: &hyper::Error) -> Self {
        let shown = without_credentials(url);
        match deepest_cause(error) {
            Cause::CutShort => Self::CutShort { url: shown, reason: "shorter than announced".to_owned() },
            Cause::Io(reason) | Cause::Tls(reason) => Self::CutShort { url: shown, reason },
            Cause::Pin(_) | Cause::Untrusted(_) | Cause::Proxy(_) | Cause::Other(_) => {
                Self::Protocol { url: shown, reason: error.to_string() }
            }
        }
    }
}

impl ProxyTrouble {
    fn fault(&self, url: &str, proxy: &str) -> Fault {
        let ask = "ask whoever looks after the proxy";
        match self {
            Self::Gone(reason) => Fault::new(format!(
                "the proxy {proxy}, through which {url} is asked, cannot be reached: {reason}"
            ))
            .advise(format!(
                "check network.proxy; remove it if this network has no proxy, or {ask} whether it runs"
            )),
            Self::AsksForPassword => Fault::new(format!(
                "the proxy {proxy}, through which {url} is asked, wants a user and a password (407)"
            ))
            .advise(format!(
                "{ask} for them, and write them into network.proxy: http://USER:PASSWORD@HOST:PORT"
            )),
            Self::RefusesPassword => Fault::new(format!(
                "the proxy {proxy}, through which {url} is asked, refuses the user or the password (407)"
            ))
            .advise(format!(
                "correct them in network.proxy: http://USER:PASSWORD@HOST:PORT, with %40 for an \"@\" and %3A for a \
                 \":\" in them. If they are right, {ask} for a user with Basic authentication: NTLM and Kerberos \
                 cannot be used"
            )),
            Self::Refuses(status) => Fault::new(format!(
                "the proxy {proxy} does not connect to {url}: it answers {status}"
            ))
            .advise(format!(
                "{ask} to let this device reach that server; if the device reaches it without the proxy, name it \
                 in network.no_proxy"
            )),
            Self::NotAProxy => {
                Fault::new(format!("{proxy}, through which {url} is asked, does not answer as an HTTP proxy does"))
                    .advise("check the host and the port in network.proxy")
            }
        }
    }
}

enum Cause {
    Pin(PinMismatch),
    Untrusted(Untrusted),
    Proxy(ProxyError),
    Tls(String),
    CutShort,
    Io(String),
    Other(String),
}

/// Walks down the chain of sources. An `io::Error` hides the error it wraps from `source()`, so it is opened
/// by hand.
fn deepest_cause(error: &(dyn StdError + 'static)) -> Cause {
    let mut cause = Cause::Other(error.to_string());
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => {
                    match (other.0.downcast_ref::<PinMismatch>(), other.0.downcast_ref::<Untrusted>()) {
                        (Some(mismatch), _) => Cause::Pin(mismatch.clone()),
                        (_, Some(untrusted)) => Cause::Untrusted(untrusted.clone()),
                        (None, None) => Cause::Tls(other.to_string()),
                    }
                }
                rustls::Error::General(reason) => Cause::Tls(reason.clone()),
                _ => Cause::Tls(tls.to_string()),
            };
        }
        if let Some(proxy) = error.downcast_ref::<ProxyError>() {
            return Cause::Proxy(proxy.clone());
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return Cause::CutShort;
        }
        let system = error.downcast_ref::<io::Error>();
        let inner = system.and_then(io::Error::get_ref);
        if system.is_some_and(|system| system.kind() == io::ErrorKind::UnexpectedEof) {
            return Cause::CutShort;
        }
        if system.is_some() && inner.is_none() {
            cause = Cause::Io(error.to_string());
        } else if !matches!(cause, Cause::Io(_)) {
            cause = Cause::Other(error.to_string());
        }
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    cause
}
