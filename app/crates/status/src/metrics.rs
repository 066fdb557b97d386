//! `/metrics`: the numbers of the view in Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use time::OffsetDateTime;

use base::event::WorkerState;
use view::{Level, Problem, RowStatus, View};

/// The content type Prometheus expects.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics. Values that are not known are left out rather than guessed.
pub(super) fn text(
    view: &View,
    problems: &[Problem],
    healthy: bool,
    certificate_expires: OffsetDateTime,
) -> String {
    let mut out = Metrics(String::with_capacity(4096));
    let today = |status: RowStatus| view.today.rows.iter().filter(|row| row.status == status).count();
    let at_level = |level| problems.iter().filter(|problem| problem.level == level).count();

    out.gauge("healthy", "1 when the machine does its work.", Some(u8::from(healthy)));
    out.labelled(
        "problems",
        "Problems, by how bad they are.",
        "level",
        [("attention", at_level(Level::Attention)), ("broken", at_level(Level::Broken))],
    );
    out.gauge("uptime_seconds", "Time the program runs.", Some(view.system.uptime_s));
    out.labelled(
        "worker_running",
        "1 for each worker that runs.",
        "worker",
        view.workers.iter().map(|w| (w.name.as_str(), usize::from(w.state == WorkerState::Running))),
    );
    out.labelled(
        "worker_restarts",
        "Restarts of each worker since the start.",
        "worker",
        view.workers.iter().map(|w| (w.name.as_str(), w.restarts as usize)),
    );
    out.gauge("camera_frames_per_second", "Frames recognised a second.", Some(view.camera.frame_rate));
    out.gauge(
        "camera_latency_seconds",
        "Time from exposure to the end of recognition, of the last frame that was looked at.",
        Some(view.camera.latency_ms / 1000.0),
    );
    out.counter("camera_frames_total", "Frames recognised.", view.camera.frames);
    out.counter("camera_frames_dropped_total", "Frames dropped for a newer one.", view.camera.dropped);
    out.gauge("camera_last_frame_age_seconds", "Age of the newest frame.", view.camera.last_frame_age_s);
    out.labelled(
        "attendance_rows_today",
        "Today's rows.",
        "status",
        [RowStatus::In, RowStatus::Out].map(|status| (status.as_str(), today(status))),
    );
    out.counter("recognitions_lost_total", "Recognitions that became no row.", view.today.lost);
    out.gauge("upload_backlog_rows", "Rows that wait for delivery.", Some(view.upload.backlog));
    out.gauge("upload_refused_rows", "Rows that need a person.", Some(view.upload.needs_person.len()));
    out.gauge("upload_failing", "1 while deliveries fail.", Some(u8::from(view.upload.error.is_some())));
    out.gauge("sync_failing", "1 while synchronisations fail.", Some(u8::from(view.sync.error.is_some())));
    out.labelled(
        "runs_on_memory",
        "1 while the data partition's content lies in memory, by the state of the card.",
        "state",
        view.on_memory.iter().map(|on_memory| (on_memory.state.name(), 1)),
    );
    out.labelled(
        "card_encryption",
        "1 for the state of the card's encryption.",
        "state",
        view.card.iter().map(|card| (card.name(), 1)),
    );
    out.labelled(
        "plain_http",
        "1 for each setting whose address is asked without encryption.",
        "setting",
        view.plain_http.iter().map(|setting| (setting.as_str(), 1)),
    );
    if let Some(school) = &view.school {
        out.gauge(
            "mqtt_connected",
            "1 while the MQTT broker is connected.",
            Some(u8::from(school.connected)),
        );
        out.gauge(
            "mqtt_doors",
            "Doors heard in the last three minutes, this one included.",
            Some(school.doors),
        );
        out.counter("mqtt_published_total", "MQTT messages published.", school.published);
        out.counter("mqtt_received_total", "MQTT messages received.", school.received);
        out.counter("mqtt_refused_total", "MQTT messages refused or not believed.", school.refused);
    }
    out.gauge(
        "update_rolled_back",
        "1 after the last update was rolled back, until somebody acknowledges it.",
        view.update.systems.as_ref().map(|systems| u8::from(systems.needs_acknowledgement)),
    );
    out.gauge("roster_students", "Students that can be recognised.", Some(view.roster.students));
    out.gauge("roster_photos", "Photos they were enrolled from.", Some(view.roster.photos));
    out.gauge("roster_photos_refused", "Photos that did not enrol.", Some(view.roster.refused.len()));
    out.gauge(
        "clock_trusted",
        "1 when the clock is known to be right.",
        Some(u8::from(view.system.clock_trusted)),
    );
    out.gauge("storage_free_bytes", "Free bytes of the data partition.", view.system.storage_free);
    out.gauge("storage_bytes", "Bytes of the data partition.", view.system.storage_total);
    out.gauge("memory_available_bytes", "Memory that can be had.", view.system.memory_free);
    out.gauge("memory_bytes", "All memory.", view.system.memory_total);
    out.gauge("temperature_celsius", "Temperature of the processor.", view.system.temperature_c);
    out.gauge(
        "certificate_expiry_timestamp_seconds",
        "When the page's certificate ends.",
        Some(certificate_expires.unix_timestamp()),
    );
    out.labelled("info", "The program's version.", "version", [(view.system.version.as_str(), 1)]);
    out.0
}

struct Metrics(String);

impl Metrics {
    fn gauge(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.head(name, help, "gauge");
            let _ = writeln!(self.0, "attendance_{name} {value}");
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        let _ = writeln!(self.0, "attendance_{name} {value}");
    }

    fn labelled<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, usize)>,
    ) {
        self.head(name, help, "gauge");
        for (of, value) in values {
            let of = of.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = writeln!(self.0, "attendance_{name}{{{label}=\"{of}\"}} {value}");
        }
    }

    // Writing to a String cannot fail.
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.0, "# HELP attendance_{name} {help}\n# TYPE attendance_{name} {kind}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use view::card::Card;
    use view::on_memory::OnMemory;
    use view::{System, Worker};

    #[test]
    fn every_line_is_of_the_format_and_labels_are_escaped() {
        let view = View {
            system: System {
                version: "1.0\"\n\\".to_owned(),
                temperature_c: Some(51.5),
                ..System::default()
            },
            workers: vec![Worker {
                name: "sync".to_owned(),
                state: WorkerState::Running,
                ..Worker::default()
            }],
            on_memory: Some(OnMemory::parse("state=unreadable\ncopy=part\noriginal=gone\n")),
            card: Some(Card::parse("state=plain\n")),
            plain_http: vec!["photos.url".to_owned()],
            ..View::default()
        };
        let text = text(&view, &[], true, OffsetDateTime::UNIX_EPOCH);
        assert!(text.contains("\nattendance_temperature_celsius 51.5\n"));
        assert!(text.contains("attendance_worker_running{worker=\"sync\"} 1\n"));
        assert!(text.contains("attendance_info{version=\"1.0\\\"\\n\\\\\"} 1\n"));
        assert!(text.contains("attendance_plain_http{setting=\"photos.url\"} 1\n"));
        assert!(text.contains("attendance_card_encryption{state=\"plain\"} 1\n"));
        assert!(text.contains("attendance_runs_on_memory{state=\"unreadable\"} 1\n"));
        assert!(!text.contains("storage"), "what is not known is left out");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap_or_default();
            assert!(name.starts_with("attendance_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
