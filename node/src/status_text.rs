//! `ollin status` for a person: the status document as aligned text.

use std::fmt::Write;

use ollin_rpc::view::{ClusterStatus, DutyState, DutyWord, LeaderChange, LeadershipSection, Member, ReleasedSlot, RoleWord};

use crate::health::Health;

/// Wei in one ether.
const WEI_PER_ETHER: u128 = 1_000_000_000_000_000_000;
/// Wei in a millionth of an ether, the smallest amount shown.
const WEI_PER_MICROETHER: u128 = 1_000_000_000_000;
/// Slots shown, the newest last.
const SLOTS_SHOWN: usize = 8;

/// What the text is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// A file or a pipe.
    Plain,
    /// A terminal.
    Colour,
}

/// Renders the document, how the cluster is first.
pub(crate) fn render(status: &ClusterStatus, health: &Health, ink: Ink) -> String {
    let mut text = Text::default();
    let (word, colour) = health.word();
    text.heading("health", word, (ink == Ink::Colour).then_some(colour));
    for reason in health.reasons() {
        text.line("", reason);
    }
    text.line("cluster", status.cluster_id.as_deref().unwrap_or("not created"));
    text.line("phase", or_dash(&status.phase));
    let (oldest, newest) = status.rules.supported;
    text.line("rules", &format!("version {}, this program supports {oldest} to {newest}", status.rules.version));
    let replica = &status.replica;
    text.line("replica", &format!("{}, {}, {}", replica.id, role(replica.role), duty_state(replica.duty_state)));
    let leader = status.leader.map_or("none known".to_owned(), |id| format!("replica {id}"));
    text.line("leader", &format!("{leader}, term {}", status.term));
    if let Some(change) = status.last_failover {
        text.line("last failover", &failover(&change));
    }
    let position = status.log;
    let numbers = [position.last, position.committed, position.applied].map(number);
    text.line("log", &format!("last {}, committed {}, applied {}", numbers[0], numbers[1], numbers[2]));
    text.line("floor", &format!("slot {}", number(status.floor.map(|slot| slot.get()))));
    if let Some(closed) = status.closed {
        text.line("closed", &format!("slot {closed}"));
    }
    text.line("watermark", &format!("slot {}", number(status.watermark.map(|slot| slot.get()))));

    let members: Vec<_> = status.members.iter().map(|member| member_row(member, status)).collect();
    text.table("members", &["id", "Raft id", "role", "reachable", "behind", "address"], &members);

    leadership(&mut text, &status.leadership);

    let endpoints = status.l1.endpoints.iter().enumerate().map(|(index, endpoint)| {
        vec![
            endpoint.url.clone().unwrap_or_else(|| format!("endpoint {}", index.saturating_add(1))),
            if endpoint.healthy { "healthy".into() } else { "passed over".into() },
            number(endpoint.head.map(|head| head.get())),
            endpoint.error.clone().unwrap_or_default(),
        ]
    });
    text.table("L1 endpoints", &["endpoint", "state", "head", "error"], &endpoints.collect::<Vec<_>>());
    let skew = status.l1.clock_skew_s.map_or("-".to_owned(), |skew| format!("{skew} s"));
    text.line("L1 head", &format!("{}, clock minus head {skew}", number(status.l1.head.map(|head| head.get()))));

    let tips = &status.l2_tips;
    text.line("L2 proposed", &format!("block {}", tips.proposed.number));
    for (name, tip) in [("checkpointed", &tips.checkpointed), ("proven", &tips.proven), ("finalized", &tips.finalized)] {
        text.line(&format!("L2 {name}"), &format!("block {}, checkpoint {}", tip.block.number, tip.checkpoint.number));
    }

    let publishers = status.publishers.iter().map(|publisher| vec![publisher.address.to_string(), ether(publisher.balance_wei)]);
    text.table("publishers", &["address", "ETH"], &publishers.collect::<Vec<_>>());

    let first = status.released.len().saturating_sub(SLOTS_SHOWN);
    let released: Vec<_> = status.released[first..].iter().map(released_row).collect();
    text.table("released", &["slot", "landed in L1 block", "led by", "duties"], &released);

    if !status.p2p.in_use {
        text.line(
            "p2p",
            &format!("not in use{}", status.p2p.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()),
        );
    }
    text.line("version", or_dash(&status.version));
    text.0
}

fn failover(change: &LeaderChange) -> String {
    let LeaderChange { from, to, term, at_ms, gap_ms } = change;
    format!("replica {from} to replica {to}, term {term}, at {} UTC, seen within {gap_ms} ms", time_of_day(*at_ms))
}

fn time_of_day(unix_ms: u64) -> String {
    let second = unix_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn leadership(text: &mut Text, leadership: &LeadershipSection) {
    let rows = leadership.replicas.iter().map(|replica| {
        vec![
            replica.id.to_string(),
            replica.class.map_or("unknown", |class| class.word()).to_owned(),
            replica.round_trip_us.map_or("-".to_owned(), milliseconds),
            replica.reasons.join("; "),
        ]
    });
    text.table("fitness to lead", &["id", "class", "round trip", "reasons"], &rows.collect::<Vec<_>>());
    if let Some(decision) = &leadership.decision {
        text.line("leadership", decision);
    }
    let timers = &leadership.timers;
    let sync = timers.sync_us.map_or("-".to_owned(), milliseconds);
    text.line(
        "timers",
        &format!(
            "{}: heartbeat {} ms, lease {} ms, election {} ms; a sync takes {sync}",
            or_dash(&timers.profile),
            timers.heartbeat_ms,
            timers.lease_ms,
            timers.election_timeout_ms
        ),
    );
}

/// Milliseconds with one decimal, cut.
fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

fn member_row(member: &Member, status: &ClusterStatus) -> Vec<String> {
    let role = match (member.voter, status.leader == Some(member.id)) {
        (_, true) => "leader",
        (true, false) => "follower",
        (false, false) => "learner",
    };
    let role = if member.witness { format!("{role}, witness") } else { role.to_owned() };
    let reachable = match member.reachable {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    let own = if member.id == status.replica.id { " (this)" } else { "" };
    let address = member.address.clone().unwrap_or_default();
    // A first member's Raft id is its name.
    let raft_id = if member.raft_id == member.id.get() { String::new() } else { member.raft_id.to_string() };
    vec![format!("{}{own}", member.id), raft_id, role, reachable.into(), number(member.lag), address]
}

fn released_row(released: &ReleasedSlot) -> Vec<String> {
    let kinds: Vec<_> = released.kinds.iter().map(|kind| duty_word(*kind)).collect();
    let leaders: Vec<_> = released.led_by.iter().map(ToString::to_string).collect();
    let landed = number(released.landed_l1_block.map(|block| block.get()));
    vec![released.slot.to_string(), landed, leaders.join(", then "), kinds.join(", ")]
}

fn role(role: RoleWord) -> &'static str {
    match role {
        RoleWord::Leader => "leader",
        RoleWord::Follower => "follower",
        RoleWord::Learner => "learner",
    }
}

fn duty_state(state: DutyState) -> &'static str {
    match state {
        DutyState::Standby => "standby",
        DutyState::CatchingUp => "catching up",
        DutyState::Active => "active",
    }
}

/// A kind of duty for a person.
pub(crate) fn duty_word(kind: DutyWord) -> &'static str {
    match kind {
        DutyWord::BlockProposal => "block",
        DutyWord::CheckpointProposal => "checkpoint",
        DutyWord::Attestation => "attestation",
        DutyWord::AttestationsAndSigners => "bundle",
        DutyWord::GovernanceVote => "governance vote",
        DutyWord::SlashingVote => "slashing vote",
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or("-".into(), |number| number.to_string())
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Ether with six decimals, cut.
fn ether(wei: u128) -> String {
    format!("{}.{:06}", wei / WEI_PER_ETHER, wei % WEI_PER_ETHER / WEI_PER_MICROETHER)
}

/// Text under construction. Values come from the network: control characters are replaced, so that a hostile server cannot
/// write to the terminal.
#[derive(Default)]
struct Text(String);

impl Text {
    const LABEL_WIDTH: usize = 16;

    /// A line whose value may be coloured; the value is ours, not the network's.
    fn heading(&mut self, label: &str, value: &'static str, colour: Option<u8>) {
        let width = Self::LABEL_WIDTH;
        let written = match colour {
            Some(colour) => writeln!(self.0, "{label:<width$}\u{1b}[{colour}m{value}\u{1b}[0m"),
            None => writeln!(self.0, "{label:<width$}{value}"),
        };
        written.expect("a String takes every write");
    }

    fn line(&mut self, label: &str, value: &str) {
        let width = Self::LABEL_WIDTH;
        writeln!(self.0, "{label:<width$}{}", printable(value)).expect("a String takes every write");
    }

    fn table(&mut self, title: &str, heads: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return;
        }
        let cell = |row: &Vec<String>, column: usize| row.get(column).map(|cell| printable(cell)).unwrap_or_default();
        let widths: Vec<_> = (0..heads.len())
            .map(|column| {
                let cells = rows.iter().map(|row| cell(row, column).chars().count());
                cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
            })
            .collect();
        let padded = |texts: Vec<String>| {
            let cells: Vec<_> = texts.iter().zip(&widths).map(|(text, &width)| format!("{text:<width$}")).collect();
            format!("  {}", cells.join("  ")).trim_end().to_owned()
        };
        let head = padded(heads.iter().map(|&head| head.to_owned()).collect());
        let body = rows.iter().map(|row| padded((0..heads.len()).map(|column| cell(row, column)).collect()));
        let lines: Vec<_> = [title.to_owned(), head].into_iter().chain(body).collect();
        writeln!(self.0, "{}", lines.join("\n")).expect("a String takes every write");
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use ollin_protocol::units::{L1BlockNumber, ReplicaId, Slot};
    use ollin_rpc::view::{PublisherBalance, Warning};

    use super::*;

    fn status() -> ClusterStatus {
        let mut status =
            ClusterStatus { cluster_id: Some("ab".repeat(16)), leader: Some(ReplicaId::new(2)), ..ClusterStatus::default() };
        status.replica.id = ReplicaId::new(1);
        for (id, reachable) in [(1, Some(true)), (2, None), (13, Some(false))] {
            let (id, raft_id) = (ReplicaId::new(id), id);
            let (voter, lag) = (raft_id < 3, Some(raft_id));
            status.members.push(Member { id, raft_id, address: None, voter, witness: false, reachable, rules: None, lag });
        }
        status.publishers.push(PublisherBalance { address: Address::ZERO, balance_wei: 1_234_567_890_123_456_789 });
        status.released = (0..12)
            .map(|slot| ReleasedSlot {
                slot: Slot::new(slot),
                kinds: vec![DutyWord::BlockProposal, DutyWord::AttestationsAndSigners],
                landed_l1_block: Some(L1BlockNumber::new(100)),
                led_by: vec![ReplicaId::new(1), ReplicaId::new(2)],
            })
            .collect();
        let (from, to) = (ReplicaId::new(1), ReplicaId::new(2));
        status.last_failover = Some(LeaderChange { from, to, term: 6, at_ms: 45_296_000, gap_ms: 512 });
        status
    }

    #[test]
    fn the_last_failover_and_who_led_each_slot_are_shown() {
        let text = render(&status(), &Health::Healthy, Ink::Plain);
        assert!(text.contains("last failover   replica 1 to replica 2, term 6, at 12:34:56 UTC, seen within 512 ms\n"), "{text}");
        assert!(text.contains("1, then 2"), "{text}");
    }

    #[test]
    fn columns_are_aligned_and_the_leader_is_named() {
        let text = render(&status(), &Health::Healthy, Ink::Plain);
        let rows: Vec<_> = text.lines().skip_while(|line| *line != "members").skip(1).take(4).collect();
        let at = |row: &str, word: &str| row.find(word).unwrap_or_else(|| panic!("{word} not in {row}"));
        assert_eq!(at(rows[0], "role"), at(rows[1], "follower"));
        assert_eq!(at(rows[0], "role"), at(rows[2], "leader"));
        assert_eq!(at(rows[0], "reachable"), at(rows[3], "NO"));
        assert!(rows[1].contains("1 (this)") && rows[3].contains("learner"));
        assert!(text.contains("1.234567"), "{text}");
    }

    #[test]
    fn the_first_lines_say_how_the_cluster_is_and_why() {
        let degraded = Health::Degraded(vec!["replica 3 does not answer".to_owned()]);
        let text = render(&status(), &degraded, Ink::Plain);
        assert!(text.starts_with("health          degraded\n                replica 3 does not answer\n"), "{text}");
        assert!(render(&status(), &degraded, Ink::Colour).contains("\u{1b}[33mdegraded\u{1b}[0m"));
    }

    #[test]
    fn only_the_newest_slots_are_shown() {
        let text = render(&status(), &Health::Healthy, Ink::Plain);
        assert!(!text.contains("\n  3 ") && text.contains("\n  4 ") && text.contains("\n  11 "), "{text}");
        assert!(text.contains("block, bundle"));
    }

    #[test]
    fn a_hostile_document_writes_no_control_characters() {
        let mut hostile = status();
        hostile.warnings.push(Warning { code: "x\u{1b}[2J".into(), message: "a\nb".into() });
        let text = render(&hostile, &Health::of(&hostile), Ink::Plain);
        assert!(!text.contains('\u{1b}') && text.contains("a\u{fffd}b"));
    }

    #[test]
    fn an_empty_document_renders() {
        assert!(render(&ClusterStatus::default(), &Health::Healthy, Ink::Plain).contains("not created"));
    }
}
