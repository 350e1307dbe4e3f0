//! Why a claimed bundle did not land, for whoever records missed duties.

use ollin_protocol::units::Slot;

/// A slot whose bundle was claimed and is not on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishReport {
    /// The slot.
    pub slot: Slot,
    /// What kind of obstacle.
    pub hindrance: PublishHindrance,
    /// The same in words, with its values.
    pub detail: String,
}

/// What kept a bundle from landing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishHindrance {
    /// It was sent, and no block of the slot took it.
    NotMined,
    /// L1 did not answer.
    L1Down,
    /// L1's fees were above the configured caps.
    FeesAboveCap,
    /// It failed in simulation, was mined without effect, or could not be sent.
    Failed,
    /// No quorum answered, or this replica does not lead any more.
    NoQuorum,
    /// The log refused.
    Refused,
    /// A key failed.
    SignerFailed,
    /// The slot was over.
    Late,
}

/// What keeps a slot's bundle from landing, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Obstacle(Option<(PublishHindrance, String)>);

impl Obstacle {
    /// Notes what stands in the way now; whether that is news. A later obstacle takes the place of an earlier one, save that the slot
    /// is over: that follows from what came before, which is the one to know.
    pub(crate) fn note(&mut self, hindrance: PublishHindrance, detail: String) -> bool {
        if hindrance == PublishHindrance::Late && self.0.is_some() {
            return false;
        }
        let noted = Some((hindrance, detail));
        let news = self.0 != noted;
        self.0 = noted;
        news
    }

    /// For the closing report of a missed slot.
    pub(crate) fn told(self) -> (PublishHindrance, String) {
        self.0.unwrap_or_else(|| (PublishHindrance::NotMined, "no attempt was mined in the slot".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_the_slot_is_over_does_not_take_the_place_of_what_kept_it() {
        let late = || (PublishHindrance::Late, "the slot is over".to_owned());
        let sent = || (PublishHindrance::NotMined, "attempt 0 was sent".to_owned());
        let told = |noted: &[(PublishHindrance, String)]| {
            let mut obstacle = Obstacle::default();
            for (hindrance, detail) in noted {
                obstacle.note(*hindrance, detail.clone());
            }
            obstacle.told()
        };
        assert_eq!(told(&[sent(), late()]), sent());
        assert_eq!(told(&[late()]), late(), "nothing else is known");
        assert_eq!(told(&[late(), sent()]), sent());
        let fees = (PublishHindrance::FeesAboveCap, "dear".to_owned());
        assert_eq!(told(&[sent(), fees.clone(), late()]), fees, "its bump was too dear");
    }

    #[test]
    fn the_same_obstacle_is_news_once() {
        let mut obstacle = Obstacle::default();
        assert!(obstacle.note(PublishHindrance::L1Down, "timeout".to_owned()));
        assert!(!obstacle.note(PublishHindrance::L1Down, "timeout".to_owned()));
        assert!(obstacle.note(PublishHindrance::L1Down, "refused".to_owned()));
    }
}
