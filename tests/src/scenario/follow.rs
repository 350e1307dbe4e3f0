//! An official node that starts empty and sees only L1 and the blob store agrees with us at every height, then follows live.

use anyhow::Result;

use crate::follower::{Follower, wrapper};
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

/// `live` is how many further slots it follows.
pub(super) async fn play(world: &mut World, live: u64) -> Result<Outcome> {
    let mut outcome = Outcome::new("follower", &["heights", "archives equal", "block hashes equal"]);
    let follower = Follower::start(&wrapper()?, world.facts(), world.directory()).await?;
    let past = newest(world).await?;
    follower.reached(past, world.clock().slots(5)).await?;
    compare(world, &follower, 1, past, &mut outcome).await?;
    let target = past + live;
    let look = || async { newest(world).await.ok().filter(|height| *height >= target) };
    let patience = world.clock().slots(u32::try_from(live)?.saturating_add(2));
    until(format!("checkpoint {target} on L1"), patience, look).await?;
    follower.reached(target, world.clock().slots(3)).await?;
    compare(world, &follower, past + 1, target, &mut outcome).await?;
    outcome.figure("heights compared with the official follower", format!("{past} from empty, {live} live"));
    Ok(outcome)
}

/// Height of the newest checkpoint on L1; every checkpoint has one block for now.
async fn newest(world: &World) -> Result<u64> {
    Ok(world.chain().landed().await?.into_values().map(|one| one.checkpoint()).max().unwrap_or(0))
}

async fn compare(world: &World, follower: &Follower, first: u64, last: u64, outcome: &mut Outcome) -> Result<()> {
    let named = || std::future::ready(world.block_hashes().contains_key(&last).then_some(()));
    until(format!("our block hash at height {last}"), world.clock().slots(1), named).await?;
    let ours = world.chain().landed().await?;
    let hashes = world.block_hashes();
    let mut equal = [0_u64; 2];
    for height in first..=last {
        // The newest one where L1 dropped another.
        let archive = ours.values().rev().find(|one| one.checkpoint() == height).map(|one| one.fact.archive);
        let followed = follower.block(height).await?;
        let same_archive = archive == Some(followed.archive);
        // Our hash must name that very block there, by the official node's own hashing.
        let same_hash = match hashes.get(&height) {
            Some(hash) => follower.height_of(*hash).await? == Some(height),
            None => false,
        };
        equal[0] += u64::from(same_archive);
        equal[1] += u64::from(same_hash);
        if !(same_archive && same_hash) {
            let named = hashes.get(&height);
            outcome.check(format!("height {height}: archive {archive:?}, hash {named:?}, the follower has {followed:?}"), false);
        }
    }
    let count = (last + 1).saturating_sub(first);
    outcome.table.row([format!("{first}..={last}"), format!("{}/{count}", equal[0]), format!("{}/{count}", equal[1])]);
    outcome.check(
        format!("archive root and block hash are equal at heights {first}..={last}"),
        equal == [count, count] && count > 0,
    );
    Ok(())
}
