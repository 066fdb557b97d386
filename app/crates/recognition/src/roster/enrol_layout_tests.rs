//! Two people under one roll number, photo folders of several people, and pictures taken at the door.

use super::super::*;
use super::{BLUE, ByColour, GREEN, RED, built, built_with, put, refused};

#[test]
fn two_people_under_one_roll_number_are_not_enrolled() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    put(&places.photos, "1/a.png", RED);
    put(&places.photos, "1/b.png", GREEN);
    put(&places.photos, "2/a.png", BLUE);
    for _ in 0..2 {
        let roster = built(&places, &mut ByColour::default());
        assert_eq!(roster.gallery.people(), 1, "also when they are known from the cache");
        let refused = refused(&roster);
        assert_eq!(refused.iter().map(|(photo, _)| *photo).collect::<Vec<_>>(), ["1/a.png", "1/b.png"]);
        assert!(refused[0].1.contains("not the person of 1/b.png (similarity 0.00)"), "{refused:?}");
        assert!(refused[1].1.contains("not the person of 1/a.png"), "{refused:?}");
    }
    // The wrong one is taken away: the other one enrols, without being embedded again.
    std::fs::remove_file(places.photos.join("1/b.png")).unwrap();
    let mut enroller = ByColour::default();
    assert_eq!((built(&places, &mut enroller).gallery.people(), enroller.calls), (2, 0));
}

#[test]
fn one_wrong_photo_among_three_is_set_aside() {
    let data = tempfile::tempdir().unwrap();
    let places = Places { photos: data.path().join("faces"), cache: None, ..Places::default() };
    put(&places.photos, "1/a.png", RED);
    put(&places.photos, "1/b.png", BLUE);
    put(&places.photos, "1/c.png", [255, 120, 0]);
    let roster = built(&places, &mut ByColour::default());
    assert_eq!(roster.gallery.faces(), 2);
    let refused = refused(&roster);
    assert!(
        refused.len() == 1 && refused[0].0 == "1/b.png" && refused[0].1.contains("the others are"),
        "{refused:?}"
    );
}

#[test]
fn a_year_of_several_students_is_nobody_until_the_layout_says_so() {
    let data = tempfile::tempdir().unwrap();
    let places = Places { photos: data.path().join("faces"), cache: None, ..Places::default() };
    put(&places.photos, "2025/2110001/photo.png", RED);
    put(&places.photos, "2025/2110002/photo.png", GREEN);
    put(&places.photos, "3000006/2024/photo.png", BLUE);
    put(&places.photos, "3000006/2025/photo.png", [0, 120, 255]);
    let with = |layout| {
        let photos = vision::photos::Photos { layout, ..vision::photos::Photos::default() };
        build(&places, &photos, &mut ByColour::default(), &mut Removal::default(), &mut |_, _| true).unwrap()
    };
    let names = |roster: &Roster| {
        roster
            .report
            .students()
            .iter()
            .filter(|(_, in_use)| **in_use)
            .map(|(roll, _)| roll.to_string())
            .collect::<Vec<_>>()
    };
    let auto = with(Layout::Auto);
    assert_eq!(names(&auto), ["3000006"]);
    let [class, own] = &auto.report.folders[..] else { panic!("{:?}", auto.report.folders) };
    assert!(class.folder == "2025" && !class.is_used() && own.folder == "3000006" && own.is_used());
    let said = class.fault().to_string();
    assert!(said.contains("2110001, 2110002") && said.contains("photos.layout = \"group/roll\""), "{said}");
    assert!(auto.report.needs_attention());

    let groups = with(Layout::GroupRoll);
    assert_eq!(
        names(&groups),
        ["2024", "2025", "2110001", "2110002"],
        "the site says that each is a roll number"
    );
    let rolls = with(Layout::Roll);
    assert!(names(&rolls) == ["3000006"] && rolls.report.folders.is_empty(), "two people are never made one");
}

#[test]
fn with_groups_a_student_who_changes_the_class_stays_enrolled() {
    let data = tempfile::tempdir().unwrap();
    let places = Places {
        photos: data.path().join("faces"),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    let photos = vision::photos::Photos { layout: Layout::GroupRoll, ..vision::photos::Photos::default() };
    put(&places.photos, "5a/1/photo.png", RED);
    put(&places.photos, "5a/2/photo.png", GREEN);
    let (mut enroller, mut removal) = (ByColour::default(), Removal::default());
    let mut people = || {
        let built = build(&places, &photos, &mut enroller, &mut removal, &mut |_, _| true).unwrap();
        (built.gallery.people(), built.report.ignored)
    };
    assert_eq!(people(), (2, Vec::new()));
    // Both move: by the first folder, everybody would be gone.
    std::fs::rename(places.photos.join("5a"), places.photos.join("6a")).unwrap();
    assert_eq!(people(), (2, Vec::new()));
    assert_eq!(enroller.calls, 2, "what is in them is known by their content");
}

#[test]
fn pictures_taken_at_the_door_are_used_like_photos_and_go_when_they_are_deleted() {
    let data = tempfile::tempdir().unwrap();
    let door = data.path().join("door");
    let places = Places {
        photos: data.path().join("faces"),
        at_the_door: Some(door.clone()),
        cache: Some(data.path().join("cache")),
        ..Places::default()
    };
    put(&places.photos, "1/a.png", [255, 0, 0]);
    put(&door, "1/1.png", [255, 0, 0]);
    put(&door, "2/1.png", [0, 255, 0]);
    let (mut enroller, mut removal) = (ByColour::default(), Removal::default());
    let mut build = || built_with(&places, &mut enroller, &mut removal);
    let roster = build();
    assert_eq!((roster.gallery.people(), roster.gallery.faces()), (2, 3));
    let paths: Vec<&str> = roster.report.photos.iter().map(|photo| photo.photo.as_str()).collect();
    assert_eq!(paths, [".at-the-door/1/1.png", ".at-the-door/2/1.png", "1/a.png"]);
    assert!(paths.iter().all(|path| places.file(path).is_file()));
    // The student goes from the photo folder, and what was taken at the door stays until it is deleted.
    std::fs::remove_dir_all(places.photos.join("1")).unwrap();
    assert_eq!(build().gallery.people(), 2, "the last student of a folder is not believed to be gone");
    std::fs::remove_dir_all(door.join("2")).unwrap();
    let roster = build();
    assert_eq!(roster.gallery.people(), 1, "deleted at the door");
    assert_eq!(
        built(&Places { at_the_door: None, ..places.clone() }, &mut ByColour::default()).gallery.people(),
        1
    );
}
