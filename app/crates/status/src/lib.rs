//! The technician's page and the API, over HTTPS.
//!
//! # Background
//! The appliance has neither keyboard nor screen. What it does, what is wrong and what to do about it is seen
//! from a phone on the local network, and by scripts that were written for the original system.
//!
//! # Design
//! The crate [`view`] is the one seam: a read-only snapshot of everything ([`Source`]) and the actions there
//! are ([`Control`]). The server ([`start`]) has a thread and a runtime of its own. A request goes through
//! `listen` (sockets, TLS 1.3, limits), `service` (who asks, and may they: `auth` and `rights`, with the
//! crate [`access`]), `routes` and `dispatch` to one endpoint: JSON (`api`), the page (`page`, filled by the
//! modules that end in `_pages`, `corrections` and `archive`), events, metrics, diagnostics, or documentation
//! (`openapi`), which is made from the table of routes. `judge` asks [`view::verdict`]: is all well, and if
//! not, what to do.
//!
//! # Limitations
//! HTTP/1.1 only. A self-signed certificate makes browsers warn once; the fingerprint to compare
//! it with stands on the console ([`console::notice`]).

#![forbid(unsafe_code)]

mod actions;
mod anonymous;
mod api;
mod archive;
mod asked;
mod auth;
pub mod certificate;
pub mod config;
pub mod console;
mod corrections;
mod diagnostics;
mod dispatch;
mod enrolment_pages;
mod erasure_pages;
mod events;
mod history;
mod jobs;
mod judge;
mod licences;
pub mod limits;
mod listen;
mod metrics;
#[cfg(test)]
mod monitoring;
mod office_pages;
mod openapi;
mod openapi_requests;
mod own_faults;
mod page;
mod plaintext;
mod refusals;
mod reply;
mod request;
mod rights;
mod routes;
mod service;
mod technicians_pages;
mod views;

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

use crate::auth::AccessGuard;
use crate::certificate::{CertificateSource, Identity};
use crate::config::Page;
use crate::limits::Limits;
use crate::own_faults::WithDoor;
use crate::rights::Rights;
use crate::service::Service;
use access::account::{AccountFile, Accounts};
use access::password::{CurrentPassword, Password};
use access::session::Lifetimes;
use access::token::{TokenFile, Tokens};
use base::event::Bus;
use base::failure::{Diagnosis, Fault};
use base::secret::Secret;
use view::{Control, Source};

/// Files read and passwords checked at once, beside the network thread.
const FILE_THREADS: usize = 3;
/// Niceness of the server's threads, relative to recognition: a flood of requests gets only the processor
/// time that recognition leaves. Each step is about a tenth of the processor's time: 15 leaves 3 % where both
/// want all of it.
const NICENESS: i32 = 15;
/// Time for what still runs when the server stops.
const STOP_TIME: Duration = Duration::from_secs(3);

/// Why the page does not start.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The port cannot be had.
    #[error("{}", self.fault())]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// An error of the operating system.
        source: io::Error,
    },
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] certificate::CertificateError),
    /// The password.
    #[error(transparent)]
    Password(#[from] access::password::PasswordError),
    /// TLS.
    #[error("{}", self.fault())]
    Tls(#[from] rustls::Error),
    /// No thread or runtime.
    #[error("{}", self.fault())]
    Thread(io::Error),
}

impl Diagnosis for StatusError {
    fn fault(&self) -> Fault {
        match self {
            Self::Bind { address, source } => Fault::new(format!("cannot listen on {address}: {source}"))
                .advise("choose another page.listen, or end the program that has the port"),
            Self::Certificate(error) => error.fault(),
            Self::Password(error) => error.fault(),
            Self::Tls(error) => Fault::new(format!("cannot set up TLS: {error}")),
            Self::Thread(error) => Fault::new(format!("cannot start the page's thread: {error}")),
        }
    }
}

/// Where the page's password is kept below the data folder.
pub fn password_file(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("page/password")
}

/// A running server. Dropping it stops it.
pub struct Running {
    address: SocketAddr,
    original: Option<SocketAddr>,
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

    /// Where it listens as well, for scripts of the original system.
    pub fn original_address(&self) -> Option<SocketAddr> {
        self.original
    }

    /// The certificate it shows.
    pub fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    /// The certificate it shows, also after another took its place.
    pub fn present_identity(&self) -> Arc<ArcSwap<Identity>> {
        Arc::clone(&self.identity)
    }

    /// The password that was made on this start, to be shown on the console once; none when there was one
    /// already.
    pub fn first_password(&mut self) -> Option<Secret> {
        self.first_password.take()
    }

    /// Ends when somebody has logged in, or another password was made: then the first one need not be shown
    /// any more.
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
    let identity = certificate.identity(OffsetDateTime::now_utc(), source.view().system.clock_trusted)?;
    if let Some(concern) = &identity.concern {
        log::error!("the page shows the device's own certificate: {concern}");
    }
    let identity = Arc::new(ArcSwap::from_pointee(identity));
    // Before the password: one that was made for a page that cannot start would be known to nobody.
    let bound = |source| StatusError::Bind { address: config.listen, source };
    let listener = listen::bind(config.listen).map_err(bound)?;
    let address = listener.local_addr().map_err(bound)?;
    let (original, original_concern) = original_listener(config).unzip();
    let (password, first_password) = password(config, data_dir)?;
    let tokens = Tokens::new(config.tokens.clone(), TokenFile::below(data_dir));
    let lifetimes = Lifetimes { idle: config.session_idle, longest: config.session_longest };
    let accounts = Arc::new(Accounts::new(AccountFile::below(data_dir)));
    let door = AccessGuard::new(Arc::clone(&password), Arc::clone(&accounts), tokens, lifetimes);
    let entered = door.entered();
    let acceptor = TlsAcceptor::from(Arc::new(listen::tls(Arc::clone(&identity))?));
    let original = original.flatten();
    let original_address = original.as_ref().and_then(|listener| listener.local_addr().ok());
    let concern = original_concern.flatten();
    let source = Arc::new(WithDoor {
        source,
        identity: Arc::clone(&identity),
        password,
        accounts,
        concern,
        settings: control.settings(),
    });

    let looked_at: Arc<dyn Source> = source.clone();
    let rights = Rights { office_sees_picture: config.office_sees_picture };
    let service = Arc::new(Service::new(source, control, bus, door, Arc::clone(&identity), limits, rights));
    let history = service.history.clone();
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
                tokio::spawn(history.sample(looked_at));
                let bound = [listener].into_iter().chain(original).map(tokio::net::TcpListener::from_std);
                match bound.collect::<io::Result<Vec<_>>>() {
                    Ok(listeners) => listen::serve(listeners, acceptor, service, certificate, stopped).await,
                    Err(error) => log::error!("the page cannot listen: {error}"),
                }
            });
            runtime.shutdown_timeout(STOP_TIME);
        })
        .map_err(StatusError::Thread)?;
    log::info!("the page is at https://{address}/, certificate {}", identity.load().fingerprint);
    Ok(Running {
        address,
        original: original_address,
        identity,
        first_password,
        entered,
        stop,
        thread: Some(thread),
    })
}

/// The second port, for scripts of the original system, or why it cannot be had: the page works without.
/// `None` when it is not asked for.
fn original_listener(config: &Page) -> Option<(Option<std::net::TcpListener>, Option<String>)> {
    let address = SocketAddr::new(config.listen.ip(), config.original_port?);
    Some(match listen::bind(address) {
        Ok(listener) => (Some(listener), None),
        Err(error) => {
            log::error!("the page cannot listen on {address} (page.original_port) as well: {error}");
            (None, Some(format!("{address}: {error}")))
        }
    })
}

/// The password to compare with, and the one that was made for the console to show. A hash that cannot be
/// read opens the page to nobody and is told: tokens and `/healthz` still work. One that cannot be written
/// counts until the service ends.
fn password(
    config: &Page,
    data_dir: &Path,
) -> Result<(Arc<CurrentPassword>, Option<Secret>), access::password::PasswordError> {
    let (file, boot) = (password_file(data_dir), base::moment::boot_id());
    let (password, shown) = match Password::load(config.password_hash.as_ref(), &file, &boot) {
        Ok(None) => Password::make_first(&file, &boot).map(|(made, shown)| (Ok(made), Some(shown)))?,
        Ok(Some(password)) => (Ok(password), None),
        Err(error) => (Err(error), None),
    };
    let kept_in = config.password_hash.is_none().then_some(file);
    Ok((Arc::new(CurrentPassword::new(password, kept_in)), shown))
}

/// On Linux a thread may have a priority of its own. Where that fails the server still works.
fn be_nice() {
    let nicer = rustix::process::getpriority_process(None).map(|own| (own + NICENESS).min(19));
    if let Err(error) = nicer.and_then(|nicer| rustix::process::setpriority_process(None, nicer)) {
        log::debug!("the page's thread keeps its priority: {error}");
    }
}
