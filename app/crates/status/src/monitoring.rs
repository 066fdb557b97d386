//! The alert rules and the dashboard in `monitoring/` ask only for metrics that a door has, and the rules
//! fire as they should.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use time::OffsetDateTime;

use crate::metrics;
use view::systems::{Signers, Slot, SlotView, Systems};
use view::{School, System, Update, View, Worker};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../monitoring")
}

fn file(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// Every metric of a door on a card, with everything known.
fn all() -> BTreeSet<String> {
    let systems = Systems {
        slot: Slot::A,
        on_trial: false,
        committed: Slot::A,
        a: SlotView::default(),
        b: SlotView::default(),
        waits_for_trial: None,
        attempt: None,
        installed: None,
        last: None,
        sentence: None,
        needs_acknowledgement: true,
        not_wanted: Vec::new(),
        signers: Signers::Own,
        eeprom: String::new(),
    };
    let view = View {
        system: System {
            temperature_c: Some(50.0),
            storage_free: Some(1),
            storage_total: Some(2),
            memory_free: Some(1),
            memory_total: Some(2),
            ..System::default()
        },
        update: Update { systems: Some(systems), ..Update::default() },
        school: Some(School::default()),
        workers: vec![Worker { name: "upload".to_owned(), ..Worker::default() }],
        ..View::default()
    };
    let text = metrics::text(&view, &[], true, OffsetDateTime::UNIX_EPOCH);
    assert!(text.contains("attendance_update_rolled_back 1\n"), "{text}");
    names(&text)
}

/// The metrics that a text names.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("attendance_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_exist() {
    let all = all();
    for name in ["alerts.yml", "alerts-test.yml", "grafana-dashboard.json"] {
        let named = names(&file(name));
        let missing: Vec<_> = named.difference(&all).collect();
        assert!(!named.is_empty() && missing.is_empty(), "{name} names {missing:?}");
    }
}

#[test]
fn the_dashboard_has_a_question_in_each_panel() {
    let dashboard: serde_json::Value = serde_json::from_str(&file("grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one id");
        assert!(!panel["targets"][0]["expr"].as_str().unwrap().is_empty());
    }
    assert!(panels.len() > 10);
}

#[test]
fn promtool_accepts_the_rules_and_each_fault_fires_one_alert() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts-test.yml"]] {
        let Ok(said) = Command::new("promtool").args(arguments).current_dir(folder()).output() else {
            return skipped::skipped("promtool, of the package prometheus; scripts/test installs it");
        };
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
}
