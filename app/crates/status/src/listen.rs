//! The server itself: sockets, TLS, and the limits of a connection.
//!
//! It runs on a thread of its own with a small runtime of its own, at a lower priority than recognition:
//! whatever the network sends, the frame path never waits for it. HTTP/1.1 only: HTTP/2 would bring
//! multiplexing that one page does not need, and its own class of floods.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::certificate::{CertificateSource, Identity};
use super::limits::{Limits, rate};
use super::plaintext;
use super::service::Service;
use access::throttle::{Arrivals, party};

/// Time between two looks at whether the certificate must be renewed: the clock may be set long after the
/// start.
const RENEWAL_CHECK: Duration = Duration::from_secs(60 * 60);
/// Headers of a request: browsers send about twenty.
const MOST_HEADERS: usize = 64;
/// Bytes of a request's header, and of what is buffered of it.
const HEADER_BYTES: usize = 16 * 1024;
/// Connections that nobody has to give up for others: with more, some dozen addresses would hold all places
/// forever. A browser opens six and works with two.
const FEW_CONNECTIONS: usize = 2;
/// Time for requests under way when the server stops.
const STOP_TIME: Duration = Duration::from_secs(2);

/// The TLS side: 1.3 only, with whichever certificate is present.
pub(super) fn tls(identity: Arc<ArcSwap<Identity>>) -> Result<rustls::ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Present(identity)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Present(Arc<ArcSwap<Identity>>);

impl ResolvesServerCert for Present {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

/// Accepts and serves until `stop` says so, on all listeners alike.
pub(super) async fn serve(
    listeners: Vec<TcpListener>,
    acceptor: TlsAcceptor,
    service: Arc<Service>,
    certificate: CertificateSource,
    mut stop: watch::Receiver<bool>,
) {
    let limits = service.limits.clone();
    let connections = Arc::new(Connections::default());
    let mut arrivals =
        Arrivals::new(rate(limits.arrivals_per_address), rate(limits.arrivals), Instant::now());
    let mut renewal = tokio::time::interval(RENEWAL_CHECK);
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => break,
            _ = renewal.tick() => {
                renew(&certificate, &service.identity, service.clock_is_trusted());
                continue;
            }
            accepted = accept(&listeners) => accepted,
        };
        let (socket, from) = match accepted {
            // A socket for both families names IPv4 clients in IPv6's way.
            Ok((socket, from)) => (socket, from.ip().to_canonical()),
            Err(error) => {
                // Out of file descriptors, or a client that left again: neither gets better by asking at
                // once.
                log::debug!("a connection could not be accepted: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Beyond a limit the socket is closed without a word: an answer would cost the handshake that is to
        // be saved.
        if !arrivals.admit(from, Instant::now()) {
            continue;
        }
        let Some(place) = Connections::enter(&connections, from, &limits) else { continue };
        let (acceptor, service, stop) = (acceptor.clone(), Arc::clone(&service), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(socket, from, acceptor, service, stop) => {}
                () = place.needed.notified() => {}
            }
        });
    }
    // Connections hold receivers of `stop` and end when it changes; the runtime waits no longer than this for
    // them.
    let _ = timeout(STOP_TIME, async {
        while connections.count() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// The next connection on any of the listeners.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|context| {
        let mut accepted = listeners.iter().map(|listener| listener.poll_accept(context));
        accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

fn renew(certificate: &CertificateSource, identity: &ArcSwap<Identity>, trusted: bool) {
    match certificate.identity(OffsetDateTime::now_utc(), trusted) {
        // The site's own files may be half exchanged at this moment.
        Ok(Identity { concern: Some(concern), .. }) if identity.load().concern.is_none() => {
            log::error!("the certificate in use stays in use: {concern}");
        }
        Ok(present) => {
            if present.fingerprint != identity.load().fingerprint {
                log::info!("the page shows a new certificate, fingerprint {}", present.fingerprint);
                identity.store(Arc::new(present));
            }
        }
        Err(error) => log::error!("the certificate in use stays in use: {error}"),
    }
}

async fn connection(
    mut socket: TcpStream,
    from: IpAddr,
    acceptor: TlsAcceptor,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) {
    let limits = &service.limits;
    // Small answers should leave at once; a socket that cannot say so still works.
    let _ = socket.set_nodelay(true);
    let handshake = async {
        if plaintext::is_plaintext(&socket).await? {
            plaintext::redirect(&mut socket).await?;
            return Ok(None);
        }
        acceptor.accept(Paced::new(socket, limits.write_time)).await.map(Some)
    };
    let Ok(Ok(Some(stream))) = timeout(limits.handshake_time, handshake).await else { return };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(MOST_HEADERS)
        .max_buf_size(HEADER_BYTES)
        .half_close(false);
    let answering = Arc::clone(&service);
    let answer = service_fn(move |request| {
        let service = Arc::clone(&answering);
        async move { Ok::<_, std::convert::Infallible>(service.answer(request, from).await) }
    });
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // A client that breaks off or sends nonsense is not an event for the log.
        _ = serving.as_mut() => {}
        _ = stop.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = timeout(STOP_TIME / 2, serving).await;
        }
    }
}

/// The connections there are, by party, the oldest first. Told when its place is needed, a connection ends.
#[derive(Default)]
struct Connections {
    by_party: Mutex<HashMap<IpAddr, VecDeque<Arc<Notify>>>>,
}

/// The place of one connection, given back when it ends.
struct Place {
    connections: Arc<Connections>,
    party: IpAddr,
    needed: Arc<Notify>,
}

impl Connections {
    /// When all places are taken, who has few gets the oldest place of who has most: some addresses that hold
    /// all connections do not keep the technician out.
    fn enter(connections: &Arc<Self>, from: IpAddr, limits: &Limits) -> Option<Place> {
        let party = party(from);
        let mut by_party = connections.lock();
        let all: usize = by_party.values().map(VecDeque::len).sum();
        let own = by_party.get(&party).map_or(0, VecDeque::len);
        if own >= limits.connections_per_address {
            return None;
        }
        if all >= limits.connections {
            let most = by_party.values_mut().max_by_key(|places| places.len())?;
            if most.len() <= (own + 1).max(FEW_CONNECTIONS) {
                return None;
            }
            most.pop_front()?.notify_one();
        }
        let needed = Arc::new(Notify::new());
        by_party.entry(party).or_default().push_back(Arc::clone(&needed));
        drop(by_party);
        Some(Place { connections: Arc::clone(connections), party, needed })
    }

    fn count(&self) -> usize {
        self.lock().values().map(VecDeque::len).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, VecDeque<Arc<Notify>>>> {
        self.by_party.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_party = self.connections.lock();
        if let Some(places) = by_party.get_mut(&self.party) {
            places.retain(|place| !Arc::ptr_eq(place, &self.needed));
            if places.is_empty() {
                by_party.remove(&self.party);
            }
        }
    }
}

/// A socket whose writes fail when the reader takes nothing for too long.
struct Paced {
    socket: TcpStream,
    write_time: Duration,
    /// Runs while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn new(socket: TcpStream, write_time: Duration) -> Self {
        Self { socket, write_time, deadline: None }
    }

    fn in_time<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(self.write_time)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(context);
        self.in_time(context, shut)
    }
}

/// Binds the port. `[::]` is every address of IPv6 and of IPv4, and IPv4's alone on a machine without IPv6.
pub(super) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = match std::net::TcpListener::bind(address) {
        Err(error)
            if address == SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()))
                && error.kind() != io::ErrorKind::AddrInUse =>
        {
            std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))?
        }
        bound => bound?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_default_address_answers_over_ipv4_too() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(bind(listener.local_addr().unwrap()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
