//! Why the broker cannot be reached, and what to do.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use base::failure::{Diagnosis, Fault};
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::{ConnectionError, StateError, TlsError};

/// Largest packet that this door takes. The largest message of a door has about 1,100 bytes.
pub const MAX_PACKET: u32 = 64 * 1024;

/// Time for a connection, TLS included.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(10);

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
    #[error(
        "what answers at {broker} is not an MQTT 5 broker with the protocol that mqtt.url names: {reason}"
    )]
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
    /// Whether a person has to mend it, so that trying again soon does not help.
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

/// What a failed connection means.
pub(super) fn diagnose(error: &ConnectionError, broker: &str) -> LinkError {
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
