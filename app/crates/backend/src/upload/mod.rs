//! Delivery: every row of every day to the backend's webhook, until it acknowledges it (backend-contract.md
//! §2).
//!
//! Rows go in the order in which they were recorded, in batches. The webhook answers for each row, and only
//! what it answers counts: created and duplicate rows are delivered, rows that it refuses for good wait for a
//! person, and everything else is sent again, forever. One row that breaks its whole batch is found by
//! halving and set aside, so that it holds up nobody else ([`plan`]).

pub mod answer;
mod body;
mod connection;
pub mod plan;
mod worker;

pub use connection::check as check_connection;
pub use worker::{DeliveryView, Report, RetryError, Uploader};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::config;
    use base::event::Bus;
    use base::moment::{ManualClock, SiteZone};
    use base::secret::SecretUrl;
    use journal::storage::disk::fake::FakeDisk;
    use journal::storage::{Delivery, Disk, Fate, Opened, open_on};

    #[tokio::test]
    async fn what_the_webhook_said_of_rows_that_are_gone_goes_too() {
        let disk = Arc::new(FakeDisk::default());
        let zone = SiteZone::named("UTC").unwrap();
        let opened = open_on(Arc::clone(&disk) as Arc<dyn Disk>, zone, |_| {}).unwrap();
        let Opened { mut deliveries, ledger, .. } = opened;
        let utc = datetime!(2025-01-15 09:00:00 UTC);
        // The first fills a file.
        for ids in [1..=6000, 6001..=6001] {
            let refused = |id| Delivery { id, utc, fate: Fate::Refused("x".repeat(200)) };
            deliveries.append(&ids.map(refused).collect::<Vec<_>>()).unwrap();
        }
        let webhook = config::Webhook {
            url: Some(SecretUrl::parse("http://127.0.0.1:1/hook").unwrap()),
            timeout: Duration::from_millis(500),
            ..config::Webhook::default()
        };
        let (ledger_here, deliveries) = (Arc::clone(&ledger), Arc::new(Mutex::new(deliveries)));
        let clock = Arc::new(ManualClock::at(utc, "boot-1"));
        let tls = config::Tls::default();
        let uploader = Uploader::new(&webhook, &tls, ledger_here, deliveries, clock, Bus::default()).unwrap();
        let upload = async || {
            uploader.once(Duration::from_secs(20)).await;
            disk.files().into_keys().collect::<Vec<_>>()
        };
        ledger.note_first_id(6000);
        assert_eq!(upload().await, ["deliveries-00000001.log", "deliveries-00000002.log"]);
        ledger.note_first_id(6001);
        assert_eq!(upload().await, ["deliveries-00000002.log"]);
    }
}
