//! Enrolment with the real models: photos that lie or stand on their head, tilted heads, and two people in
//! one folder.

use faces::warp::{Affine, warp};
use image::{Rgb, RgbImage, imageops};
use recognition::roster::enrol::build;
use recognition::roster::places::Places;
use recognition::roster::removal::Removal;
use recognition::roster::{Report, Roster};
use recognition::{Engine, EnrolRefusal};
use vision::embedding::Embedding;
use vision::photos::{Layout, Photos};

use crate::material::Material;

/// Roll numbers of the demo's students whose photo shows one person.
const USABLE: [&str; 3] = ["2110001", "2110002", "2110003"];

fn enrolled(engine: &mut Engine, photo: &RgbImage) -> Result<Embedding, EnrolRefusal> {
    engine.enrol(photo).unwrap().outcome.map(|enrolment| enrolment.embedding)
}

/// Enrols as if upright, or is refused; never enrols as something else.
#[test]
fn a_photo_that_lies_or_stands_on_its_head_enrols_as_if_it_were_upright() {
    let Some(material) = Material::find() else { return };
    let mut engine = material.engine();
    let mut turned = 0;
    for roll in USABLE {
        let photo = material.photo(roll);
        let upright = enrolled(&mut engine, &photo).unwrap();
        for lying in [imageops::rotate90(&photo), imageops::rotate180(&photo), imageops::rotate270(&photo)] {
            if let Ok(face) = enrolled(&mut engine, &lying) {
                let similarity = face.similarity(&upright);
                assert!(similarity > 0.8, "{roll}: similarity {similarity} to the upright photo");
                turned += 1;
            }
        }
    }
    assert!(turned >= 8, "{turned} of 9 turned photos enrol");
}

#[test]
fn a_tilted_head_does_not_enrol() {
    let Some(material) = Material::find() else { return };
    let mut engine = material.engine();
    let mut refused = 0;
    for roll in USABLE {
        let photo = material.photo(roll);
        let (width, height) = photo.dimensions();
        let (sin, cos) = 45_f32.to_radians().sin_cos();
        let (x, y) = (width as f32 / 2.0, height as f32 / 2.0);
        let map = Affine { x: [cos, -sin, x - cos * x + sin * y], y: [sin, cos, y - sin * x - cos * y] };
        let mut tilted = RgbImage::new(width, height);
        warp(&photo, &map, width as usize, height as usize, |at, colour| {
            let at = at as u32;
            tilted.put_pixel(at % width, at / width, Rgb(colour.map(|value| value as u8)));
        });
        match engine.enrol(&tilted).unwrap().outcome {
            // As the landmarks measure it: they turn with the head less than it does.
            Ok(enrolment) => {
                assert!(enrolment.quality.roll.abs() <= 25.0, "{roll}: {}", enrolment.quality.roll)
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "none of the tilted photos is refused");
}

fn rolls(report: &Report) -> Vec<String> {
    let students = report.students();
    students.into_iter().filter(|(_, enrolled)| *enrolled).map(|(roll, _)| roll.to_string()).collect()
}

/// A photo folder with these photos, by path, and the expected result.
fn roster(material: &Material, photos: &[(&str, RgbImage)], layout: Layout) -> Roster {
    let folder = tempfile::tempdir().unwrap();
    for (path, photo) in photos {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        photo.save(path).unwrap();
    }
    let places = Places { photos: folder.path().to_owned(), ..Places::default() };
    let settings = Photos { layout, ..Photos::default() };
    build(&places, &settings, &mut material.engine(), &mut Removal::default(), &mut |_, _| true).unwrap()
}

#[test]
fn somebody_elses_photo_in_a_folder_enrols_neither() {
    let Some(material) = Material::find() else { return };
    let (one, other, third) =
        (material.photo(USABLE[0]), material.photo(USABLE[1]), material.photos(USABLE[2]));
    let photos = [
        ("1/a.png", one.clone()),
        ("1/b.png", other.clone()),
        ("2/a.png", third[0].clone()),
        ("2/b.png", third[1].clone()),
        ("3/a.png", third[0].clone()),
        ("3/b.png", third[1].clone()),
        ("3/c.png", one),
    ];
    let report = roster(&material, &photos, Layout::Auto).report;
    let refused: Vec<_> = report.refused().map(|(photo, _)| photo.photo.as_str()).collect();
    assert_eq!(refused, ["1/a.png", "1/b.png", "3/c.png"]);
    assert_eq!(rolls(&report), ["2", "3"]);
}

#[test]
fn a_class_is_not_made_one_student() {
    let Some(material) = Material::find() else { return };
    let photos = [
        ("2025/2110001/photo.png", material.photo(USABLE[0])),
        ("2025/2110002/photo.png", material.photo(USABLE[1])),
    ];
    let auto = roster(&material, &photos, Layout::Auto);
    assert!(auto.gallery.people() == 0 && auto.report.folders.len() == 1, "{:?}", auto.report);
    assert_eq!(rolls(&roster(&material, &photos, Layout::GroupRoll).report), ["2110001", "2110002"]);
}
