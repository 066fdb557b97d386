//! The models behind recognition, loaded once for a thread.

use std::path::Path;

use image::RgbImage;
use models::Role;
use models::face_mesh::FaceMesh;
use models::store::Store;

use crate::config;
use crate::naming::likeness::Likeness;
use crate::naming::threshold::Calibration;
use faces::align::Aligned;
use faces::embedder;
use faces::embedder::Embedder;
use faces::embedder::EmbedderChoice;
use faces::enrolment;
use faces::enrolment::{Content, EnrolRefusal, Enrolment, Inspection};
use faces::error::EngineError;
use faces::finder::Finder;
use faces::landmarks::Landmarks;
use faces::quality::Quality;
use faces::upright;
use faces::upright::Turn;
use liveness::Checker;
use vision::embedding::Embedding;
use vision::face::Face;

/// Changes whenever detection, alignment, cropping or what enrols change in a way that moves embeddings; part
/// of [`Engine::model_hash`].
const METHOD: &str = "mesh-aligned-3";

/// What it was before.
const EARLIER_METHOD: &str = "mesh-aligned-2";

/// Names everything that an embedding of this embedder depends on, with the weights of `store`. The detector
/// is not part of it: whoever finds the face, the mesh aligns it. Weights that are not there have no hash,
/// and no embedding either.
pub fn model_hash(store: &Store, embedder: EmbedderChoice) -> String {
    hash_of_method(METHOD, store, embedder)
}

/// The same of the version before: its embeddings are in use until the present ones are whole.
pub fn earlier_model_hash(store: &Store, embedder: EmbedderChoice) -> String {
    hash_of_method(EARLIER_METHOD, store, embedder)
}

fn hash_of_method(method: &str, store: &Store, embedder: EmbedderChoice) -> String {
    let hash_of = |role: &Role| store.hash(*role).map_or("none".to_owned(), |hash| hash.to_string());
    let roles = [&[Role::FaceMesh], embedder.roles()].concat();
    [method.to_owned()].into_iter().chain(roles.iter().map(hash_of)).collect::<Vec<_>>().join(":")
}

/// The detector, the mesh and the embedder, with their buffers. One for each thread that recognises or
/// enrols.
pub struct Engine {
    finder: Finder,
    pub(super) mesh: FaceMesh,
    pub(super) embedder: Box<dyn Embedder>,
    choice: EmbedderChoice,
    pub(super) aligned: Aligned,
    store: Store,
    hash: String,
    likeness: Likeness,
    calibration: Calibration,
}

impl Engine {
    /// Loads what the configuration chooses from the folder of weights.
    ///
    /// # Errors
    /// [`EngineError::Load`] names the model and what to do.
    pub fn load(models_dir: &Path, config: &config::Recognition) -> Result<Self, EngineError> {
        let store = Store::open(models_dir).map_err(|error| EngineError::store("store", &error))?;
        let calibration = calibration(config.embedder)?;
        Ok(Self {
            finder: Finder::of_store(store.clone(), config.detector)?,
            mesh: EngineError::load(&store, Role::FaceMesh, FaceMesh::load)?,
            embedder: embedder::load(config.embedder, &store)?,
            choice: config.embedder,
            aligned: Aligned::default(),
            hash: model_hash(&store, config.embedder),
            store,
            likeness: Likeness::of(&calibration),
            calibration,
        })
    }

    /// Names everything that an embedding depends on: cached embeddings of another hash are made again.
    pub fn model_hash(&self) -> &str {
        &self.hash
    }

    /// The embedder in use.
    pub fn embedder(&self) -> EmbedderChoice {
        self.choice
    }

    /// Uses another embedder from now on, which costs the time of loading it; nothing where it is in use
    /// already.
    ///
    /// # Errors
    /// [`EngineError::Load`] when its weights cannot be had; the one in use then stays.
    pub fn use_embedder(&mut self, choice: EmbedderChoice) -> Result<(), EngineError> {
        if choice != self.choice {
            let calibration = calibration(choice)?;
            self.embedder = embedder::load(choice, &self.store)?;
            (self.likeness, self.calibration) = (Likeness::of(&calibration), calibration);
            self.choice = choice;
            self.hash = model_hash(&self.store, choice);
        }
        Ok(())
    }

    /// Names the detectors that look at a photo; see [`Finder::detectors`].
    pub fn detectors(&self) -> String {
        self.finder.detectors()
    }

    /// The models of liveness, from where this engine's weights came.
    ///
    /// # Errors
    /// [`EngineError::Load`] when weights that the site's rule needs are missing or damaged.
    pub fn liveness(&self, config: &liveness::config::Liveness) -> Result<Checker, EngineError> {
        Checker::load(&self.store, config)
    }

    /// Finds all faces with the site's detector, the largest first.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    pub fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        self.finder.find(picture)
    }

    /// Looks at a photo and makes the embedding of the one person in it. A photo that lies on its side or
    /// stands on its head is turned upright first.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a model fails: that says nothing about the photo.
    pub fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
        let upright = self.turn_upright(photo)?.apply(photo);
        let faces = self.finder.find_thoroughly(&upright)?;
        let content = Content::of(&upright, &faces);
        let outcome = self.enrol_one_of(&upright, &faces)?;
        Ok(Inspection { content, outcome })
    }

    /// By how much a photo is to be turned so that the face in it is upright.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a model fails.
    pub fn turn_upright(&mut self, photo: &RgbImage) -> Result<Turn, EngineError> {
        let small = upright::small(photo);
        let mut evidence = [0.0; 4];
        for (turn, evidence) in Turn::ALL.into_iter().zip(&mut evidence) {
            let turned = turn.apply(&small);
            let faces = self.finder.find_thoroughly(&turned)?;
            let Some(face) = enrolment::subject(&faces, turned.dimensions()) else { continue };
            if let Some((landmarks, _)) = self.look(&turned, face)? {
                let (similarities, _) = self.self_check(&turned, face)?;
                *evidence = upright::evidence(face, &landmarks, &similarities);
            }
            if turn == Turn::None && *evidence >= upright::CERTAIN {
                return Ok(turn);
            }
        }
        Ok(upright::best(evidence))
    }

    fn enrol_one_of(
        &mut self,
        photo: &RgbImage,
        faces: &[Face],
    ) -> Result<Result<Enrolment, EnrolRefusal>, EngineError> {
        let size = photo.dimensions();
        let Some(face) = enrolment::subject(faces, size) else { return Ok(Err(EnrolRefusal::NoFace)) };
        let mut count = 1;
        for rival in enrolment::rivals(face, faces, size) {
            // The mesh looks again: a pattern on a shirt that the detector took for a face does not make a
            // group.
            count += usize::from(self.landmarks(photo, rival)?.is_some());
        }
        if count > 1 {
            return Ok(Err(EnrolRefusal::SeveralFaces { count }));
        }
        let Some((_, quality)) = self.look(photo, face)? else { return Ok(Err(EnrolRefusal::NoFace)) };
        if let Some(refusal) = EnrolRefusal::for_quality(&quality) {
            return Ok(Err(refusal));
        }
        if let Some(refusal) = EnrolRefusal::for_tilt(quality.roll) {
            return Ok(Err(refusal));
        }
        let (similarities, embedding) = self.self_check(photo, face)?;
        if let Some(refusal) = EnrolRefusal::for_self_check(&similarities) {
            return Ok(Err(refusal));
        }
        let alike = similarities.iter().copied().fold(1.0, f32::min);
        Ok(Ok(Enrolment { embedding, quality, bounds: face.bounds, alike }))
    }

    /// The embedder's general curve, which comes with the program.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The similarities that tell one person from two.
    pub fn likeness(&self) -> Likeness {
        self.likeness
    }

    /// How similar the face that [`Engine::look`] aligned last is to its own mirror image and to crops, and
    /// the embedding of the face and its mirror image together.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    fn self_check(&mut self, photo: &RgbImage, face: &Face) -> Result<(Vec<f32>, Embedding), EngineError> {
        let own = self.embedder.embed(&self.aligned)?;
        self.aligned.mirror();
        let mirrored = self.embedder.embed(&self.aligned)?;
        let mut similarities = vec![own.similarity(&mirrored)];
        for scale in enrolment::CROPS {
            let crop = Face { bounds: face.bounds.scaled(scale), ..face.clone() };
            similarities.push(match self.look(photo, &crop)? {
                Some(_) => own.similarity(&self.embedder.embed(&self.aligned)?),
                None => -1.0,
            });
        }
        // The mean of a face and its mirror image says more than either alone. A face at the door is compared
        // as it is.
        let embedding =
            Embedding::mean(&own, &mirrored).map_err(|error| EngineError::run("embedder", &error))?;
        Ok((similarities, embedding))
    }

    /// The landmarks of one face; `None` when the mesh sees no face there.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    fn landmarks(&mut self, picture: &RgbImage, face: &Face) -> Result<Option<Landmarks>, EngineError> {
        Landmarks::find(&mut self.mesh, picture, face)
    }

    /// Finds the landmarks of one face, aligns it into the engine's buffer and measures it; `None` when the
    /// mesh sees no face.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    pub fn look(
        &mut self,
        picture: &RgbImage,
        face: &Face,
    ) -> Result<Option<(Landmarks, Quality)>, EngineError> {
        let Some(landmarks) = Landmarks::find(&mut self.mesh, picture, face)? else { return Ok(None) };
        if !self.aligned.take(picture, &landmarks.five) {
            return Ok(None);
        }
        let quality = Quality::measure(&self.aligned, face.bounds.width, landmarks.pose);
        Ok(Some((landmarks, quality)))
    }

    /// The embedding of the face that [`Engine::look`] aligned last.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    pub fn embed_aligned(&mut self) -> Result<Embedding, EngineError> {
        self.embedder.embed(&self.aligned)
    }

    /// The same by the first embedder alone, where there are two.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    pub fn embed_first(&mut self) -> Result<Embedding, EngineError> {
        self.embedder.embed_first(&self.aligned)
    }

    /// The whole embedding of the face of which [`Engine::embed_first`] gave `first`.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    pub fn complete(&mut self, first: &Embedding) -> Result<Embedding, EngineError> {
        self.embedder.complete(&self.aligned, first)
    }
}

/// The shipped curve of an embedder.
fn calibration(embedder: EmbedderChoice) -> Result<Calibration, EngineError> {
    Calibration::of(None, embedder).map_err(|error| EngineError::Load {
        role: "calibration".to_owned(),
        reason: error.to_string().into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_without_weights_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Engine::load(dir.path(), &config::Recognition::default()).err().unwrap().to_string();
        assert!(error.contains("fetch_models"), "{error}");
    }
}
