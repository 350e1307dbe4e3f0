//! A class that does not flicker.

use super::{Assessment, Class};

/// The class of one replica as it counts: unable only after a while, another class only after a longer one. An operator's drain and a
/// shutdown count at once, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steady {
    settled: Option<Class>,
    /// Another class than the settled one, and since when it or one on the same side of it is seen.
    turning: Option<(Class, u64)>,
}

/// How long a change must last before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Of one after which a slot could not be worked, in milliseconds.
    pub unable_ms: u64,
    /// Of any other one, in milliseconds.
    pub other_ms: u64,
}

impl Steady {
    /// Takes what is seen at `now_ms` and returns the class that counts. The first one counts at once; and so does what follows upon
    /// an inability that was there from the beginning: a replica that starts has not read L1 yet.
    pub fn observe(&mut self, now_ms: u64, seen: &Assessment, patience: Patience) -> Class {
        let class = seen.class;
        let Some(settled) = self.settled else {
            self.settled = Some(class).filter(|class| *class != Class::Unable);
            return class;
        };
        let at_once = class == Class::Draining || settled == Class::Draining || seen.reasons.contains(&super::Reason::Stopping);
        if class == settled || at_once {
            (self.settled, self.turning) = (Some(class), None);
            return class;
        }
        let worse = class < settled;
        let since = match self.turning {
            Some((turning, since)) if (turning < settled) == worse => since,
            Some(_) | None => now_ms,
        };
        self.turning = Some((class, since));
        let wait = if class == Class::Unable { patience.unable_ms } else { patience.other_ms };
        if now_ms.saturating_sub(since) < wait {
            return settled;
        }
        (self.settled, self.turning) = (Some(class), None);
        class
    }
}
