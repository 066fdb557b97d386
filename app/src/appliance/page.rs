//! The technician's page as a worker: a port that is taken or a certificate that is wrong must not keep the
//! door shut.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::self_report::{PagePlace, Place};
use base::event::Bus;
use base::failure::Failure;
use config::Config;
use status::console;
use status::limits::Limits;
use update::inbox::MAX_BUNDLE;
use view::{Control, Source};

/// What the page needs.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) config: Arc<Config>,
    pub(super) source: Arc<dyn Source>,
    pub(super) control: Arc<dyn Control>,
    pub(super) bus: Bus,
    /// Told where the page answers, while it does.
    pub(super) place: PagePlace,
}

impl Page {
    /// Serves the page until `stop`; tells the console where it is and what to compare.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let place = Arc::clone(&self.place);
        let configured = self.config.page.password_hash.is_some();
        let serving = tokio::task::spawn_blocking(move || {
            let Self { config, source, control, bus, .. } = self;
            let limits = Limits { bundle_bytes: MAX_BUNDLE, ..Limits::default() };
            status::start(&config.page, &config.site.data_dir, source, control, bus, limits)
        });
        let mut running = serving.await.map_err(Failure::restart)?.map_err(Failure::restart)?;
        let password = running.first_password();
        console::show(running.address(), &running.identity(), password.as_ref());
        place.store(Some(Arc::new(Place::of(&running))));
        if configured {
            console::forget_password();
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = running.first_password_used() => {
                console::forget_password();
                stop.cancelled().await;
            }
        }
        place.store(None);
        tokio::task::spawn_blocking(move || running.stop()).await.map_err(Failure::restart)
    }
}
