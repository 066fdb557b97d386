//! The keys of a school's messages: what stands for roll numbers, and the authentication codes. Pure.

use std::sync::Arc;

use base::identity::RollNumber;
use base::secret::Secret;
use ring::hmac;

use crate::book::Student;

/// Bytes of the authentication code at the end of a message.
pub(crate) const CODE: usize = 32;

/// The keys that follow from `mqtt.site_key`.
#[derive(Clone)]
pub struct Keys {
    rolls: hmac::Key,
    /// The bytes of `rolls`.
    of_rolls: [u8; 32],
    codes: hmac::Key,
    site: Arc<str>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys of {:?}", self.site)
    }
}

impl Keys {
    /// The keys of a school.
    pub fn new(site: &str, site_key: &Secret) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, site_key.expose().as_bytes());
        let tag = |purpose: &str| hmac::sign(&master, format!("attendance {purpose} of {site}").as_bytes());
        let derived = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, tag(purpose).as_ref());
        let mut of_rolls = [0; 32];
        of_rolls.copy_from_slice(tag("roll numbers").as_ref());
        let (rolls, codes) = (derived("roll numbers"), derived("messages"));
        Self { rolls, of_rolls, codes, site: site.into() }
    }

    /// What stands for a roll number in messages.
    pub fn student(&self, roll: &RollNumber) -> Student {
        let mut short = [0; 16];
        short.copy_from_slice(&hmac::sign(&self.rolls, roll.as_str().as_bytes()).as_ref()[..16]);
        Student(short)
    }

    /// The key of the hashes that stand for roll numbers, for [`crate::erasure`].
    pub(crate) fn of_rolls(&self) -> [u8; 32] {
        self.of_rolls
    }

    fn context(&self) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.codes);
        context.update(&(self.site.len() as u64).to_be_bytes());
        context.update(self.site.as_bytes());
        context
    }

    pub(crate) fn close(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let mut context = self.context();
        context.update(&bytes);
        bytes.extend_from_slice(context.sign().as_ref());
        bytes
    }

    /// Whether the code at the end of `message` is right.
    pub(crate) fn verify(&self, message: &[u8]) -> bool {
        let (content, code) = message.split_at(message.len() - CODE);
        let mut whole = Vec::with_capacity(8 + self.site.len() + content.len());
        whole.extend_from_slice(&(self.site.len() as u64).to_be_bytes());
        whole.extend_from_slice(self.site.as_bytes());
        whole.extend_from_slice(content);
        hmac::verify(&self.codes, &whole, code).is_ok()
    }
}
