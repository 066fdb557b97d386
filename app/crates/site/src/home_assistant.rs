//! What other programs see of the door on the broker: Home Assistant's device discovery, the door's state,
//! its events (for Node-RED and others), and commands. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use base::identity::RollNumber;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::book::Device;
use crate::config::Mqtt;
use crate::topics::Topics;

/// Least time between two commands of one kind.
pub const BETWEEN_COMMANDS: Duration = Duration::from_secs(60);

/// What the door says of itself. Nothing in it names a person.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct State {
    /// Whether something needs a person.
    pub problem: bool,
    /// The worst problem, in words; empty without one.
    pub problem_text: String,
    /// Rows IN of today.
    pub in_today: u64,
    /// Rows OUT of today.
    pub out_today: u64,
    /// Rows that wait for the backend.
    pub waiting: u64,
    /// Students that can be recognised.
    pub students: u64,
    /// Temperature of the processor, °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// What happened last: `recorded`, `refused`, `stranger` and its local time; empty before the first
    /// event.
    pub last_event: String,
}

/// Something that happened at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A row was written.
    Recorded {
        /// Who.
        roll: RollNumber,
        /// `IN` or `OUT`.
        status: String,
        /// Local time of the site.
        at: String,
    },
    /// Somebody who is not on the roster.
    Stranger,
    /// A presentation attack.
    Attack,
}

impl Happening {
    fn kind(&self) -> &'static str {
        match self {
            Self::Recorded { .. } => "recorded",
            Self::Stranger => "stranger",
            Self::Attack => "attack",
        }
    }

    /// The event's message. The roll number is in it only where `rows` is set.
    pub fn message(&self, door: &str, rows: bool) -> String {
        let mut message = json!({ "event_type": self.kind(), "door": door });
        if let Self::Recorded { roll, status, at } = self {
            message["status"] = json!(status);
            message["at"] = json!(at);
            if rows {
                message["roll"] = json!(roll.as_str());
            }
        }
        message.to_string()
    }

    /// What [`State::last_event`] says of it.
    pub fn in_short(&self, now: &str) -> String {
        match self {
            Self::Recorded { status, at, .. } => format!("{status} at {at}"),
            other => format!("{} at {now}", other.kind()),
        }
    }
}

/// What others may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Synchronise the photos.
    Sync,
    /// Deliver what waits.
    Upload,
    /// Restart camera and recognition.
    Restart,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sync, Self::Upload, Self::Restart];

    /// Its name in the topic.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Upload => "upload",
            Self::Restart => "restart",
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Sync => ("Synchronise photos", "mdi:sync"),
            Self::Upload => ("Deliver rows", "mdi:upload"),
            Self::Restart => ("Restart recognition", "mdi:restart"),
        }
    }

    /// The command with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }
}

/// Why a command is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// `mqtt.commands` is off.
    #[error("mqtt.commands is off")]
    Off,
    /// There is no such command.
    #[error("there is no such command")]
    Unknown,
    /// The broker kept it: it would be carried out again at every connection.
    #[error("it was published as a retained message; publish it without \"retain\"")]
    Retained,
    /// Too soon after the last one of its kind.
    #[error("the same command was taken less than a minute ago")]
    TooSoon,
}

/// Lets each kind of command through once in [`BETWEEN_COMMANDS`].
#[derive(Debug, Default)]
pub struct Gatekeeper(BTreeMap<Command, Duration>);

impl Gatekeeper {
    /// Checks a command that came at `now`, a time since the start.
    ///
    /// # Errors
    /// [`CommandRefused`].
    pub fn admit(
        &mut self,
        allowed: bool,
        name: &str,
        retained: bool,
        now: Duration,
    ) -> Result<Command, CommandRefused> {
        if !allowed {
            return Err(CommandRefused::Off);
        }
        let command = Command::named(name).ok_or(CommandRefused::Unknown)?;
        if retained {
            return Err(CommandRefused::Retained);
        }
        if self.0.get(&command).is_some_and(|last| now.saturating_sub(*last) < BETWEEN_COMMANDS) {
            return Err(CommandRefused::TooSoon);
        }
        self.0.insert(command, now);
        Ok(command)
    }
}

/// Home Assistant's discovery of this device: topic and message; none where the prefix is empty.
pub fn discovery(
    config: &Mqtt,
    topics: &Topics,
    device: Device,
    door: &str,
    version: &str,
) -> Option<(String, String)> {
    if config.discovery.is_empty() {
        return None;
    }
    let mut components = Map::new();
    let mut add = |key: &str, platform: &str, name: &str, more: Value| {
        let mut component =
            json!({ "p": platform, "unique_id": format!("attendance_{device}_{key}"), "name": name });
        if let (Some(component), Value::Object(more)) = (component.as_object_mut(), more) {
            component.extend(more);
        }
        components.insert(key.to_owned(), component);
    };
    let value = |field: &str| format!("{{{{ value_json.{field} }}}}");
    let count = |field: &str, icon: &str| json!({ "value_template": value(field), "icon": icon, "state_class": "measurement" });
    let diagnostic = "diagnostic";
    add(
        "problem",
        "binary_sensor",
        "Problem",
        json!({ "device_class": "problem", "value_template": "{{ 'ON' if value_json.problem else 'OFF' }}" }),
    );
    add(
        "problem_text",
        "sensor",
        "Problem in words",
        json!({ "value_template": "{{ value_json.problem_text[:250] }}", "entity_category": diagnostic }),
    );
    add("in_today", "sensor", "IN today", count("in_today", "mdi:login"));
    add("out_today", "sensor", "OUT today", count("out_today", "mdi:logout"));
    add("waiting", "sensor", "Rows to deliver", count("waiting", "mdi:tray-full"));
    add("students", "sensor", "Students", count("students", "mdi:account-group"));
    add(
        "last_event",
        "sensor",
        "Last event",
        json!({ "value_template": value("last_event"), "icon": "mdi:history" }),
    );
    add(
        "temperature",
        "sensor",
        "Temperature",
        json!({
            "device_class": "temperature", "unit_of_measurement": "°C", "entity_category": diagnostic,
            "value_template": "{{ value_json.temperature | default(none) }}",
        }),
    );
    add(
        "event",
        "event",
        "Attendance",
        json!({ "state_topic": topics.of(device, "event"), "event_types": ["recorded", "stranger", "attack"] }),
    );
    if config.commands {
        for command in Command::ALL {
            let (name, icon) = command.words();
            let topic = topics.command(device, command.name());
            add(
                command.name(),
                "button",
                name,
                json!({ "command_topic": topic, "icon": icon, "entity_category": "config" }),
            );
        }
    }
    let message = json!({
        "dev": {
            "ids": [format!("attendance_{device}")], "name": door, "mdl": "Attendance appliance", "sw": version,
        },
        "o": { "name": "attendance", "sw": version },
        "cmps": components,
        "state_topic": topics.of(device, "state"),
        "availability_topic": topics.of(device, "availability"),
        "qos": 1,
    });
    Some((format!("{}/device/attendance_{device}/config", config.discovery), message.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DEVICE: Device = Device([1; 8]);

    fn discovered(config: &Mqtt) -> Value {
        let (topic, message) =
            discovery(config, &Topics::new("school"), DEVICE, "Main gate", "0.1.0").unwrap();
        assert_eq!(topic, "homeassistant/device/attendance_0101010101010101/config");
        serde_json::from_str(&message).unwrap()
    }

    #[test]
    fn the_discovery_has_what_home_assistant_asks_for() {
        let found = discovered(&Mqtt::default());
        assert!(found["dev"]["ids"].is_array() && found["o"]["name"].is_string());
        let components = found["cmps"].as_object().unwrap();
        for (key, component) in components {
            assert!(component["p"].is_string() && component["unique_id"].is_string(), "{key}");
        }
        for key in ["problem", "last_event", "in_today", "out_today", "waiting", "temperature", "event"] {
            assert!(components.contains_key(key), "{key}");
        }
        assert_eq!(found["availability_topic"], "attendance/school/device/0101010101010101/availability");
        let state = serde_json::to_value(State { temperature: Some(50.0), ..State::default() }).unwrap();
        for component in components.values() {
            let template = component["value_template"].as_str().unwrap_or("value_json.problem");
            let (_, field) = template.split_once("value_json.").unwrap();
            let field: String = field.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(state.get(&field).is_some(), "{field} is in no state message");
        }
    }

    #[test]
    fn buttons_are_there_only_with_commands() {
        assert!(!discovered(&Mqtt::default()).to_string().contains("button"));
        let with = discovered(&Mqtt { commands: true, ..Mqtt::default() });
        for command in Command::ALL {
            assert_eq!(with["cmps"][command.name()]["p"], "button");
        }
        let off = Mqtt { discovery: String::new(), ..Mqtt::default() };
        assert!(discovery(&off, &Topics::new("school"), DEVICE, "Main gate", "1").is_none());
    }

    #[test]
    fn an_event_names_the_student_only_with_rows() {
        let recorded = Happening::Recorded {
            roll: RollNumber::parse("2110001").unwrap(),
            status: "IN".to_owned(),
            at: "2026-11-30 07:51:42".to_owned(),
        };
        assert!(!recorded.message("Main gate", false).contains("2110001"));
        assert!(recorded.message("Main gate", true).contains("\"roll\":\"2110001\""));
        assert!(!recorded.in_short("").contains("2110001"));
    }

    #[test]
    fn commands_are_off_by_default_and_rate_limited() {
        let mut gate = Gatekeeper::default();
        let at = Duration::from_secs;
        assert_eq!(gate.admit(false, "sync", false, at(0)), Err(CommandRefused::Off));
        assert_eq!(gate.admit(true, "format", false, at(0)), Err(CommandRefused::Unknown));
        assert_eq!(gate.admit(true, "sync", true, at(0)), Err(CommandRefused::Retained));
        assert_eq!(gate.admit(true, "sync", false, at(0)), Ok(Command::Sync));
        assert_eq!(gate.admit(true, "sync", false, at(59)), Err(CommandRefused::TooSoon));
        assert_eq!(gate.admit(true, "upload", false, at(59)), Ok(Command::Upload));
        assert_eq!(gate.admit(true, "sync", false, at(60)), Ok(Command::Sync));
    }
}
