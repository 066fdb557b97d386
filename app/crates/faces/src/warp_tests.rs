#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn ramp(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]))
}

fn warped(picture: &RgbImage, map: &Affine, side: usize) -> Vec<[f32; 3]> {
    let mut out = vec![[0.0; 3]; side * side];
    warp(picture, map, side, side, |i, colour| out[i] = colour);
    out
}

#[test]
fn the_whole_picture_as_a_square_is_the_picture() {
    let picture = ramp(20, 20);
    let map = Affine::square(Point { x: 10.0, y: 10.0 }, 20.0, 0.0, 20);
    for (i, colour) in warped(&picture, &map, 20).into_iter().enumerate() {
        assert_eq!(colour, [(i % 20) as f32, (i / 20) as f32, 7.0]);
    }
    let mirrored = warped(&picture, &map.mirrored(20), 20);
    assert_eq!(mirrored[0], [19.0, 0.0, 7.0]);
}

#[test]
fn a_quarter_turn_moves_the_right_edge_to_the_top() {
    let map = Affine::square(Point { x: 10.0, y: 10.0 }, 20.0, std::f32::consts::FRAC_PI_2, 20);
    let turned = warped(&ramp(20, 20), &map, 20);
    assert!((turned[0][0] - 19.0).abs() < 1e-3 && turned[0][1].abs() < 1e-3, "{:?}", turned[0]);
}

#[test]
fn shrinking_averages_and_does_not_alias() {
    // Stripes of one pixel: every second sampled pixel would be white or black.
    let stripes = RgbImage::from_fn(160, 160, |x, _| image::Rgb([if x % 2 == 0 { 255 } else { 0 }; 3]));
    let map = Affine::square(Point { x: 80.0, y: 80.0 }, 160.0, 0.0, 40);
    for colour in warped(&stripes, &map, 40) {
        assert!((colour[0] - 127.5).abs() < 40.0, "{colour:?}");
    }
}

#[test]
fn the_edge_of_a_picture_is_as_its_middle() {
    // The picture lies inside a larger black one, so that no tested place is at the edge.
    let picture =
        RgbImage::from_fn(30, 20, |x, y| image::Rgb([(x * 8) as u8, (y * 12) as u8, (x * y) as u8]));
    let mut framed = RgbImage::new(130, 120);
    image::imageops::replace(&mut framed, &picture, 50, 50);
    for angle in [0.0, 0.4, 2.0] {
        for size in [12.0, 40.0, 90.0] {
            let centre = Point { x: 17.0, y: 9.0 };
            let at_edge = warped(&picture, &Affine::square(centre, size, angle, 70), 70);
            let centre = Point { x: 67.0, y: 59.0 };
            let inside = warped(&framed, &Affine::square(centre, size, angle, 70), 70);
            for (a, b) in at_edge.as_flattened().iter().zip(inside.as_flattened()) {
                assert!((a - b).abs() < 0.02, "{angle} {size}: {a} {b}");
            }
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_to_the_last_bit() {
    let mut rng = fastrand::Rng::with_seed(3);
    let picture = RgbImage::from_fn(90, 70, |_, _| image::Rgb([(); 3].map(|()| rng.u8(..))));
    for _ in 0..50 {
        let centre = Point { x: 90.0 * rng.f32(), y: 70.0 * rng.f32() };
        let map = Affine::square(centre, 5.0 + 300.0 * rng.f32(), 6.0 * rng.f32(), 75);
        let found = Isa::available().into_iter().map(|isa| {
            let mut out = vec![[0; 3]; 75 * 75];
            let put = |at: usize, colours: [&[f32]; 3]| {
                for (c, values) in colours.into_iter().enumerate() {
                    values.iter().enumerate().for_each(|(i, value)| out[at + i][c] = value.to_bits());
                }
            };
            let value = |colour| colour / 255.0;
            isa.work(Warp { picture: &picture, to_source: &map, width: 75, height: 75, value, put });
            out
        });
        let found: Vec<_> = found.collect();
        assert!(found.iter().all(|one| *one == found[0]));
    }
}

#[test]
fn points_that_coincide_have_no_similarity() {
    let same = [Point { x: 3.0, y: 3.0 }; 5];
    assert_eq!(Affine::similarity(&same, &same), None);
    let wild = [Point { x: f32::NAN, y: 0.0 }, Point { x: 1.0, y: 1.0 }];
    assert_eq!(Affine::similarity(&wild, &wild), None);
}

proptest! {
    #[test]
    fn a_similarity_is_found_again_and_its_inverse_leads_back(
        angle in -3.0f32..3.0, scale in 0.2f32..5.0, dx in -300f32..300.0, dy in -300f32..300.0
    ) {
        let (sin, cos) = angle.sin_cos();
        let truth = Affine {
            x: [scale * cos, -scale * sin, dx],
            y: [scale * sin, scale * cos, dy],
        };
        let from = [(0.0, 0.0), (50.0, 3.0), (20.0, 60.0)].map(|(x, y)| Point { x, y });
        let to = from.map(|p| truth.apply(p));
        let found = Affine::similarity(&from, &to).unwrap();
        let back = found.inverse().unwrap();
        for (p, q) in from.iter().zip(to) {
            let (there, again) = (found.apply(*p), back.apply(q));
            prop_assert!((there.x - q.x).abs() < 0.05 && (there.y - q.y).abs() < 0.05);
            prop_assert!((again.x - p.x).abs() < 0.05 && (again.y - p.y).abs() < 0.05);
        }
    }

    #[test]
    fn no_map_reads_outside_the_picture(values in proptest::array::uniform6(-1e6f32..1e6)) {
        let [a, b, c, d, e, f] = values;
        for colour in warped(&ramp(9, 5), &Affine { x: [a, b, c], y: [d, e, f] }, 8) {
            prop_assert!(colour.iter().all(|v| (0.0..=255.0).contains(v)));
        }
    }
}
