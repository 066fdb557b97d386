//! The technician's page and the API, over HTTPS.
//!
//! # Background
//! The appliance has neither keyboard nor screen. What it does, what is wrong and what to do about it is seen from a phone
//! on the local network, and by scripts that were written for the original system.
//!
//! # Design
//! [`view`] is the one seam: a read-only snapshot of everything ([`Source`]) and the few actions there are ([`Control`]).
//! The server ([`start`]) has a thread and a runtime of its own. A request goes through `listen` (sockets, TLS 1.3,
//! limits), `service` (who asks, and may they: `auth`, with `session`, `password`, `token` and `throttle`) and `routes` to
//! one endpoint: JSON (`api`), the page (`page`), events, metrics, diagnostics, or documentation (`openapi`), which is made
//! from the table of routes. `verdict` turns the snapshot into one sentence: is all well, and if not, what to do.
//!
//! # Limitations
//! One account. HTTP/1.1 only. A self-signed certificate makes browsers warn once; the fingerprint to compare it with
//! stands on the console ([`console::notice`]).

mod anonymous;
mod api;
mod auth;
pub mod certificate;
pub mod console;
mod diagnostics;
mod events;
mod jobs;
pub mod limits;
mod listen;
mod metrics;
mod openapi;
mod page;
pub mod password;
mod plaintext;
mod private_file;
mod reply;
mod request;
mod routes;
mod service;
mod session;
mod throttle;
pub mod token;
mod verdict;
pub mod view;

pub use routes::addresses;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use self::auth::Door;
use self::certificate::{CertificateSource, Identity};
use self::limits::Limits;
use self::password::{CurrentPassword, Password};
use self::service::Service;
use self::session::Lifetimes;
use self::token::{TokenFile, Tokens};
use self::view::{Control, Source};
use crate::config::Page;
use crate::event::Bus;
use crate::secret::Secret;

/// Files read and passwords checked at once, beside the network thread.
const FILE_THREADS: usize = 3;
/// How much nicer than recognition the server's threads are to others: a flood takes what is left of the processor, and no
/// more. Each step is about a tenth of the processor's time: 15 leaves 3 % where both want all of it.
const NICENESS: i32 = 15;
/// Time for what still runs when the server stops.
const STOP_TIME: Duration = Duration::from_secs(3);

/// Why the page does not start.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The port cannot be had.
    #[error(
        "cannot listen on {address}: {source}; choose another page.listen, or end the program that has the port"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] certificate::CertificateError),
    /// The password.
    #[error(transparent)]
    Password(#[from] password::PasswordError),
    /// TLS.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// No thread or runtime.
    #[error("cannot start the page's thread: {0}")]
    Thread(io::Error),
}

/// Where the page's password is kept below the data folder.
pub fn password_file(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("page/password")
}

/// A running server. Dropping it stops it.
pub struct Running {
    address: SocketAddr,
    identity: Arc<ArcSwap<Identity>>,
    first_password: Option<Secret>,
    entered: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate it shows.
    pub fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    /// The password that was made on this start, to be shown on the console once; none when there was one already.
    pub fn first_password(&mut self) -> Option<Secret> {
        self.first_password.take()
    }

    /// Ends when somebody has logged in, or another password was made: then the first one need not be shown any more.
    pub fn first_password_used(&self) -> impl Future<Output = ()> + use<> {
        let mut entered = self.entered.clone();
        async move {
            if entered.wait_for(|entered| *entered).await.is_err() {
                // The server has ended, and nobody can log in any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends it: no new connections, a moment for requests under way.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the page's thread ended unexpectedly");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the server on its own thread.
///
/// # Errors
/// [`StatusError`], before anything listens.
pub fn start(
    config: &Page,
    data_dir: &Path,
    source: Arc<dyn Source>,
    control: Arc<dyn Control>,
    bus: Bus,
    limits: Limits,
) -> Result<Running, StatusError> {
    let own = config.certificate_file.clone().zip(config.key_file.clone());
    let certificate = CertificateSource {
        folder: data_dir.join("tls"),
        own,
        names: certificate::device_names(&config.host_names),
    };
    let identity = Arc::new(ArcSwap::from_pointee(certificate.identity(OffsetDateTime::now_utc())?));
    let (password, first_password) =
        Password::load_or_make(config.password_hash.as_ref(), &password_file(data_dir))?;
    let kept_in = config.password_hash.is_none().then(|| password_file(data_dir));
    let password = CurrentPassword::new(password, kept_in);
    let tokens = Tokens::new(config.tokens.clone(), TokenFile::below(data_dir));
    let lifetimes = Lifetimes { idle: config.session_idle, longest: config.session_longest };
    let door = Door::new(password, tokens, lifetimes);
    let entered = door.entered();
    let acceptor = TlsAcceptor::from(Arc::new(listen::tls(Arc::clone(&identity))?));
    let bound = |source| StatusError::Bind { address: config.listen, source };
    let listener = listen::bind(config.listen).map_err(bound)?;
    let address = listener.local_addr().map_err(bound)?;

    let service = Arc::new(Service::new(source, control, bus, door, Arc::clone(&identity), limits));
    let (stop, stopped) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("page-files")
        .max_blocking_threads(FILE_THREADS)
        .on_thread_start(be_nice)
        .build()
        .map_err(StatusError::Thread)?;
    let thread = std::thread::Builder::new()
        .name("page".to_owned())
        .spawn(move || {
            be_nice();
            runtime.block_on(async move {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => listen::serve(listener, acceptor, service, certificate, stopped).await,
                    Err(error) => log::error!("the page cannot listen: {error}"),
                }
            });
            runtime.shutdown_timeout(STOP_TIME);
        })
        .map_err(StatusError::Thread)?;
    log::info!("the page is at https://{address}/, certificate {}", identity.load().fingerprint);
    Ok(Running { address, identity, first_password, entered, stop, thread: Some(thread) })
}

/// On Linux a thread may be nice by itself. Where that fails the server still works.
fn be_nice() {
    let nicer = rustix::process::getpriority_process(None).map(|own| (own + NICENESS).min(19));
    if let Err(error) = nicer.and_then(|nicer| rustix::process::setpriority_process(None, nicer)) {
        log::debug!("the page's thread keeps its priority: {error}");
    }
}
