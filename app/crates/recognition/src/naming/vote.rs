//! From the matches of single frames to one answer for a track.
//!
//! Pure. A single frame may be wrong (motion, a shadow, a lookalike at an odd angle); a name is given only
//! when several frames of the last ones agree, weighted by their quality.

use heapless::Deque;

use super::gallery::Match;
use base::identity::RollNumber;

/// Votes that are remembered: about a second at 15 frames a second. Older ones may belong to another pose or
/// light.
const WINDOW: usize = 16;

/// Share of the window's weight that the answer needs. Two people who are mistaken for each other in turn get
/// no answer.
const MAJORITY: f32 = 0.6;

/// Votes after which a face without a name is a stranger, as a multiple of the votes that make a name:
/// "nobody" is the answer that a little more patience often corrects.
const PATIENCE: usize = 3;

/// When a match counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Least similarity.
    pub threshold: f32,
    /// Least distance to the best of anybody else.
    pub margin: f32,
    /// Votes that make an answer.
    pub votes: u32,
}

/// The last votes of one track.
#[derive(Debug, Clone, Default)]
pub struct Ballot {
    votes: Deque<Vote, WINDOW>,
}

#[derive(Debug, Clone)]
struct Vote {
    /// Whom the frame voted for; nobody, when the match did not satisfy the rule.
    roll: Option<RollNumber>,
    similarity: f32,
    margin: f32,
    weight: f32,
}

/// What the votes say.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// More frames are needed.
    Open,
    /// This person.
    Known {
        /// Who.
        roll: RollNumber,
        /// Weighted mean similarity of the votes for that person.
        similarity: f32,
        /// Weighted mean margin of the same votes.
        margin: f32,
        /// How many they are.
        votes: u32,
    },
    /// Nobody on the roster.
    Stranger {
        /// Best similarity seen.
        similarity: f32,
    },
}

impl Ballot {
    /// Counts the match of one frame; `found` is `None` when the gallery is empty. `weight` is above 0.
    pub fn cast(&mut self, found: Option<&Match>, rule: &Rule, weight: f32) {
        let accepted = found.filter(|m| m.similarity >= rule.threshold && m.margin() >= rule.margin);
        let vote = Vote {
            roll: accepted.map(|m| m.roll.clone()),
            similarity: found.map_or(-1.0, |m| m.similarity),
            margin: found.map_or(0.0, Match::margin),
            weight,
        };
        if self.votes.is_full() {
            self.votes.pop_front();
        }
        // There is room now.
        let _ = self.votes.push_back(vote);
    }

    /// What the votes say under `rule`.
    pub fn answer(&self, rule: &Rule) -> Answer {
        let needed = rule.votes as usize;
        let total: f32 = self.votes.iter().map(|vote| vote.weight).sum();
        let leader = self.most_voted_for();
        if let Some(roll) = leader {
            let weight = self.weight_for(Some(roll));
            let own = || self.votes.iter().filter(|vote| vote.roll.as_ref() == Some(roll));
            let count = own().count();
            if count >= needed.min(WINDOW) && weight >= MAJORITY * total {
                let mean = |value: fn(&Vote) -> f32| own().map(|v| v.weight * value(v)).sum::<f32>() / weight;
                return Answer::Known {
                    roll: roll.clone(),
                    similarity: mean(|vote| vote.similarity),
                    margin: mean(|vote| vote.margin),
                    votes: count as u32,
                };
            }
        }
        let enough = (PATIENCE * needed).clamp(4, WINDOW);
        if self.votes.len() >= enough && self.weight_for(None) >= MAJORITY * total {
            let similarity = self.votes.iter().map(|vote| vote.similarity).fold(-1.0, f32::max);
            return Answer::Stranger { similarity };
        }
        Answer::Open
    }

    /// The name that has most votes, decided or not, with its similarity in the newest of them.
    pub fn leader(&self) -> Option<(&RollNumber, f32)> {
        let leader = self.most_voted_for()?;
        let newest = self.votes.iter().rev().find(|vote| vote.roll.as_ref() == Some(leader))?;
        Some((leader, newest.similarity))
    }

    /// Whom the newest frame voted for; `None` for nobody.
    pub fn newest(&self) -> Option<&RollNumber> {
        self.votes.back()?.roll.as_ref()
    }

    fn most_voted_for(&self) -> Option<&RollNumber> {
        self.votes.iter().filter_map(|vote| vote.roll.as_ref()).max_by(|a, b| {
            self.weight_for(Some(a)).total_cmp(&self.weight_for(Some(b))).then_with(|| b.cmp(a))
        })
    }

    /// Number of votes for a name.
    pub fn votes_for(&self, roll: &RollNumber) -> u32 {
        self.votes.iter().filter(|vote| vote.roll.as_ref() == Some(roll)).count() as u32
    }

    fn weight_for(&self, roll: Option<&RollNumber>) -> f32 {
        self.votes.iter().filter(|vote| vote.roll.as_ref() == roll).map(|vote| vote.weight).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RULE: Rule = Rule { threshold: 0.4, margin: 0.05, votes: 3 };

    fn found(roll: &str, similarity: f32, runner_up: f32) -> Match {
        Match { roll: RollNumber::parse(roll).unwrap(), similarity, runner_up }
    }

    fn answer(matches: &[(Match, f32)]) -> Answer {
        let mut ballot = Ballot::default();
        for (m, weight) in matches {
            ballot.cast(Some(m), &RULE, *weight);
        }
        ballot.answer(&RULE)
    }

    fn known(answer: &Answer) -> Option<&str> {
        match answer {
            Answer::Known { roll, .. } => Some(roll.as_str()),
            _ => None,
        }
    }

    #[test]
    fn three_frames_that_agree_make_a_name_and_two_do_not() {
        let a = (found("1", 0.7, 0.1), 1.0);
        assert_eq!(answer(&[a.clone(), a.clone()]), Answer::Open);
        let Answer::Known { similarity, margin, votes, .. } = answer(&[a.clone(), a.clone(), a]) else {
            panic!()
        };
        assert!((similarity - 0.7).abs() < 1e-5 && (margin - 0.6).abs() < 1e-5 && votes == 3);
    }

    #[test]
    fn two_people_in_turn_get_no_name() {
        let (a, b) = ((found("1", 0.7, 0.6), 1.0), (found("2", 0.7, 0.6), 1.0));
        let turns: Vec<_> = (0..WINDOW).map(|n| if n % 2 == 0 { a.clone() } else { b.clone() }).collect();
        assert_eq!(answer(&turns), Answer::Open);
    }

    #[test]
    fn below_the_threshold_or_too_close_to_the_second_is_nobody() {
        for m in [found("1", 0.39, 0.0), found("1", 0.7, 0.66)] {
            let votes = vec![(m, 1.0); PATIENCE * 3];
            assert!(matches!(answer(&votes), Answer::Stranger { .. }));
            assert_eq!(answer(&votes[1..]), Answer::Open, "too early to call a stranger");
        }
    }

    #[test]
    fn a_few_bad_frames_do_not_outvote_good_ones() {
        let (good, bad) = ((found("1", 0.7, 0.1), 1.0), (found("2", 0.45, 0.3), 0.2));
        let votes = [bad.clone(), bad.clone(), good.clone(), good.clone(), good, bad.clone(), bad];
        assert_eq!(known(&answer(&votes)), Some("1"));
    }

    #[test]
    fn old_votes_are_forgotten() {
        let mut votes = vec![(found("1", 0.7, 0.1), 1.0); 30];
        votes.extend(vec![(found("2", 0.7, 0.1), 1.0); WINDOW]);
        assert_eq!(known(&answer(&votes)), Some("2"));
    }

    #[test]
    fn an_empty_gallery_makes_everybody_a_stranger() {
        let mut ballot = Ballot::default();
        for _ in 0..WINDOW {
            ballot.cast(None, &RULE, 1.0);
        }
        assert_eq!(ballot.answer(&RULE), Answer::Stranger { similarity: -1.0 });
    }
}
