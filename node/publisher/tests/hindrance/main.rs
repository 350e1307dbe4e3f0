//! What keeps a slot from landing, as sequencer and publisher state it: both at work on the real contracts, with a real signing log of
//! one replica and a real archiver. The words that operators read for it are in `node/src/duties/missed`.

#![allow(clippy::unwrap_used, reason = "tests, helpers included")]

mod replica;

use ollin_dev_l1::{DevL1, Options, Profile};
use ollin_guard::Refusal;
use ollin_publisher::PublishHindrance;
use ollin_publisher::fees::FeeCaps;
use ollin_sequencer::Hindrance;

use replica::{Manner, Replica, Told};

const NOBODYS_ETHER: &str = "0x00000000000000000000000000000000000000000000000000000000000a11ce";

async fn dev_l1() -> DevL1 {
    ollin_dev_l1::start(Options::new(Profile::Demo)).await.unwrap()
}

fn manner() -> Manner {
    Manner::default()
}

/// None of these lands a checkpoint: they share an L1, side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_the_way_is_stated_by_whom_it_stops() {
    let dev = dev_l1().await;
    let dear = FeeCaps { max_fee_wei: 1, ..FeeCaps::default() };
    let told = async |manner| Replica::start(&dev, manner).await.told().await;
    let (empty, late, handing_over, below_floor, unsigned, capped, poor) = tokio::join!(
        told(Manner { build_if_empty: false, ..manner() }),
        told(Manner { always_late: true, ..manner() }),
        told(Manner { handing_over: true, ..manner() }),
        told(Manner { slots_to_floor: 10, ..manner() }),
        told(Manner { outlet_full: true, ..manner() }),
        told(Manner { caps: dear, ..manner() }),
        told(Manner { publisher: Some(NOBODYS_ETHER), ..manner() }),
    );
    let of_sequencer = [
        (empty, Hindrance::NothingToBuild, "NothingToBuild"),
        (late, Hindrance::Late, "TooLateToStart"),
        (handing_over, Hindrance::HandingOver, "leadership"),
        (unsigned, Hindrance::SignerFailed, "outlet record"),
    ];
    for (told, hindrance, words) in of_sequencer {
        let Told::Sequencer(report) = told else { panic!("expected {hindrance:?}, told {told:?}") };
        assert!(report.hindrance == hindrance && report.detail.contains(words), "{report:?}");
    }
    let Told::Sequencer(report) = below_floor else { panic!("{below_floor:?}") };
    assert!(matches!(report.hindrance, Hindrance::Refused(Refusal::BelowFloor { .. })), "{report:?}");
    let of_publisher =
        [(capped, PublishHindrance::FeesAboveCap, "the cap is 1"), (poor, PublishHindrance::Failed, "too little ether")];
    for (told, hindrance, words) in of_publisher {
        let Told::Publisher(report) = told else { panic!("expected {hindrance:?}, told {told:?}") };
        assert!(report.hindrance == hindrance && report.detail.contains(words), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_and_not_mined_is_told_so_and_an_l1_that_stands_still_is_not_read() {
    let dev = dev_l1().await;
    let mut replica = Replica::start(&dev, manner()).await;
    // Blocks come, and hold no transaction: to the end of the slot in which it was sent.
    let blocks = 4 * dev.info().slot_duration;
    let (withheld, told) = tokio::join!(dev.withhold_inclusion(blocks), replica.told());
    withheld.unwrap();
    let Told::Publisher(report) = told else { panic!("{told:?}") };
    assert_eq!(report.hindrance, PublishHindrance::NotMined, "{report:?}");
    assert!(report.detail.contains("was sent"), "{report:?}");

    dev.pause_mining().await.unwrap();
    let told = replica.told_of_next_slot().await;
    assert_eq!(told.hindrance, Hindrance::L1Behind, "{told:?}");
}
