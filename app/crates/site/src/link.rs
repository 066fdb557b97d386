//! The connection to the broker: MQTT 5, TLS by rustls, one session that survives network failures.
//!
//! It never ends on its own: a failure is reported as a [`LinkError`], and it tries again with growing
//! delays. What only a person can mend is tried again more slowly. The broker is told the largest packet that
//! this door takes, so that it keeps larger ones to itself instead of closing the connection again and again.

mod diagnosis;
mod encryption;

use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{
    LastWill, PubAckReason, PublishProperties, RetainForwardRule, SubscribeReasonCode,
};
use rumqttc::{
    AsyncClient, Broker, ConnectionError, Event, EventLoop, MqttOptions, Packet, PublishOptions,
    SubscribeFilterInput, TlsConfiguration, Transport,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::diagnosis::{CONNECT_TIME, diagnose};
pub use self::diagnosis::{LinkError, MAX_PACKET};
pub use self::encryption::check_files;
use self::encryption::tls;
use crate::config::{BrokerUrl, Mqtt};
use crate::outbox::Publication;

/// Longest topic that is looked at.
const MAX_TOPIC: usize = 256;
/// How long the broker keeps the session of a door that is not connected.
const SESSION: Duration = Duration::from_secs(86_400);
/// Messages that may wait for the broker's acknowledgement.
const IN_FLIGHT: u16 = 256;
/// How often a silent connection is tested. The last will comes after one and a half of it.
const KEEP_ALIVE: u16 = 30;
/// If a connection breaks sooner than this after it was made, the broker closed it.
const SOON: Duration = Duration::from_secs(10);
/// So many such connections, one after the other, are not a coincidence.
const OFTEN: u32 = 3;
/// Messages between the connection and the worker. A full channel stops reading from the broker.
const CHANNEL: usize = 256;

/// How fast it is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// First and longest delay after a fault that may pass.
    pub passing: (Duration, Duration),
    /// First and longest delay after a fault that a person has to mend.
    pub lasting: (Duration, Duration),
    /// After a connection that lasted this long, the delays start small again.
    pub steady: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { passing: (seconds(1), seconds(60)), lasting: (seconds(30), seconds(300)), steady: seconds(60) }
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
    /// The broker has made the subscriptions: what others publish from now on comes.
    Subscribed,
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
            if all { Some(Told::Subscribed) } else { refused("subscribe to what the other doors publish") }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base::failure::Diagnosis as _;

    use std::io;

    use rumqttc::StateError;
    use rumqttc::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};

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
            (refused(ConnectReturnCode::UnsupportedProtocolVersion), "not an MQTT 5 broker", "MQTT 5"),
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
                "not an MQTT 5",
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
