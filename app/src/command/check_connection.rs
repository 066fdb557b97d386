//! `attendance check-connection`: do the photo server and the webhook answer, and do they take their keys?
//! Nothing is written, here or there: a corrected key is proven before a row waits for it.

use std::path::Path;
use std::process::ExitCode;

use crate::config::Config;
use backend::{sync, upload};
use base::failure::Fault;

pub(super) fn execute(path: &Path) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    Ok(if test(&config)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks both and prints what they answered; whether all that are configured answered well.
pub(super) fn test(config: &Config) -> anyhow::Result<bool> {
    let runtime = super::runtime()?;
    let photos = config.photos.url.as_ref().map(|_| runtime.block_on(sync::check_connection(&config.sync())));
    let rows = config
        .webhook
        .url
        .as_ref()
        .map(|_| runtime.block_on(upload::check_connection(&config.webhook, &config.tls)));
    print!("{}{}", line("Photos", photos.as_ref()), line("Webhook", rows.as_ref()));
    Ok([photos, rows].iter().flatten().all(Result::is_ok))
}

fn line(what: &str, answered: Option<&Result<String, Fault>>) -> String {
    match answered {
        Some(Ok(answer)) => format!("{what}: well: {answer}\n"),
        Some(Err(fault)) => format!("{what}: FAILED: {fault}\n"),
        None => format!("{what}: no URL is set\n"),
    }
}
