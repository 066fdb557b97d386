//! `attendance check-connection`: do the photo server and the webhook answer, and do they take their keys?
//! Nothing is written, here or there: a corrected key is proven before a row waits for it.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use backend::{sync, upload};
use base::failure::Fault;
use config::Config;

/// Arguments of `check-connection`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    let answers = test(&config)?;
    let well = if arguments.json {
        super::print_json(&answers)?;
        answers.are_well()
    } else {
        answers.print()
    };
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the two servers answered; none where no URL is set.
#[derive(Serialize)]
pub(super) struct Answers {
    photos: Option<Answer>,
    webhook: Option<Answer>,
}

#[derive(Serialize)]
struct Answer {
    well: bool,
    message: String,
}

impl Answers {
    /// Whether all that are configured answered well.
    pub(super) fn are_well(&self) -> bool {
        [&self.photos, &self.webhook].into_iter().flatten().all(|answer| answer.well)
    }

    /// Prints them; whether all that are configured answered well.
    pub(super) fn print(&self) -> bool {
        for (what, answer) in [("Photos", &self.photos), ("Webhook", &self.webhook)] {
            match answer {
                Some(answer) if answer.well => println!("{what}: well: {}", answer.message),
                Some(answer) => println!("{what}: FAILED: {}", answer.message),
                None => println!("{what}: no URL is set"),
            }
        }
        self.are_well()
    }
}

impl From<Result<String, Fault>> for Answer {
    fn from(answered: Result<String, Fault>) -> Self {
        let well = answered.is_ok();
        Self { well, message: answered.unwrap_or_else(|fault| fault.to_string()) }
    }
}

/// Asks both.
pub(super) fn test(config: &Config) -> anyhow::Result<Answers> {
    let runtime = super::runtime()?;
    let photos = config.photos.url.as_ref().map(|_| runtime.block_on(sync::check_connection(&config.sync())));
    let webhook = config
        .webhook
        .url
        .as_ref()
        .map(|_| runtime.block_on(upload::check_connection(&config.webhook, &config.tls)));
    Ok(Answers { photos: photos.map(Answer::from), webhook: webhook.map(Answer::from) })
}
