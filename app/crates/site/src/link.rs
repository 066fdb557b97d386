//! The connection to the broker: MQTT 5, TLS by rustls, one session that survives network failures.
//!
//! It never ends by itself: what goes wrong is told as a [`LinkError`], and it tries again with growing
//! delays. What only a person can mend is tried again more slowly. The broker is told the largest packet that
//! this door takes, so that it keeps larger ones to itself instead of closing the connection again and again.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use base::failure::{Diagnosis, Fault};
use bytes::Bytes;
use rumqttc::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, LastWill, PubAckReason, PublishProperties, RetainForwardRule,
    SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Error as PacketError, QoS};
use rumqttc::{
    AsyncClient, Broker, ConnectionError, Event, EventLoop, MqttOptions, Packet, PublishOptions, StateError,
    SubscribeFilterInput, TlsConfiguration, TlsError, Transport,
};
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::{BrokerUrl, Mqtt};
use crate::outbox::Publication;

/// Largest packet that this door takes. The largest message of a door has about 1,100 bytes.
pub const MAX_PACKET: u32 = 64 * 1024;
/// Longest topic that is looked at.
const MAX_TOPIC: usize = 256;
/// How long the broker keeps the session of a door that is not connected.
const SESSION: Duration = Duration::from_secs(86_400);
/// Messages that may wait for the broker's acknowledgement.
const IN_FLIGHT: u16 = 256;
/// How often a silent connection is tested. The last will comes after one and a half of it.
const KEEP_ALIVE: u16 = 30;
/// Time for a connection, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// A connection that breaks sooner than this after it was made was closed by the broker.
const SOON: Duration = Duration::from_secs(10);
/// So many such connections, one after the other, are no coincidence.
const OFTEN: u32 = 3;
/// Messages between the connection and the worker. A full channel stops reading from the broker.
const CHANNEL: usize = 256;
/// Largest certificate or key file.
const MAX_PEM: u64 = 1_000_000;

/// How fast it is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// First and longest delay after a fault that may pass.
    pub passing: (Duration, Duration),
    /// First and longest delay after a fault that a person has to mend.
    pub lasting: (Duration, Duration),
    /// A connection that stood so long ends the growth of the delays.
    pub steady: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { passing: (seconds(1), seconds(60)), lasting: (seconds(30), seconds(300)), steady: seconds(60) }
    }
}

/// What is wrong with the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody answers, or the connection broke.
    #[error("the broker {broker} does not answer: {reason}")]
    Gone {
        /// The broker.
        broker: String,
        /// What the network says.
        reason: String,
    },
    /// The broker refuses user and password, or the certificate's user.
    #[error("the broker {broker} refuses this door's user or password")]
    Password {
        /// The broker.
        broker: String,
    },
    /// The broker's access list refuses a topic.
    #[error("the broker {broker} does not let this door {what}")]
    NotAllowed {
        /// The broker.
        broker: String,
        /// What it forbids.
        what: String,
    },
    /// The broker's certificate is not accepted.
    #[error("the certificate of the broker {broker} is not accepted: {reason}")]
    Certificate {
        /// The broker.
        broker: String,
        /// Why.
        reason: String,
    },
    /// The broker does not accept this door's certificate, or asks for one.
    #[error("the broker {broker} does not accept this door's certificate: {reason}")]
    OwnCertificate {
        /// The broker.
        broker: String,
        /// What it says.
        reason: String,
    },
    /// What answers speaks no TLS, or no MQTT 5.
    #[error("what answers at {broker} is no MQTT 5 broker with the protocol that mqtt.url names: {reason}")]
    Protocol {
        /// The broker.
        broker: String,
        /// What came instead.
        reason: String,
    },
    /// Another connection with this device's identity: the broker says so, or it closes each connection soon.
    #[error(
        "the broker {broker} closes each connection soon after it was made; another device may be connected \
         with the identity of this one"
    )]
    TakenOver {
        /// The broker.
        broker: String,
    },
    /// A packet larger than the broker was told to send.
    #[error("the broker {broker} sends packets of more than {MAX_PACKET} bytes, although it was told not to")]
    TooLarge {
        /// The broker.
        broker: String,
    },
    /// A file of certificates or keys cannot be used.
    #[error("{setting}: {} cannot be used: {reason}", path.display())]
    File {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The TLS library refuses its own settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl LinkError {
    /// Whether a person has to mend it, so that trying again soon is no help.
    pub fn lasts(&self) -> bool {
        !matches!(self, Self::Gone { .. })
    }
}

impl Diagnosis for LinkError {
    fn fault(&self) -> Fault {
        let advice = match self {
            Self::Gone { .. } => {
                "this door goes on alone and loses nothing; check that the broker runs, the network, and mqtt.url"
            }
            Self::Password { .. } => "correct mqtt.user and mqtt.password, or the broker's list of users",
            Self::NotAllowed { .. } => {
                "let the user of this door read and write attendance/# (and the discovery prefix) in the \
                 broker's access list"
            }
            Self::Certificate { .. } => {
                "set mqtt.ca_file to the authority that signed it, use the host name that stands in it, and \
                 check the device's clock"
            }
            Self::OwnCertificate { .. } => {
                "set mqtt.certificate_file and mqtt.key_file to a certificate from the authority that the \
                 broker trusts"
            }
            Self::Protocol { .. } => {
                "use mqtts:// for the broker's TLS port (mostly 8883) and mqtt:// for the plain one (mostly \
                 1883); MQTT 5 must be enabled"
            }
            Self::TakenOver { .. } => {
                "if a card was copied with its data, delete the folder mqtt of the data folder on one of the \
                 two devices and restart it; otherwise look into the broker's log"
            }
            Self::TooLarge { .. } => "delete large retained messages below attendance/ at the broker",
            Self::File { .. } => "put a PEM file there that this program may read",
            Self::Tls(_) => "report this as a defect",
        };
        Fault::new(self.to_string()).advise(advice)
    }
}

/// What the connection tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// It stands; subscriptions have to be made.
    Up,
    /// It broke, or could not be made.
    Down(LinkError),
    /// Something is refused, and it stands.
    Refused(LinkError),
    /// A message came.
    Message { topic: String, payload: Bytes, retained: bool },
}

/// A connection that is kept.
pub(crate) struct Link {
    pub(crate) client: AsyncClient,
    told: mpsc::Receiver<Told>,
    keeping: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Link {
    /// Begins to connect. `will` is what the broker publishes, retained, when this door dies.
    ///
    /// # Errors
    /// A file of certificates that cannot be used.
    pub(crate) fn open(
        config: &Mqtt,
        url: &BrokerUrl,
        name: &str,
        will: (String, &'static str),
        pace: Pace,
    ) -> Result<Self, LinkError> {
        let mut options = MqttOptions::new(name, Broker::tcp(url.host.clone(), url.port));
        options.set_keep_alive(KEEP_ALIVE).set_connect_timeout(CONNECT_TIME);
        // A clean start once for each run: this program does not keep the state of a session on the disk, and
        // everything that counts is retained. Later connections of the run resume the session.
        options.set_clean_start(true);
        options.set_max_packet_size(Some(MAX_PACKET));
        options.set_session_expiry_interval(Some(SESSION.as_secs() as u32));
        // The client keeps room for as many messages as may be unacknowledged: by default megabytes.
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        options.set_last_will(LastWill::new(will.0, will.1, QoS::AtLeastOnce, true, None));
        if let Some(user) = &config.user {
            let password = config.password.as_ref().map_or("", |password| password.expose());
            options.set_credentials(user.clone(), Bytes::copy_from_slice(password.as_bytes()));
        }
        if url.encrypted {
            let tls = TlsConfiguration::Rustls(Arc::new(tls(config)?));
            options.set_transport(Transport::Tls(tls));
        }
        let (client, eventloop) = AsyncClient::builder(options).capacity(32).build();
        let (tell, told) = mpsc::channel(CHANNEL);
        let keeping = tokio::spawn(keep(eventloop, url.to_string(), tell, pace));
        Ok(Self { client, told, keeping })
    }

    /// What it tells next; none only after a defect.
    pub(crate) async fn told(&mut self) -> Option<Told> {
        self.told.recv().await
    }

    /// Says goodbye to the broker, so that it does not publish the last will.
    pub(crate) async fn close(mut self, within: Duration) {
        if self.client.disconnect_with_timeout(within).await.is_ok() {
            let ended = async { while self.told.recv().await.is_some() {} };
            let _ = tokio::time::timeout(within, ended).await;
        }
    }
}

/// Publishes one message; waits while the connection is down or slow.
pub(crate) async fn publish(client: &AsyncClient, publication: Publication) {
    let quality = if publication.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    let properties =
        PublishProperties { message_expiry_interval: publication.expires_in, ..PublishProperties::default() };
    let options = PublishOptions::new(quality).retain(publication.retained).properties(properties);
    if let Err(error) = client.publish(publication.topic, publication.payload, options).await {
        log::debug!("not published: {error}");
    }
}

/// Subscribes; what the broker keeps comes at once.
pub(crate) async fn subscribe(client: &AsyncClient, filters: Vec<String>) {
    let filters = filters.into_iter().map(|filter| {
        SubscribeFilterInput::new(filter, QoS::AtLeastOnce)
            .no_local(true)
            .retain_forward_rule(RetainForwardRule::OnEverySubscribe)
    });
    if let Err(error) = client.subscribe_many(filters).await {
        log::debug!("not subscribed: {error}");
    }
}

/// Ends a subscription.
pub(crate) async fn unsubscribe(client: &AsyncClient, filter: String) {
    if let Err(error) = client.unsubscribe(filter).await {
        log::debug!("not unsubscribed: {error}");
    }
}

/// Keeps the connection until nobody listens.
async fn keep(mut eventloop: EventLoop, broker: String, tell: mpsc::Sender<Told>, pace: Pace) {
    let (passing, lasting) = (pace.passing, pace.lasting);
    let fresh = || (Backoff::between(passing.0, passing.1), Backoff::between(lasting.0, lasting.1));
    let mut delays = fresh();
    let mut up_since: Option<tokio::time::Instant> = None;
    let mut cut_short = 0;
    loop {
        let told = match eventloop.poll().await {
            Ok(Event::Incoming(packet)) => {
                if matches!(packet, Packet::ConnAck(_)) {
                    eventloop.options.set_clean_start(false);
                    up_since = Some(tokio::time::Instant::now());
                }
                heard(packet, &broker)
            }
            Ok(_) => None,
            Err(ConnectionError::RequestsDone) => return,
            Err(error) => {
                let lasted = up_since.take().map(|since| since.elapsed());
                if lasted.is_some_and(|lasted| lasted >= pace.steady) {
                    delays = fresh();
                }
                cut_short = if lasted.is_some_and(|lasted| lasted < SOON) { cut_short + 1 } else { 0 };
                let error = match diagnose(&error, &broker) {
                    LinkError::Gone { broker, .. } if cut_short >= OFTEN => LinkError::TakenOver { broker },
                    error => error,
                };
                let delay = if error.lasts() { delays.1.next_delay() } else { delays.0.next_delay() };
                if tell.send(Told::Down(error)).await.is_err() {
                    return;
                }
                tokio::time::sleep(delay).await;
                None
            }
        };
        if let Some(told) = told
            && tell.send(told).await.is_err()
        {
            return;
        }
    }
}

/// What a packet from the broker means for the worker.
fn heard(packet: Packet, broker: &str) -> Option<Told> {
    let refused = |what: &str| {
        Some(Told::Refused(LinkError::NotAllowed { broker: broker.to_owned(), what: what.to_owned() }))
    };
    match packet {
        Packet::ConnAck(_) => Some(Told::Up),
        Packet::Publish(publish) if publish.topic.len() <= MAX_TOPIC => {
            let topic = String::from_utf8(publish.topic.to_vec()).ok()?;
            Some(Told::Message { topic, payload: publish.payload, retained: publish.retain })
        }
        Packet::SubAck(answer) => {
            let all = answer.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
            if all { None } else { refused("subscribe to what the other doors publish") }
        }
        Packet::PubAck(answer) => match answer.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            PubAckReason::NotAuthorized => refused("publish what it has seen"),
            PubAckReason::QuotaExceeded => refused("publish more: its quota is exceeded"),
            _ => refused("publish; it gives no reason"),
        },
        _ => None,
    }
}

/// What a failed connection means.
fn diagnose(error: &ConnectionError, broker: &str) -> LinkError {
    let broker = broker.to_owned();
    let of_tls = match error {
        // This one does not name the error inside of it as its source.
        ConnectionError::MqttState(StateError::Deserialization(PacketError::Io(error))) => tls_error(error),
        other => tls_error(other),
    };
    if let Some(error) = of_tls {
        return diagnose_tls(error, broker);
    }
    match error {
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => match code {
            ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::BadAuthenticationMethod
            | ConnectReturnCode::Banned => LinkError::Password { broker },
            ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => {
                LinkError::Protocol { broker, reason: "it does not speak MQTT 5".to_owned() }
            }
            other => LinkError::Gone { broker, reason: format!("it refuses the connection ({other:?})") },
        },
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => match reason_code {
            DisconnectReasonCode::SessionTakenOver => LinkError::TakenOver { broker },
            DisconnectReasonCode::NotAuthorized => LinkError::Password { broker },
            DisconnectReasonCode::PacketTooLarge => LinkError::TooLarge { broker },
            other => LinkError::Gone { broker, reason: format!("it closed the connection ({other:?})") },
        },
        ConnectionError::MqttState(StateError::IncomingPacketTooLarge { .. }) => {
            LinkError::TooLarge { broker }
        }
        ConnectionError::MqttState(StateError::Deserialization(packet)) => match packet {
            PacketError::PayloadSizeLimitExceeded { .. } => LinkError::TooLarge { broker },
            PacketError::Io(error) => LinkError::Gone { broker, reason: error.to_string() },
            other => LinkError::Protocol { broker, reason: other.to_string() },
        },
        // The connection was made, and broke before TLS stood.
        ConnectionError::Tls(error) => LinkError::Protocol { broker, reason: error.to_string() },
        ConnectionError::NotConnAck(_) => {
            LinkError::Protocol { broker, reason: "it did not answer as an MQTT broker".to_owned() }
        }
        ConnectionError::Timeout(_) => {
            LinkError::Gone { broker, reason: format!("no answer within {} seconds", CONNECT_TIME.as_secs()) }
        }
        other => LinkError::Gone { broker, reason: other.to_string() },
    }
}

fn diagnose_tls(error: &rustls::Error, broker: String) -> LinkError {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(reason) => {
            LinkError::Certificate { broker, reason: format!("{reason}") }
        }
        rustls::Error::AlertReceived(
            alert @ (Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            // Signed by an authority of the same name and another key.
            | Alert::DecryptError
            | Alert::HandshakeFailure
            | Alert::AccessDenied
            | Alert::UnknownCA),
        ) => LinkError::OwnCertificate { broker, reason: format!("{alert:?}") },
        other => LinkError::Protocol { broker, reason: other.to_string() },
    }
}

/// The TLS library's error inside of another one.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        if let Some(TlsError::TLS(found)) = error.downcast_ref::<TlsError>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(wrapped) => wrapped.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// The client's side of TLS.
fn tls(config: &Mqtt) -> Result<ClientConfig, LinkError> {
    let wrong = |error: rustls::Error| LinkError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let builder = match &config.ca_file {
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates("mqtt.ca_file", path)? {
                let added = roots.add(certificate);
                added.map_err(|error| unusable("mqtt.ca_file", path, &error.to_string()))?;
            }
            builder.with_root_certificates(roots)
        }
        None => {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(wrong)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    match (&config.certificate_file, &config.key_file) {
        (Some(certificate), Some(key)) => {
            let pem = pem("mqtt.key_file", key)?;
            let secret = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|error| unusable("mqtt.key_file", key, &error.to_string()))?;
            builder
                .with_client_auth_cert(certificates("mqtt.certificate_file", certificate)?, secret)
                .map_err(|error| unusable("mqtt.key_file", key, &error.to_string()))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn unusable(setting: &'static str, path: &Path, reason: &str) -> LinkError {
    LinkError::File { setting, path: path.to_owned(), reason: reason.to_owned() }
}

fn pem(setting: &'static str, path: &Path) -> Result<Vec<u8>, LinkError> {
    let wrong = |error: io::Error| unusable(setting, path, &error.to_string());
    if std::fs::metadata(path).map_err(wrong)?.len() > MAX_PEM {
        return Err(unusable(setting, path, &format!("it has more than {MAX_PEM} bytes")));
    }
    std::fs::read(path).map_err(wrong)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, LinkError> {
    let found = CertificateDer::pem_slice_iter(&pem(setting, path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(setting, path, &error.to_string()))?;
    if found.is_empty() {
        return Err(unusable(setting, path, "it holds no certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(found)
}

/// Checks the files that the section names.
///
/// # Errors
/// The first that cannot be used.
pub fn check_files(config: &Mqtt) -> Result<(), LinkError> {
    match &config.url {
        Some(url) if url.encrypted => tls(config).map(|_| ()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BROKER: &str = "mqtts://broker.example:8883";

    #[test]
    fn each_fault_says_what_to_do() {
        let io = |kind: io::ErrorKind| ConnectionError::Io(io::Error::from(kind));
        let tls = |error: rustls::Error| ConnectionError::Io(io::Error::other(error));
        let refused = |code| ConnectionError::ConnectionRefused(code);
        for (error, says, advises) in [
            (io(io::ErrorKind::ConnectionRefused), "does not answer", "goes on alone"),
            (refused(ConnectReturnCode::NotAuthorized), "user or password", "mqtt.password"),
            (refused(ConnectReturnCode::UnsupportedProtocolVersion), "no MQTT 5 broker", "MQTT 5"),
            (
                tls(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)),
                "is not accepted: ",
                "mqtt.ca_file",
            ),
            (
                tls(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired)),
                "this door's certificate",
                "mqtt.certificate_file",
            ),
            (
                tls(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)),
                "no MQTT 5",
                "mqtts://",
            ),
            (
                ConnectionError::MqttState(StateError::ServerDisconnect {
                    reason_code: DisconnectReasonCode::SessionTakenOver,
                    reason_string: None,
                }),
                "identity of this one",
                "copied",
            ),
        ] {
            let fault = diagnose(&error, BROKER).fault();
            assert!(fault.what.contains(says), "{fault}");
            assert!(fault.advice.as_ref().unwrap().contains(advises), "{fault}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let url = BrokerUrl::parse(BROKER).unwrap();
        let config = Mqtt { url: Some(url), ca_file: Some(path.clone()), ..Mqtt::default() };
        let missing = check_files(&config).unwrap_err().to_string();
        assert!(missing.contains("mqtt.ca_file") && missing.contains("ca.pem"), "{missing}");
        std::fs::write(&path, "no certificate").unwrap();
        assert!(check_files(&config).unwrap_err().to_string().contains("BEGIN CERTIFICATE"));
    }
}
