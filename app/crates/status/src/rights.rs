//! The one table of the least role that every address needs.

use super::routes::Endpoint;
use access::role::Role;

/// What the configuration says about rights.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rights {
    /// Whether the role `office` sees the live picture and the screen at the door.
    pub(super) office_sees_picture: bool,
}

impl Rights {
    /// The least role for an endpoint; it counts for log-ins, and for tokens that name a role.
    pub(super) fn least(self, endpoint: Endpoint) -> Role {
        match endpoint {
            // Open to everybody: see `routes::Access::Open`.
            Endpoint::Health | Endpoint::LogInPage | Endpoint::LogIn => Role::Viewer,
            Endpoint::LogOut
            | Endpoint::Root
            | Endpoint::Script
            | Endpoint::Icon
            | Endpoint::Status
            | Endpoint::Today
            | Endpoint::Day
            | Endpoint::DayCsv
            | Endpoint::SystemHealth
            | Endpoint::Metrics
            | Endpoint::Events
            | Endpoint::Docs
            | Endpoint::OpenApi => Role::Viewer,
            Endpoint::Range | Endpoint::Sheet | Endpoint::StudentPage | Endpoint::Licences => Role::Viewer,
            // The page's buttons: each needs the role of the address that does the same.
            Endpoint::Act => Role::Viewer,
            Endpoint::Roster
            | Endpoint::PhotosPage
            | Endpoint::TakeStudents
            | Endpoint::Erasures
            | Endpoint::EraseStudent
            | Endpoint::LiftErasure
            | Endpoint::EnrolPage
            | Endpoint::EnrolPicture
            | Endpoint::Enrol
            | Endpoint::DevicePage
            | Endpoint::Evidence
            | Endpoint::Sync
            | Endpoint::ConfirmRemoval
            | Endpoint::Upload
            | Endpoint::Retry
            | Endpoint::RetryAll
            | Endpoint::Dismiss
            | Endpoint::AddRow
            | Endpoint::ChangeRow
            | Endpoint::VoidRow
            | Endpoint::PlaceRow
            | Endpoint::CloseDay => Role::Office,
            Endpoint::Preview | Endpoint::DoorPage | Endpoint::DoorPicture if self.office_sees_picture => {
                Role::Office
            }
            Endpoint::Preview
            | Endpoint::DoorPage
            | Endpoint::DoorPicture
            | Endpoint::Logs
            | Endpoint::Diagnostics
            | Endpoint::ConfirmTime
            | Endpoint::TestPhotos
            | Endpoint::TestWebhook
            | Endpoint::Restart
            | Endpoint::ReceiveUpdate
            | Endpoint::InstallUpdate
            | Endpoint::TryUpdate
            | Endpoint::AcknowledgeUpdate
            | Endpoint::CheckUpdates
            | Endpoint::GoBack
            | Endpoint::Settings
            | Endpoint::ReviewSettings
            | Endpoint::SaveSettings
            | Endpoint::PutBackSettings
            | Endpoint::KeepSettings
            | Endpoint::Accounts
            | Endpoint::ChangeAccounts
            | Endpoint::ArchivePage
            | Endpoint::Export
            | Endpoint::Import
            | Endpoint::FactoryReset
            | Endpoint::RecoveryKeyWritten => Role::Technician,
        }
    }
}

/// The address that does the same as a button of the page; none where there is no such button.
pub(super) fn of_button(kind: &str) -> Option<Endpoint> {
    Some(match kind {
        "sync" => Endpoint::Sync,
        "upload" => Endpoint::Upload,
        "test-photos" => Endpoint::TestPhotos,
        "test-webhook" => Endpoint::TestWebhook,
        "restart" => Endpoint::Restart,
        "confirm-removal" => Endpoint::ConfirmRemoval,
        "confirm-time" => Endpoint::ConfirmTime,
        "retry" => Endpoint::Retry,
        "retry-all" => Endpoint::RetryAll,
        "dismiss" => Endpoint::Dismiss,
        "install" => Endpoint::InstallUpdate,
        "try-update" => Endpoint::TryUpdate,
        "acknowledge-update" => Endpoint::AcknowledgeUpdate,
        "check-updates" => Endpoint::CheckUpdates,
        "go-back" => Endpoint::GoBack,
        "close-day" => Endpoint::CloseDay,
        "remove-students" => Endpoint::TakeStudents,
        "accept-photo" | "watch-photo" => Endpoint::PhotosPage,
        _ => return None,
    })
}
