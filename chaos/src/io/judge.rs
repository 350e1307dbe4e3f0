//! Whether a fault was survived: nothing granted is lost, nothing foreign is held, and who stops says why.

use super::inspect::{Found, Held};
use super::told::{Ended, Grant, Told};

/// What may be expected of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// What was synced is there.
    Honest,
    /// It lied, or its bytes were changed: a loss has to be seen, by the replica or by those whom it asks.
    Dishonest,
}

/// How a fault was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The replica goes on, with everything that was granted.
    GoesOn,
    /// It has everything, and asks the others whether it has.
    Asks,
    /// It lacks something, knows that it may, and asks the others: only of a dishonest disk.
    AsksForMore,
    /// It refuses to start, or stops, and says why.
    Refuses {
        /// The message.
        message: String,
    },
    /// It must not be so.
    Violation {
        /// Why.
        reason: String,
    },
}

fn violation(reason: impl Into<String>) -> Verdict {
    Verdict::Violation { reason: reason.into() }
}

/// Judges what a replica finds after a fault. `granted`: what was granted before it, and needed this replica.
pub fn found(found: &Found, granted: &[Grant], disk: Disk) -> Verdict {
    match found {
        Found::Died { how } => violation(format!("the process that opened the store ended: {how}")),
        Found::Refused { message } if message.is_empty() => violation("refused without a reason"),
        Found::Refused { message } if disk == Disk::Honest => violation(format!("a crash made the store unusable: {message}")),
        Found::Refused { message } => Verdict::Refuses { message: message.clone() },
        Found::Held(held) => match missing(held, granted) {
            Err(reason) => violation(reason),
            Ok(Some(loss)) if disk == Disk::Honest => violation(loss),
            Ok(Some(loss)) if held.proven => violation(format!("{loss}, and the replica goes on without asking anybody")),
            Ok(Some(_)) => Verdict::AsksForMore,
            Ok(None) if held.proven => Verdict::GoesOn,
            Ok(None) => Verdict::Asks,
        },
    }
}

/// What of the granted is not held; an error if something else is held in its place.
fn missing(held: &Held, granted: &[Grant]) -> Result<Option<String>, String> {
    let mut loss = None;
    for Grant { number, root, term, .. } in granted {
        match held.roots.get(number) {
            Some(other) if other != root.get() => {
                return Err(format!("claim {number} was granted {root} and is bound to {other}"));
            }
            Some(_) if held.term >= *term => {}
            Some(_) => loss = Some(format!("a vote of term {term} is lost, the store has term {}", held.term)),
            None => loss = Some(format!("claim {number}, granted in term {term}, is lost")),
        }
    }
    Ok(loss)
}

/// Judges a flipped bit: the same contents as before, or a refusal; contents cut short only where `may_cut`, and then never believed.
pub fn flipped(found: &Found, before: &Held, may_cut: bool) -> Verdict {
    let held = match found {
        Found::Held(held) => held,
        Found::Died { how } => return violation(format!("the process that opened the store ended: {how}")),
        Found::Refused { message } if message.is_empty() => return violation("refused without a reason"),
        Found::Refused { message } => return Verdict::Refuses { message: message.clone() },
    };
    if let Some((number, root)) = held.roots.iter().find(|(number, root)| before.roots.get(number) != Some(root)) {
        return violation(format!("claim {number} is bound to {root}, and was not before"));
    }
    let whole = (&held.roots, held.last, held.chain, held.term) == (&before.roots, before.last, before.chain, before.term);
    match (whole, held.proven) {
        (true, true) => Verdict::GoesOn,
        (true, false) => Verdict::Asks,
        (false, true) => violation("the contents are cut short, and the replica goes on without asking anybody"),
        (false, false) if may_cut => Verdict::AsksForMore,
        (false, false) => violation("the contents are cut short behind damage that is no torn end"),
    }
}

/// Judges how the process ended in which a call failed, with `error` if it was told of one.
pub fn ended(told: &[Told], died: Option<&str>, error: Option<&str>) -> Verdict {
    let end = told.iter().find_map(|told| match told {
        Told::Ended(end) => Some(end),
        Told::Granted(_) | Told::Delayed { .. } => None,
    });
    match (end, died) {
        (None, how) => violation(format!("the process ended without a word: {}", how.unwrap_or("exit code 0"))),
        (Some(Ended::Panicked { message }), _) => violation(format!("panic: {message}")),
        (Some(Ended::Stuck { message }), _) => violation(format!("it did not come about in time: {message}")),
        (Some(Ended::Done), None) => Verdict::GoesOn,
        (Some(Ended::Done), Some(how)) => violation(format!("done, and then {how}")),
        (Some(Ended::Stopped { message, .. }), _) if error.is_none_or(|error| message.contains(error)) => {
            Verdict::Refuses { message: message.clone() }
        }
        (Some(Ended::Stopped { how, message }), _) => {
            violation(format!("{how}, and the message does not name the error {:?}: {message}", error.unwrap_or_default()))
        }
    }
}

/// Judges a delayed sync: from a second on until it is over, the replica grants nothing.
pub fn delayed(told: &[Told]) -> Verdict {
    const STALLED_MS: u64 = 1_100;
    let over = told.iter().find_map(|told| match told {
        Told::Delayed { from_ms, to_ms } => Some((from_ms + STALLED_MS, *to_ms)),
        Told::Granted(_) | Told::Ended(_) => None,
    });
    let Some((from_ms, to_ms)) = over else { return Verdict::GoesOn };
    let early = told.iter().find_map(|told| match told {
        Told::Granted(grant) if grant.own && (from_ms..to_ms).contains(&grant.at_ms) => Some(grant),
        Told::Granted(_) | Told::Delayed { .. } | Told::Ended(_) => None,
    });
    match early {
        Some(grant) => violation(format!("claim {} was granted at {} ms, {from_ms} to {to_ms} ms", grant.number, grant.at_ms)),
        None => Verdict::GoesOn,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use ollin_protocol::units::SigningRoot;

    use super::*;

    const ROOT: B256 = B256::repeat_byte(1);

    fn grant(number: u64) -> Grant {
        Grant { number, root: SigningRoot::new(ROOT), term: 3, own: true, needed: true, at_ms: 5_000 }
    }

    fn held(numbers: std::ops::Range<u64>) -> Held {
        let roots = numbers.map(|number| (number, ROOT)).collect();
        Held { proven: true, term: 3, last: Some((3, 9)), chain: Some([1; 32]), roots }
    }

    fn is_violation(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Violation { .. })
    }

    #[test]
    fn a_lost_claim_is_a_violation_unless_the_disk_lied_and_the_replica_asks() {
        let granted = [grant(0), grant(1)];
        let judge = |held: Held, disk| found(&Found::Held(held), &granted, disk);
        assert_eq!(judge(held(0..2), Disk::Honest), Verdict::GoesOn);
        assert_eq!(judge(Held { proven: false, ..held(0..2) }, Disk::Honest), Verdict::Asks);
        assert!(is_violation(&judge(held(0..1), Disk::Honest)));
        assert!(is_violation(&judge(Held { proven: false, ..held(0..1) }, Disk::Honest)));
        assert!(is_violation(&judge(held(0..1), Disk::Dishonest)));
        assert_eq!(judge(Held { proven: false, ..held(0..1) }, Disk::Dishonest), Verdict::AsksForMore);
        assert!(is_violation(&judge(Held { term: 2, ..held(0..2) }, Disk::Honest)), "a lost vote");
    }

    #[test]
    fn another_root_is_always_a_violation() {
        let mut other = Held { proven: false, ..held(0..2) };
        other.roots.insert(1, B256::repeat_byte(9));
        assert!(is_violation(&found(&Found::Held(other.clone()), &[grant(0), grant(1)], Disk::Dishonest)));
        assert!(is_violation(&flipped(&Found::Held(other), &held(0..2), true)));
        let more = Held { proven: false, ..held(0..3) };
        assert!(is_violation(&flipped(&Found::Held(more), &held(0..2), true)), "a claim that was never made");
    }

    #[test]
    fn a_crash_may_not_make_a_store_unusable_and_a_refusal_has_a_reason() {
        let refused = |message: &str| Found::Refused { message: message.to_owned() };
        assert!(is_violation(&found(&refused("damaged"), &[], Disk::Honest)));
        assert_eq!(found(&refused("damaged"), &[], Disk::Dishonest), Verdict::Refuses { message: "damaged".to_owned() });
        assert!(is_violation(&found(&refused(""), &[], Disk::Dishonest)));
        assert!(is_violation(&found(&Found::Died { how: "signal 11".to_owned() }, &[], Disk::Dishonest)));
    }

    #[test]
    fn a_flipped_bit_changes_nothing_or_is_refused_or_cuts_a_torn_end_that_is_not_believed() {
        let before = held(0..2);
        let cut = Held { last: Some((3, 8)), ..held(0..1) };
        let judge = |held: &Held, may_cut| flipped(&Found::Held(held.clone()), &before, may_cut);
        assert_eq!(judge(&before, false), Verdict::GoesOn);
        assert!(is_violation(&judge(&cut, true)), "believed");
        let asks = Held { proven: false, ..cut };
        assert_eq!(judge(&asks, true), Verdict::AsksForMore);
        assert!(is_violation(&judge(&asks, false)));
    }

    #[test]
    fn a_process_ends_in_order_or_with_the_error_that_it_got() {
        let stopped = |message: &str| [Told::Ended(Ended::Stopped { how: "fatal".to_owned(), message: message.to_owned() })];
        let named = ended(&stopped("cannot sync: Input/output error"), Some("signal 6"), Some("Input/output error"));
        assert!(matches!(named, Verdict::Refuses { .. }));
        assert!(is_violation(&ended(&stopped("cannot sync"), Some("signal 6"), Some("Input/output error"))));
        assert!(is_violation(&ended(&[], Some("signal 11"), None)));
        assert!(is_violation(&ended(&[], None, None)));
        for end in [Ended::Stuck { message: "x".to_owned() }, Ended::Panicked { message: "x".to_owned() }] {
            assert!(is_violation(&ended(&[Told::Ended(end)], None, None)));
        }
        assert_eq!(ended(&[Told::Ended(Ended::Done)], None, Some("Input/output error")), Verdict::GoesOn);
        assert!(is_violation(&ended(&[Told::Ended(Ended::Done)], Some("signal 6"), None)));
    }

    #[test]
    fn a_grant_during_a_delayed_sync_is_a_violation() {
        let delay = |from_ms, to_ms| [Told::Delayed { from_ms, to_ms }, Told::Granted(grant(0))];
        assert!(is_violation(&delayed(&delay(3_000, 6_000))));
        assert_eq!(delayed(&delay(4_500, 6_000)), Verdict::GoesOn, "within the first second");
        assert_eq!(delayed(&delay(1_000, 4_500)), Verdict::GoesOn, "after it");
    }
}
