//! How the device has fared over a day: a few numbers every five minutes, kept in memory, and drawn as lines.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use view::{Source, View};

/// Time between two samples.
const PERIOD: Duration = Duration::from_secs(300);
/// A day of them.
const SAMPLES: usize = 288;

/// One sample of the device's state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// Local time, `YYYY-MM-DD HH:MM:SS`.
    pub(super) at: String,
    pub(super) frame_rate: f32,
    pub(super) temperature_c: Option<f32>,
    pub(super) storage_free: Option<u64>,
    pub(super) backlog: usize,
}

impl From<&View> for Sample {
    fn from(view: &View) -> Self {
        Self {
            at: view.now.clone(),
            frame_rate: view.camera.frame_rate,
            temperature_c: view.system.temperature_c,
            storage_free: view.system.storage_free,
            backlog: view.upload.backlog,
        }
    }
}

/// The samples of the last day, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History(Arc<Mutex<VecDeque<Sample>>>);

impl History {
    /// Looks at the device for as long as the server runs.
    pub(super) async fn sample(self, source: Arc<dyn Source>) {
        loop {
            self.add(Sample::from(&source.view()));
            tokio::time::sleep(PERIOD).await;
        }
    }

    fn add(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Today's rows, by the hour of their time stamp.
pub(super) fn rows_an_hour(view: &View) -> [f32; 24] {
    let mut hours = [0.0; 24];
    for row in view.today.rows.iter().filter(|row| !row.open) {
        let hour = row.timestamp.get(11..13).and_then(|hour| hour.parse::<usize>().ok());
        if let Some(count) = hour.and_then(|hour| hours.get_mut(hour)) {
            *count += 1.0;
        }
    }
    hours
}

/// The points of a line through these values in a box of so many units: the first at the left, the last at
/// the right, the largest on top. None where there are fewer than two.
pub(super) fn points(values: &[f32], width: f32, height: f32) -> Option<String> {
    let (least, most) = values
        .iter()
        .fold((f32::MAX, f32::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    let step = width / values.len().checked_sub(1).filter(|steps| *steps > 0)? as f32;
    // A value that never changes is a line in the middle.
    let place = |value: f32| if most > least { (most - value) / (most - least) } else { 0.5 };
    let point = |(n, value): (usize, &f32)| format!("{:.1},{:.1}", n as f32 * step, place(*value) * height);
    Some(values.iter().enumerate().map(point).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use view::Row;

    #[test]
    fn a_day_is_kept_and_no_more() {
        let history = History::default();
        for backlog in 0..SAMPLES + 5 {
            let mut view = View::default();
            view.upload.backlog = backlog;
            history.add(Sample::from(&view));
        }
        let samples = history.samples();
        assert_eq!((samples.len(), samples[0].backlog), (SAMPLES, 5));
    }

    #[test]
    fn lines_go_from_left_to_right_and_up_with_the_value() {
        assert_eq!(points(&[0.0, 5.0, 10.0], 100.0, 20.0).as_deref(), Some("0.0,20.0 50.0,10.0 100.0,0.0"));
        assert_eq!(points(&[3.0, 3.0], 100.0, 20.0).as_deref(), Some("0.0,10.0 100.0,10.0"));
        assert!(points(&[3.0], 100.0, 20.0).is_none() && points(&[], 100.0, 20.0).is_none());
    }

    #[test]
    fn rows_count_in_their_hour() {
        let row = |timestamp: &str| Row { timestamp: timestamp.to_owned(), ..Row::default() };
        let mut view = View::default();
        view.today.rows =
            ["2026-11-29 08:01:00", "2026-11-29 08:59:59", "2026-11-29 23:00:00", "?"].map(row).to_vec();
        let hours = rows_an_hour(&view);
        assert_eq!((hours[8], hours[23], hours.iter().sum::<f32>()), (2.0, 1.0, 3.0));
    }
}
