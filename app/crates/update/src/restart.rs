//! Restarting the machine, surely.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// What the firmware takes for "start the other slot once" (Raspberry Pi documentation, "tryboot").
const TRYBOOT: &str = "0 tryboot";

/// For systemctl to hand the request over.
const HAND_OVER: Duration = Duration::from_secs(30);

/// For the services to stop; system.conf gives each 20 s. After it the machine is restarted without them.
const STOP: Duration = Duration::from_secs(90);

/// Where systemctl leaves the argument of the next restart, no matter who asks for the restart.
const ARGUMENT: &str = "/run/systemd/reboot-param";

/// Restarts into the other slot, once. Returns only with an error: nothing has happened then, and nothing is
/// left that would turn a later restart into a trial.
///
/// # Errors
/// When systemd does not take the request.
pub async fn into_trial() -> io::Result<()> {
    Machine::default().restart_on_trial().await
}

/// Restarts into the committed system, by force if need be. Returns only when not even that works; the
/// hardware watchdog is what is left then.
pub async fn into_committed() {
    Machine::default().restart_committed().await;
}

/// What restarts.
struct Machine {
    /// The program that asks systemd.
    systemctl: PathBuf,
    /// Where it leaves the argument.
    argument: PathBuf,
    /// For the services to stop.
    stop: Duration,
}

impl Default for Machine {
    fn default() -> Self {
        Self { systemctl: "systemctl".into(), argument: ARGUMENT.into(), stop: STOP }
    }
}

impl Machine {
    async fn restart_on_trial(&self) -> io::Result<()> {
        // systemctl writes the argument before it asks, and leaves it there when the answer is no.
        let _armed = Armed(&self.argument);
        let argument = format!("--reboot-argument={TRYBOOT}");
        self.systemctl(&["reboot", &argument]).await?;
        sleep(self.stop).await;
        // The services do not stop; what matters is on disk.
        self.systemctl(&["reboot", "--force", &argument]).await?;
        sleep(self.stop).await;
        Err(io::Error::other("the machine does not restart"))
    }

    async fn restart_committed(&self) {
        // A request for a trial that was cut off must not make one of this restart.
        drop(Armed(&self.argument));
        for words in [&["reboot"][..], &["reboot", "--force"], &["reboot", "--force", "--force"]] {
            match self.systemctl(words).await {
                Ok(()) => sleep(self.stop).await,
                Err(error) => log::error!("systemctl {}: {error}", words.join(" ")),
            }
        }
    }

    async fn systemctl(&self, words: &[&str]) -> io::Result<()> {
        let asked = Command::new(&self.systemctl).args(words).kill_on_drop(true).output();
        let done = timeout(HAND_OVER, asked).await??;
        if done.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
    }
}

/// The next restart may be one into the trial. Dropped, it is one into the committed system again.
struct Armed<'a>(&'a Path);

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        match std::fs::remove_file(self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::error!(
                    "the next restart may start the update on trial: cannot remove {}: {error}",
                    self.0.display()
                );
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A systemctl that leaves the argument as the real one does, and then runs `end`.
    fn machine(folder: &Path, end: &str) -> Machine {
        let (systemctl, argument) = (folder.join("systemctl"), folder.join("reboot-param"));
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *reboot-argument*) echo 0 tryboot > {} ;; esac\n{end}\n",
            argument.display()
        );
        std::fs::write(&systemctl, script).unwrap();
        std::fs::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).unwrap();
        Machine { systemctl, argument, stop: Duration::from_millis(10) }
    }

    #[tokio::test]
    async fn refused_restart_leaves_nothing_armed() {
        let folder = tempfile::tempdir().unwrap();
        let refusing = machine(folder.path(), "echo no >&2; exit 1");
        assert_eq!(refusing.restart_on_trial().await.unwrap_err().to_string(), "no");
        assert!(!refusing.argument.exists());
        // Taken, and nothing happens.
        let deaf = machine(folder.path(), "exit 0");
        assert!(deaf.restart_on_trial().await.is_err());
        assert!(!deaf.argument.exists());
        // Whoever waits for it gives up.
        let slow = machine(folder.path(), "exec sleep 10");
        assert!(timeout(Duration::from_millis(500), slow.restart_on_trial()).await.is_err());
        assert!(!slow.argument.exists());
    }

    #[tokio::test]
    async fn restart_into_the_committed_slot_is_no_trial() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path(), "exit 0");
        std::fs::write(&machine.argument, "0 tryboot").unwrap();
        machine.restart_committed().await;
        assert!(!machine.argument.exists());
    }
}
