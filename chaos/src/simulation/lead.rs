//! The loop of a process that says whether it should lead, around the real rules of fitness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ollin_consensus::fitness::{
    Assessment, Candidate, Class, Decision, History, Patience, Reference, Report, Rules, Situation, Steady, decide, stands_back,
};
use ollin_consensus::{Peer, Role, SigningLog};
use ollin_protocol::units::ReplicaId;

use super::duties::{Site, pause};
use super::host::SLOT;
use super::network::world;
use super::story::Event;

/// Pause between looks.
const TICK: Duration = Duration::from_millis(250);
/// A slot is a second here and more than a minute in the world: patience is as much shorter.
const PATIENCE: Patience = Patience { unable_ms: 300, other_ms: 1_000 };
/// So long an L1 slot counts for, as far as lagging behind goes: four blocks are a slot here.
const L1_SLOT_MS: u64 = 6_000;
/// A sync that takes longer is slow.
const SYNC_LIMIT_MS: u32 = 100;

/// Judges and hands over.
pub(super) struct Lead {
    site: Arc<Site>,
    log: SigningLog,
    steady: BTreeMap<ReplicaId, Steady>,
    seen: Option<Class>,
}

/// Every replica's class now.
struct Classes {
    own: Class,
    others: Vec<Candidate>,
}

impl Lead {
    pub(super) fn new(site: Arc<Site>, log: SigningLog) -> Self {
        Self { site, log, steady: BTreeMap::new(), seen: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            pause(TICK).await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let head = self.site.l1.head(self.site.host);
        self.log.set_report(Report {
            can_grant: true,
            l1_endpoints: 1,
            l1_endpoints_up: u16::from(head.is_some()),
            l1_head: head.map(|head| head.number),
            archiver_block: head.map(|head| head.number),
            ..Report::default()
        });
        let (rules, now_ms) = (rules(), millis(world().elapsed()).saturating_add(rules().window_ms));
        let Classes { own, others } = self.classes();
        if self.seen.replace(own) != Some(own) {
            self.site.tell(Event::Class { host: self.site.host, replica: self.site.replica, class: own });
        }
        if !matches!(*self.log.role().borrow(), Role::Active { .. } | Role::CatchingUp { .. }) {
            let leaderless_ms = self.log.leaderless().map_or(0, millis);
            self.log.set_campaigns(!stands_back(own, &others, leaderless_ms, &rules));
            return;
        }
        let history = self.history(now_ms);
        if let Decision::HandOver { to, class } = decide(&Situation { now_ms, own, others: &others, history: &history }, &rules) {
            self.site.tell(Event::HandsOver { host: self.site.host, own, to, class });
            drop(self.log.hand_over_by_fitness(to).await);
        }
    }

    fn history(&self, now_ms: u64) -> History {
        let own = self.log.report().hand_overs_ms;
        let peers = self.log.peers();
        let theirs = peers.iter().filter_map(|peer| peer.report.as_ref()).flat_map(|(report, age)| {
            let age_ms = millis(*age);
            report.hand_overs_ms.iter().map(move |ago| ago.saturating_add(age_ms))
        });
        History::new(own.into_iter().chain(theirs).map(|ago| now_ms.saturating_sub(ago)).collect())
    }

    fn classes(&mut self) -> Classes {
        let now_ms = millis(world().elapsed());
        let own = self.log.report();
        let peers = self.log.peers();
        let fresh = |peer: &&Peer| peer.report.as_ref().is_some_and(|(_, age)| millis(*age) <= rules().fresh_ms);
        let reports = peers.iter().filter(fresh).filter_map(|peer| peer.report.as_ref().map(|(report, _)| report));
        let reference = Reference::of(reports.chain([&own]), L1_SLOT_MS, SYNC_LIMIT_MS);
        let assessment = Assessment::of(&own, &reference);
        // To hand over, the own trouble must have lasted and be there now; to be handed leadership, the other's absence of trouble.
        let steady = self.steady.entry(self.site.replica).or_default();
        let class = steady.observe(now_ms, &assessment, PATIENCE).max(assessment.class);
        let mut others = Vec::new();
        for peer in peers.iter().filter(|peer| peer.voter) {
            let Some((report, age)) = &peer.report else { continue };
            let assessment = Assessment::of(report, &reference);
            let steady = self.steady.entry(peer.id).or_default();
            let class = steady.observe(now_ms, &assessment, PATIENCE).min(assessment.class);
            others.push(Candidate { id: peer.id, class, age_ms: millis(*age), lag: peer.lag });
        }
        Classes { own: class, others }
    }
}

fn rules() -> Rules {
    Rules::for_slots(millis(SLOT))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
