//! What Raspberry Pi Imager puts on the card when its own dialog was filled in: `rpi-preseed.toml`, for
//! images whose list says `"init_format": "rpi-preseed"` (`scripts/imager-manifest`). The format is that of
//! Imager
//! 2.0.11. Pure.
//!
//! Each part becomes what the card's own file for it would be, so the same rules hold. What this device has
//! no use for is named and left out.

use toml::{Table, Value};

use super::card::{Accepted, CardError, Imager, WifiProfile};
use super::parts::{check_country, console_password, iwd_name, passphrase, ssh_keys};
use base::hexadecimal::hexadecimal;

/// Most settings that are named as left out.
const NAMED: usize = 12;
/// Longest name of a machine (RFC 1035).
const LONGEST_HOST: usize = 63;
/// Most bytes of a Wi-Fi network's name.
const LONGEST_NETWORK: usize = 32;

/// Reads the file.
///
/// # Errors
/// [`CardError`] when a value that this device needs cannot be used.
pub fn parse(text: &str) -> Result<Imager, CardError> {
    let file: Table = text
        .parse()
        .map_err(|_| CardError::Imager("is no TOML file; write the card again with Raspberry Pi Imager"))?;
    let mut reader = Reader { file, imager: Imager::default(), left_out: Vec::new() };
    // A later version may mean something else by the same words.
    if reader.text("", "config_version").is_some_and(|version| !version.starts_with("1.")) {
        return Err(CardError::Imager("is of a later version of Raspberry Pi Imager than this system knows"));
    }
    reader.system()?;
    reader.user()?;
    reader.ssh()?;
    reader.wifi()?;
    Ok(reader.done())
}

struct Reader {
    file: Table,
    imager: Imager,
    left_out: Vec<String>,
}

impl Reader {
    /// Takes a value out: what stays in the end was not used.
    fn take(&mut self, section: &str, key: &str) -> Option<Value> {
        if section.is_empty() {
            return self.file.remove(key);
        }
        self.file.get_mut(section)?.as_table_mut()?.remove(key)
    }

    fn text(&mut self, section: &str, key: &str) -> Option<String> {
        let value = self.take(section, key)?;
        value.as_str().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn flag(&mut self, section: &str, key: &str) -> bool {
        self.take(section, key).and_then(|value| value.as_bool()).unwrap_or(false)
    }

    fn remark(&mut self, text: impl Into<String>) {
        self.imager.remarks.push(text.into());
    }

    fn system(&mut self) -> Result<(), CardError> {
        if let Some(host) = self.text("system", "hostname") {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let host = host.to_ascii_lowercase();
            if host.len() > LONGEST_HOST
                || !host.bytes().all(plain)
                || host.starts_with('-')
                || host.ends_with('-')
            {
                return Err(CardError::Imager(
                    "system.hostname: a name has letters, digits and \"-\" only, at most 63",
                ));
            }
            self.imager.host = Some(host);
        }
        self.imager.time_zone = self.text("locale", "timezone");
        if let Some(zone) = &self.imager.time_zone
            && base::moment::SiteZone::named(zone).is_err()
        {
            return Err(CardError::Imager("locale.timezone is not a time zone of the IANA data base"));
        }
        Ok(())
    }

    fn user(&mut self) -> Result<(), CardError> {
        let (name, password) = (self.text("user", "name"), self.text("user", "password"));
        let is_hash = self.flag("user", "password_encrypted");
        match password {
            Some(hash) if is_hash => {
                self.imager.parts.push(console_password(&hash)?);
                if let Some(name) = name {
                    self.remark(format!(
                        "there is no account {name:?}: its password is that of root on the console"
                    ));
                }
            }
            Some(_) => self.remark("user.password is not a hash, and is not used"),
            None => {}
        }
        Ok(())
    }

    fn ssh(&mut self) -> Result<(), CardError> {
        let enabled = self.flag("ssh", "enabled");
        let with_password = self.flag("ssh", "password_authentication");
        let keys = self.take("ssh", "authorized_keys");
        let keys: Vec<String> = keys
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|key| Some(key.as_str()?.trim().to_owned()).filter(|key| !key.is_empty()))
            .collect();
        if enabled && !keys.is_empty() {
            self.imager.parts.push(ssh_keys(&keys.join("\n"))?);
        } else if enabled {
            self.remark("SSH stays off: it takes keys only, and the file has none");
        }
        if with_password {
            self.remark("SSH takes no password");
        }
        Ok(())
    }

    fn wifi(&mut self) -> Result<(), CardError> {
        let by_number = self.text("wlan", "ssid_hex").map(|digits| bytes(&digits));
        let ssid = match (self.take("wlan", "ssid"), by_number) {
            (Some(Value::String(name)), _) if !name.is_empty() => name.into_bytes(),
            (_, Some(Some(name))) => name,
            (_, Some(None)) => {
                return Err(CardError::Imager("wlan.ssid_hex has other characters than hexadecimal digits"));
            }
            _ => return Ok(()),
        };
        if ssid.len() > LONGEST_NETWORK {
            return Err(CardError::Imager("wlan.ssid: the network's name has more than 32 bytes"));
        }
        let stem = match std::str::from_utf8(&ssid) {
            Ok(name) => iwd_name(name),
            Err(_) => format!("={}", hexadecimal(&ssid)),
        };
        let password = self.take("wlan", "password").and_then(|value| value.as_str().map(str::to_owned));
        let is_key = self.flag("wlan", "password_encrypted");
        let hidden = if self.flag("wlan", "hidden") { "[Settings]\nHidden=true\n" } else { "" };
        let country = self.text("wlan", "country");
        let (kind, security) = match password.filter(|password| !password.is_empty()) {
            None => ("open", String::new()),
            Some(key) if is_key && bytes(&key).is_some_and(|key| key.len() == 32) => {
                ("psk", format!("[Security]\nPreSharedKey={}\n", key.to_ascii_lowercase()))
            }
            Some(_) if is_key => {
                return Err(CardError::Imager("wlan.password is not a key of 64 hexadecimal digits"));
            }
            Some(password) => {
                let wrong =
                    |_| CardError::Imager("wlan.password: a Wi-Fi password has 8 to 63 ASCII characters");
                ("psk", passphrase(&password).map_err(wrong)?)
            }
        };
        if let Some(country) = &country {
            let wrong =
                |_| CardError::Imager("wlan.country: a country has two capital letters, for example IN");
            check_country(country).map_err(wrong)?;
        }
        self.imager.parts.push(Accepted::Wifi(Some(WifiProfile {
            file: format!("{stem}.{kind}"),
            content: format!("{security}{hidden}"),
            country,
        })));
        Ok(())
    }

    fn done(mut self) -> Imager {
        for (section, value) in &self.file {
            match value.as_table() {
                Some(settings) => self.left_out.extend(settings.keys().map(|key| format!("{section}.{key}"))),
                None => self.left_out.push(section.clone()),
            }
        }
        if !self.left_out.is_empty() {
            let more = self.left_out.len().saturating_sub(NAMED);
            let shown = |name: &String| name.chars().filter(|c| !c.is_control()).take(60).collect::<String>();
            let named = self.left_out.iter().take(NAMED).map(shown).collect::<Vec<_>>().join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.imager
                .remarks
                .push(format!("not used, for this device has nothing of the kind: {named}{more}"));
        }
        self.imager
    }
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJvYm90cyBoYXZlIGZlZWxpbmdzIHRvbywgbWF5YmUh anna@desk";

    /// As Imager 2.0.11 writes it.
    fn whole() -> String {
        format!(
            "config_version = \"1.0\"\n\n[system]\nhostname = \"North-Gate\"\n\n[user]\nname = \"anna\"\npassword = \"$5$salt${}\"\n\
             password_encrypted = true\ngroups = [\"sudo\"]\n\n[ssh]\nenabled = true\npassword_authentication = false\nauthorized_keys = [\n  \
             \"{KEY}\",\n]\n\n[wlan]\nssid = \"School 2\"\npassword = \"{}\"\npassword_encrypted = true\nhidden = true\ncountry = \"IN\"\n\n\
             [locale]\nkeymap = \"us\"\ntimezone = \"Asia/Kolkata\"\n\n[interfaces]\ni2c = true\n",
            "x".repeat(43),
            "0123456789ABCDEF".repeat(4)
        )
    }

    #[test]
    fn dialog_becomes_what_the_cards_own_files_would_be() {
        let imager = parse(&whole()).unwrap();
        assert_eq!(imager.host.as_deref(), Some("north-gate"));
        assert_eq!(imager.time_zone.as_deref(), Some("Asia/Kolkata"));
        let [Accepted::ConsolePassword(hash), Accepted::SshKeys(keys), Accepted::Wifi(Some(wifi))] =
            &imager.parts[..]
        else {
            panic!("{:?}", imager.parts)
        };
        assert!(hash.starts_with("$5$") && keys == &format!("{KEY}\n"));
        assert_eq!((wifi.file.as_str(), wifi.country.as_deref()), ("School 2.psk", Some("IN")));
        assert_eq!(
            wifi.content,
            format!("[Security]\nPreSharedKey={}\n[Settings]\nHidden=true\n", "0123456789abcdef".repeat(4))
        );
        let remarks = imager.remarks.join("; ");
        for part in ["\"anna\"", "user.groups", "interfaces.i2c", "locale.keymap"] {
            assert!(remarks.contains(part), "{part} is missing in {remarks}");
        }
        assert!(!remarks.contains("$5$") && !remarks.contains("0123456789"));
    }

    #[test]
    fn each_part_may_be_missing() {
        let imager = parse("config_version = \"1.0\"\n[wlan]\nssid = \"guests\"\nhidden = false\n").unwrap();
        assert!(matches!(&imager.parts[..], [Accepted::Wifi(Some(wifi))] if wifi.file == "guests.open"));
        assert!(imager.host.is_none() && imager.remarks.is_empty());
        let imager = parse("[wlan]\nssid_hex = \"ff00fe\"\npassword = \"password1\"\n").unwrap();
        assert!(matches!(&imager.parts[..], [Accepted::Wifi(Some(wifi))]
            if wifi.file == "=ff00fe.psk" && wifi.content == "[Security]\nPassphrase=password1\n"));
        let imager = parse("[ssh]\nenabled = true\npassword_authentication = true\n").unwrap();
        assert!(imager.parts.is_empty() && imager.remarks.len() == 2, "{:?}", imager.remarks);
    }

    #[test]
    fn value_that_cannot_be_used_is_named() {
        for (text, words) in [
            ("[system]\nhostname = \"north gate\"\n", "system.hostname"),
            ("[locale]\ntimezone = \"Mars/Base\"\n", "locale.timezone"),
            ("[wlan]\nssid = \"a\"\npassword = \"short\"\n", "8 to 63"),
            ("[wlan]\nssid = \"a\"\npassword = \"xyz\"\npassword_encrypted = true\n", "64 hexadecimal"),
            ("[wlan]\nssid_hex = \"zz\"\n", "ssid_hex"),
            ("[wlan]\nssid = \"a\"\ncountry = \"India\"\n", "country"),
            ("[ssh]\nenabled = true\nauthorized_keys = [\"ssh-rsa x\"]\n", "key"),
            ("[user]\nname = \"a\"\npassword = \"plain\"\npassword_encrypted = true\n", "hash"),
            ("config_version = \"2.0\"\n", "later version"),
            ("#!/bin/bash\nset +e\n", "no TOML"),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains(words) && !told.contains("plain\""), "{text}: {told}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}", ssid in "\\PC{0,40}") {
            let _ = parse(&text);
            let _ = parse(&format!("[wlan]\nssid = {ssid:?}\n[system]\nhostname = {text:?}\n"));
        }
    }
}
