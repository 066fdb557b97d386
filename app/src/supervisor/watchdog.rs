//! systemd's watchdog, fed only while the frame path moves.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Tells systemd every third of its watchdog interval that the program is well, as long as `moving` says so.
/// Without a watchdog (a desk machine) this only waits for `stop`.
///
/// A program that hangs in the camera or in a model is then killed and restarted by systemd, and a
/// kernel that hangs is reset by the hardware watchdog behind it.
pub async fn pet_while(moving: impl Fn() -> bool + Send, stop: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return;
    };
    let mut tick = tokio::time::interval(interval.div_f64(3.0).max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        if moving() {
            if let Err(error) = sd_notify::notify(&[NotifyState::Watchdog]) {
                log::warn!("cannot reach systemd's watchdog: {error}");
            }
        } else {
            log::error!(
                "no frame was processed lately; the watchdog is not fed and will restart the program"
            );
        }
    }
}
