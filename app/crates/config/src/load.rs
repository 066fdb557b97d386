//! Reading and checking the configuration file.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::network::EapMethod;
use super::problems::problems;
use super::survey::{Wrong, survey};
use backend::config::Tls;
use backend::http::TlsPolicy;
use status::certificate;

/// Largest configuration file read. A full one has about 5 kB.
pub const MAX_BYTES: u64 = 256 * 1024;

/// The settings that were taken over from the card, and so checked strictly, by the version that ran then.
const TAKEN_OVER: &str = "/etc/attendance/attendance.toml";

/// Settings that an earlier version took over from the card with values that this one refuses.
const NARROWED: [&str; 6] = [
    "attendance.minimum_gap",
    "camera.frame_rate",
    "camera.slowest_frame_rate",
    "page.host_names",
    "page.password_hash",
    "recognition.votes",
];

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: std::io::Error,
    },
    /// The file is not one of ours.
    #[error("the configuration {} has more than {MAX_BYTES} bytes; it is not an attendance.toml", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There is no file.
    #[error(
        "there is no configuration: looked for {}. Make one with `attendance check-config --print-defaults > {}` \
         and edit it, or name another with --config FILE; on the appliance, put attendance.toml on the card's first \
         partition and start again",
        path.display(), path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Everything that is wrong in the file, with its place.
    #[error("{}", lines(.0))]
    Wrong(Vec<Wrong>),
    /// Files that the configuration names and that cannot be used; all of them at once.
    #[error("{}", .0.join("\n"))]
    Values(Vec<String>),
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// [`ConfigError`], with everything that is wrong and what is allowed. No message repeats a secret.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = read(path)?;
    match parse(&text) {
        Err(wrong) if path == Path::new(TAKEN_OVER) => {
            let (config, left_out) = parse_known(&text).ok_or(wrong)?;
            log::warn!(
                "settings of another version are left out, their defaults hold: {}",
                left_out.join(", ")
            );
            Ok(config)
        }
        parsed => parsed,
    }
}

/// The text of the file at `path`.
///
/// # Errors
/// [`ConfigError`] when there is no file, or what is there cannot be a configuration.
pub fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ConfigError::Missing { path: path.to_owned() },
        _ => ConfigError::Unreadable { path: path.to_owned(), source },
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// What a text says as far as it can be read, and everything that is wrong with it and with the files that it
/// names.
pub fn examine(text: &str) -> (Config, Vec<Wrong>) {
    let (config, mut wrong) = survey(text);
    let config = settled(config);
    if let Err(ConfigError::Values(files)) = check_files(&config) {
        let said = |what| Wrong { place: None, setting: None, what };
        wrong.extend(files.into_iter().map(said));
    }
    (config, wrong)
}

fn lines(wrong: &[Wrong]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The settings of a text that this version takes, and the names of those it does not: another version took
/// the file over, and a later one may have been left for this one. That must not close the door, and every
/// default is the careful choice. `None` when it is not that.
fn parse_known(text: &str) -> Option<(Config, Vec<String>)> {
    let mut known = toml::Table::new();
    let mut left_out = Vec::new();
    for (section, settings) in toml::from_str::<toml::Table>(text).ok()? {
        let toml::Value::Table(settings) = settings else {
            left_out.push(section);
            continue;
        };
        for (key, value) in settings {
            let alone = |value: &toml::Value| {
                let settings = toml::Table::from_iter([(key.clone(), value.clone())]);
                toml::Table::from_iter([(section.clone(), toml::Value::Table(settings))])
            };
            let name = format!("{section}.{key}");
            let narrowed = |config: &Config| NARROWED.contains(&&*name) && !problems(config).is_empty();
            match alone(&value).try_into::<Config>() {
                Ok(config) if !narrowed(&config) => {
                    let section = known.entry(section.clone()).or_insert_with(|| toml::Table::new().into());
                    section.as_table_mut()?.insert(key, value);
                }
                _ => left_out.push(name),
            }
        }
    }
    let config: Config = known.try_into().ok()?;
    problems(&config).is_empty().then(|| (settled(config), left_out))
}

/// The configuration with what its values depend on each other for.
fn settled(config: Config) -> Config {
    let tls = Tls { proxy: config.network.way(), ..config.tls };
    Config { photos: config.photos.settled(), tls, ..config }
}

/// Parses and checks configuration text.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let (config, wrong) = survey(text);
    if wrong.is_empty() { Ok(settled(config)) } else { Err(ConfigError::Wrong(wrong)) }
}

/// Checks the files that a configuration names: certificate authorities, and certificates with their keys for
/// the page and for 802.1X. The appliance starts without them, and not as the site meant it.
///
/// # Errors
/// [`ConfigError::Values`], with everything that is wrong.
pub fn check_files(config: &Config) -> Result<(), ConfigError> {
    let mut found = Vec::new();
    if let Err(wrong) = TlsPolicy::from_config(&config.tls) {
        found.push(wrong.to_string());
    }
    if let Some((certificate, key)) = config.page.certificate_file.as_ref().zip(config.page.key_file.as_ref())
        && let Err(wrong) = certificate::read(certificate, key)
    {
        found.push(format!("page.certificate_file: {wrong}"));
    }
    let network = &config.network;
    let authority = Tls { ca_file: network.eap_ca_file.clone(), ..Tls::default() };
    if let Err(wrong) = TlsPolicy::from_config(&authority) {
        found.push(wrong.to_string().replace("tls.ca_file", "network.eap_ca_file"));
    }
    let own = network.eap_certificate_file.as_ref().zip(network.eap_key_file.as_ref());
    // The key is for root alone: the service cannot look at it, the helper that saves settings does.
    let hidden = |key: &Path| {
        std::fs::File::open(key).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    };
    if let Some((certificate, key)) =
        own.filter(|(_, key)| network.eap_method == Some(EapMethod::Tls) && !hidden(key))
        && let Err(wrong) = certificate::read(certificate, key)
    {
        found.push(format!("network.eap_certificate_file: {wrong}"));
    }
    if let Err(wrong) = site::link::check_files(&config.mqtt) {
        found.push(wrong.to_string());
    }
    if found.is_empty() { Ok(()) } else { Err(ConfigError::Values(found)) }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
