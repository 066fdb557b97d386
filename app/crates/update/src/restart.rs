//! Restarting the machine, surely.

use std::io;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// What the firmware takes for "start the other slot once" (Raspberry Pi documentation, "tryboot").
const TRYBOOT: &str = "0 tryboot";

/// For systemctl to hand the request over.
const HAND_OVER: Duration = Duration::from_secs(30);

/// For the services to stop; system.conf gives each 20 s. After it the machine is restarted without them.
const STOP: Duration = Duration::from_secs(90);

/// Restarts into the other slot, once. Returns only with an error: nothing has happened then.
///
/// # Errors
/// When systemd does not take the request.
pub async fn into_trial() -> io::Result<()> {
    systemctl(&["reboot", &format!("--reboot-argument={TRYBOOT}")]).await?;
    sleep(STOP).await;
    // The services do not stop; what matters is on disk.
    systemctl(&["reboot", "--force", &format!("--reboot-argument={TRYBOOT}")]).await?;
    sleep(STOP).await;
    Err(io::Error::other("the machine does not restart"))
}

/// Restarts into the committed system, by force if need be. Returns only when not even that works; the
/// hardware watchdog is what is left then.
pub async fn into_committed() {
    for words in [&["reboot"][..], &["reboot", "--force"], &["reboot", "--force", "--force"]] {
        match systemctl(words).await {
            Ok(()) => sleep(STOP).await,
            Err(error) => log::error!("systemctl {}: {error}", words.join(" ")),
        }
    }
}

async fn systemctl(words: &[&str]) -> io::Result<()> {
    let done =
        timeout(HAND_OVER, Command::new("systemctl").args(words).kill_on_drop(true).output()).await??;
    if done.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
}
