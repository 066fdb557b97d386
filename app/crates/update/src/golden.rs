//! Every network of this system against its golden answers, without the service.

use std::path::Path;

use candle_core::Device;
use candle_nn::VarBuilder;
use models::Role;
use models::blazeface::{BlazeFace, Range};
use models::face_mesh::FaceMesh;
use models::iris::Iris;
use models::minifas::{MiniFas, Variant};
use models::mobilefacenet::MobileFaceNet;
use models::selftest::SelfTest;
use models::sface::Sface;
use models::store::Store;
use models::yunet::YuNet;

/// Loads each network whose file is in `folder`, checks the file's hash and the network's answers.
///
/// # Errors
/// What is wrong with the first that is not as it must be; also when an embedder is missing, without which
/// nobody is recognised.
pub fn models(folder: &Path) -> Result<(), String> {
    let store = Store::open(folder).map_err(|error| error.to_string())?;
    // A site may choose either, or both.
    for (role, name) in [(Role::EmbedderSface, "SFace"), (Role::Embedder, "MobileFaceNet")] {
        if !store.has(role) {
            return Err(format!("there is no embedder ({name}) in {}", folder.display()));
        }
    }
    for role in Role::ALL.into_iter().filter(|role| store.has(*role)) {
        let weights = models::store::load(&store, role, &Device::Cpu).map_err(|error| error.to_string())?;
        let mut network = load(role, weights).map_err(|error| format!("{role} cannot be loaded: {error}"))?;
        network.self_test().map_err(|failure| failure.to_string())?;
    }
    Ok(())
}

/// The network of a role. YuNet's two files hold the same weights, and the golden answer is for 320×320.
fn load(role: Role, weights: VarBuilder<'static>) -> candle_core::Result<Box<dyn SelfTest>> {
    Ok(match role {
        Role::FaceDetectorShortRange => Box::new(BlazeFace::load(Range::Short, weights)?),
        Role::FaceDetectorFullRange => Box::new(BlazeFace::load(Range::Full, weights)?),
        Role::FaceMesh => Box::new(FaceMesh::load(weights)?),
        Role::Iris => Box::new(Iris::load(weights)?),
        Role::Embedder => Box::new(MobileFaceNet::load(weights)?),
        Role::EmbedderSface | Role::EmbedderSfaceFp32 => Box::new(Sface::load(weights)?),
        Role::AntispoofV2 => Box::new(MiniFas::load(Variant::V2, weights)?),
        Role::AntispoofV1Se => Box::new(MiniFas::load(Variant::V1Se, weights)?),
        Role::Antispoof128 => Box::new(MiniFas::load(Variant::Se128, weights)?),
        Role::DetectorYunet320 | Role::DetectorYunet640 => Box::new(YuNet::load(320, 320, weights)?),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_model_gives_its_golden_answer() {
        match Store::open(Store::default_dir()) {
            Ok(store) if store.has(Role::EmbedderSface) => models(store.dir()).unwrap(),
            _ => skipped::skipped("the weight files (fetch_models)"),
        }
    }

    #[test]
    fn missing_models_fail() {
        let folder = tempfile::tempdir().unwrap();
        assert!(models(folder.path()).unwrap_err().contains("embedder"));
        assert!(models(&folder.path().join("none")).is_err());
    }
}
