//! The worker: from events and faces to screen, tones, lights and relay.
//!
//! It has a thread of its own and waits for nobody. A display that hangs delays the next picture and nothing
//! else: tones and relay are ordered before anything is drawn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::event::{Bus, Event, Life};
use base::failure::Fault;
use base::identity::RollNumber;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::config::{Settings, Show};
use crate::fonts::Fonts;
use crate::hand::{Hand, Lines};
use crate::names::Names;
use crate::paint::{Live, Painter};
use crate::relay::{Shut, may_open};
use crate::screen::{Outlet, Screen};
use crate::shot::Shot;
use crate::speaker::{self, Speaker};
use crate::state::{Board, Cue, DoorView, Scene, Wall};
use crate::tones::Tone;
use crate::words::Words;

/// Time between two pictures while people see themselves: 15 a second.
const LIVE_TICK: Duration = Duration::from_millis(66);
/// Time between two looks otherwise.
const TICK: Duration = Duration::from_millis(150);
/// Size of the picture for who looks from afar, where no display is open.
const SHOT_SIZE: (u32, u32) = (800, 480);
/// Target of audit lines, as the page's.
const AUDIT: &str = "attendance::audit";

/// What the worker has to know of the rest of the program. Every call returns at once.
pub trait Surroundings: Send + 'static {
    /// Time since boot.
    fn now(&self) -> Duration;
    /// Date and time of the site; none while the clock is not known.
    fn wall(&self) -> Option<Wall>;
    /// Numbers of the faces in sight; none while no camera tells.
    fn tracks(&self) -> Option<Vec<u64>>;
    /// The newest picture with its faces. Asked for only while somebody is there.
    fn live(&self) -> Option<Live>;
    /// Whether something is wrong that the staff should look at.
    fn staff(&self) -> bool;
    /// Whether the display belongs to the console now.
    fn gives_way(&self) -> bool;
}

/// What is wrong with screen, sound and pins now, for the page. Shared and cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<[Vec<Fault>; 4]>>);

/// Whose faults.
#[derive(Debug, Clone, Copy)]
enum Part {
    Fonts,
    Screen,
    Sound,
    Pins,
}

impl Faults {
    /// All of them.
    pub fn all(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }

    fn put(&self, part: Part, faults: Vec<Fault>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[part as usize] = faults;
    }
}

/// Everything the worker is made of.
pub struct Parts {
    /// The configuration.
    pub settings: Settings,
    /// The school's name.
    pub site: String,
    /// What people are called.
    pub names: Names,
    /// Where it is told that the door was opened.
    pub bus: Bus,
    /// The rest of the program.
    pub surroundings: Box<dyn Surroundings>,
    /// The fonts; without them there are signs without text.
    pub fonts: Result<Fonts, Fault>,
    /// Where pictures go.
    pub outlets: Vec<Box<dyn Outlet>>,
    /// Where pins come from.
    pub lines: Box<dyn Lines>,
    /// The sound device; none where none is configured.
    pub sound: Option<speaker::Open>,
    /// For who looks from afar.
    pub shot: Shot,
    /// Whether the device can ask a person to turn the head: a display at the door shows it, or recorded
    /// words say it. Written here, read by recognition.
    pub asking: Arc<AtomicBool>,
    /// What is wrong.
    pub faults: Faults,
}

/// Works until `stop`.
///
/// # Errors
/// The system gives no thread or runtime.
pub fn run(parts: Parts, events: Receiver<Event>, stop: &CancellationToken) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut door = Door::new(parts)?;
    runtime.block_on(door.work(events, stop));
    Ok(())
}

struct Door {
    settings: Settings,
    site: String,
    names: Names,
    bus: Bus,
    surroundings: Box<dyn Surroundings>,
    board: Board,
    fonts: Option<Fonts>,
    screens: Vec<(Screen, Option<Painter>)>,
    /// For who looks from afar while no display is open.
    afar: Option<Painter>,
    speaker: Option<Speaker>,
    hand: Option<Hand>,
    opened: Option<Duration>,
    /// Why the door stayed shut last, so that it is told once.
    shut: Option<Shut>,
    shot: Shot,
    asking: Arc<AtomicBool>,
    faults: Faults,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.asking.store(false, Ordering::Relaxed);
    }
}

impl Door {
    fn new(parts: Parts) -> std::io::Result<Self> {
        let Parts { settings, faults, .. } = parts;
        let fonts = match parts.fonts {
            Ok(fonts) => Some(fonts),
            Err(fault) => {
                log::warn!("Screen: {fault}");
                faults.put(Part::Fonts, vec![fault]);
                None
            }
        };
        let told = faults.clone();
        let tell = move |faults| told.put(Part::Sound, faults);
        let speaker = match parts.sound {
            Some(open) => Some(Speaker::start(open, settings.sound.words.clone(), tell)?),
            None => None,
        };
        let sound = &settings.sound;
        let pins = [sound.buzzer_pin, sound.green_pin, sound.red_pin, settings.relay.pin];
        let told = faults.clone();
        let hand = match pins.iter().any(Option::is_some) {
            true => Some(Hand::start(
                parts.lines,
                sound,
                &settings.relay,
                Box::new(move |now| told.put(Part::Pins, now)),
            )?),
            false => None,
        };
        if settings.relay.pin.is_some() && settings.relay.accept_recordings {
            log::warn!(
                "relay.accept_recordings is on: a recording of a person on a screen may open the door; remove the \
                 setting where that matters"
            );
        }
        Ok(Self {
            site: parts.site,
            names: parts.names,
            bus: parts.bus,
            surroundings: parts.surroundings,
            board: Board::default(),
            fonts,
            screens: parts.outlets.into_iter().map(|outlet| (Screen::new(outlet), None)).collect(),
            afar: None,
            speaker,
            hand,
            opened: None,
            shut: None,
            shot: parts.shot,
            asking: parts.asking,
            faults,
            settings,
        })
    }

    async fn work(&mut self, mut events: Receiver<Event>, stop: &CancellationToken) {
        let mut tick = LIVE_TICK;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => Some(event),
                () = tokio::time::sleep(tick) => None,
            };
            match event {
                Some(Ok(event)) => self.hear(&event),
                Some(Err(RecvError::Lagged(missed))) => log::debug!("the door missed {missed} events"),
                Some(Err(RecvError::Closed)) => return,
                None => {}
            }
            // Many at once are heard together: one picture shows them all.
            while let Ok(event) = events.try_recv() {
                self.hear(&event);
            }
            tick = self.look();
        }
    }

    fn hear(&mut self, event: &Event) {
        let now = self.surroundings.now();
        for cue in self.board.hear(now, event) {
            match cue {
                Cue::Tone(tone) => self.play(tone),
                Cue::Recognised { roll, life } => self.open(now, &roll, life),
            }
        }
    }

    fn play(&self, tone: Tone) {
        let volume = self.volume();
        if let Some(speaker) = self.speaker.as_ref().filter(|_| volume > 0) {
            speaker.play(tone, volume);
        }
        if let Some(hand) = &self.hand {
            hand.play(tone, volume > 0);
        }
    }

    /// The loudness now.
    fn volume(&self) -> u8 {
        self.settings.sound.volume_now(self.surroundings.wall().map(|wall| wall.minute_of_day()))
    }

    /// Opens the door where the relay's rules allow it; every opening is a line of the audit.
    fn open(&mut self, now: Duration, roll: &RollNumber, life: Life) {
        let wall = self.surroundings.wall();
        match may_open(&self.settings.relay, life, wall.as_ref(), now, self.opened) {
            Ok(()) => {
                self.shut = None;
                if self.hand.as_ref().is_some_and(Hand::open) {
                    self.opened = Some(now);
                    log::info!(
                        target: AUDIT, personal:% = roll, sighting = true;
                        "the door was opened for {roll}, liveness shown by {life:?}, for {:?}",
                        self.settings.relay.pulse
                    );
                    self.bus.publish(Event::DoorOpened { roll: roll.clone() });
                } else {
                    log::error!("the door cannot be opened: the thread of the pins does not answer");
                }
            }
            Err(Shut::NoRelay | Shut::OpenAlready) => {}
            Err(why) => {
                if self.shut.replace(why) != Some(why) {
                    log::warn!("the door stays shut: {why}");
                }
            }
        }
    }

    /// Looks at everything and shows it; gives the time to the next look.
    fn look(&mut self) -> Duration {
        let now = self.surroundings.now();
        match self.surroundings.tracks() {
            Some(tracks) => self.board.look(now, &tracks),
            None => self.board.look_nowhere(),
        }
        let away = self.surroundings.gives_way();
        let watched = self.shot.is_watched();
        let (mut open, mut asks) = (false, false);
        for (screen, painter) in &mut self.screens {
            let gives_way = away && screen.can_give_way();
            if gives_way {
                screen.give_way(now);
            }
            let size = if gives_way { None } else { screen.size(now) };
            open |= size.is_some();
            asks |= size.is_some() && screen.can_give_way();
            let fits =
                |painter: &Painter| Some((painter.pixmap().width(), painter.pixmap().height())) == size;
            if !painter.as_ref().is_some_and(fits) {
                *painter = size.and_then(|size| new_painter(&self.settings, self.fonts.as_ref(), size));
            }
        }
        let faults = self.screens.iter().filter_map(|(screen, _)| screen.fault().cloned());
        self.faults.put(Part::Screen, faults.collect());
        let speaks = self.speaker.as_ref().is_some_and(Speaker::can_ask) && self.volume() > 0;
        self.asking.store(asks || speaks, Ordering::Relaxed);
        if !open && !watched {
            self.afar = None;
            return TICK;
        }
        let wall = self.surroundings.wall();
        let scene = self.scene(now, wall.as_ref());
        let live =
            if scene.has_picture() && self.settings.screen.picture { self.surroundings.live() } else { None };
        self.show(now, &scene, live.as_ref(), watched);
        if live.is_some() { LIVE_TICK } else { TICK }
    }

    fn scene(&mut self, now: Duration, wall: Option<&Wall>) -> Scene {
        let Self { names, settings, fonts, surroundings, site, board, .. } = self;
        let readable = |name: &String| fonts.as_ref().is_some_and(|fonts| fonts.can_write(name));
        let name = |roll: &RollNumber| match settings.door.show {
            Show::Tick => None,
            Show::Roll => Some(roll.to_string()),
            Show::Name => names.of(roll).filter(readable).or_else(|| Some(roll.to_string())),
        };
        let view = DoorView {
            name: &name,
            wall,
            staff: surroundings.staff(),
            site,
            dim_after: settings.screen.dim_after,
            night: settings.screen.night,
        };
        board.scene(now, &view)
    }

    fn show(&mut self, now: Duration, scene: &Scene, live: Option<&Live>, watched: bool) {
        let mut first: Option<&Painter> = None;
        for (screen, painter) in &mut self.screens {
            let Some(painter) = painter else { continue };
            let changed = painter.paint(scene, live);
            screen.show(now, painter.pixmap(), changed, scene.word());
            first.get_or_insert(painter);
        }
        if !watched {
            return;
        }
        if let Some(painter) = first {
            self.shot.put(painter.pixmap());
            return;
        }
        let afar = self.afar.take();
        self.afar = afar.or_else(|| new_painter(&self.settings, self.fonts.as_ref(), SHOT_SIZE));
        if let Some(afar) = &mut self.afar {
            afar.paint(scene, live);
            self.shot.put(afar.pixmap());
        }
    }
}

fn new_painter(settings: &Settings, fonts: Option<&Fonts>, (width, height): (u32, u32)) -> Option<Painter> {
    Painter::new(fonts.cloned(), Words::of(settings.door.language), width, height)
}
