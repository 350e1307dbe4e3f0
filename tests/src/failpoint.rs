//! Arming, seeing and releasing the named points of a test build.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::wait::until;

/// A named point of a slot: where a replica can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Before the slot's first claim.
    BeforeFirstClaim,
    /// The block's claim is committed, its grant unused.
    ClaimCommitted,
    /// The block is signed.
    BlockSigned,
    /// The checkpoint's claim is committed.
    CheckpointClaimed,
    /// The bundle's claim is committed.
    BundleClaimed,
    /// The attempt is in the log, nothing was sent.
    AttemptRecorded,
    /// The attempt was sent and is not mined.
    AttemptSent,
    /// A sync of the log has begun; apart from any slot.
    LogSync,
    /// The leader has taken an order about the members, and changed nothing.
    OrderTaken,
    /// A new replica's Raft id is given, and it is no member yet.
    IdReserved,
    /// The joint configuration of a change of voters is committed, its end is not proposed.
    JointApplied,
    /// A change of the members is committed, and not answered.
    MembersChanged,
}

impl Point {
    /// Those of a change of the members, in its order.
    pub const OF_MEMBERS: [Self; 4] = [Self::OrderTaken, Self::IdReserved, Self::JointApplied, Self::MembersChanged];

    /// Those of a slot, in its order.
    pub const ALL: [Self; 7] = [
        Self::BeforeFirstClaim,
        Self::ClaimCommitted,
        Self::BlockSigned,
        Self::CheckpointClaimed,
        Self::BundleClaimed,
        Self::AttemptRecorded,
        Self::AttemptSent,
    ];

    /// Its name in the failpoint directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeFirstClaim => "before-first-claim",
            Self::ClaimCommitted => "claim-committed",
            Self::BlockSigned => "block-signed",
            Self::CheckpointClaimed => "checkpoint-claimed",
            Self::BundleClaimed => "bundle-claimed",
            Self::AttemptRecorded => "attempt-recorded",
            Self::AttemptSent => "attempt-sent",
            Self::LogSync => "log-sync",
            Self::OrderTaken => "order-taken",
            Self::IdReserved => "id-reserved",
            Self::JointApplied => "joint-applied",
            Self::MembersChanged => "members-changed",
        }
    }

    /// Whether something is claimed for the slot once this point is reached.
    pub const fn claimed(self) -> bool {
        matches!(
            self,
            Self::ClaimCommitted
                | Self::BlockSigned
                | Self::CheckpointClaimed
                | Self::BundleClaimed
                | Self::AttemptRecorded
                | Self::AttemptSent
        )
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What a replica wrote when it reached a point.
#[derive(Clone, Debug, Deserialize)]
pub struct Hit {
    /// The slot it was working for.
    pub slot: u64,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// The failpoint directory of one replica.
#[derive(Clone, Debug)]
pub struct Failpoints(PathBuf);

impl Failpoints {
    /// The directory at `path`, made if need be.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn at(path: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Arms `point`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn arm(&self, point: Point) -> Result<()> {
        std::fs::write(self.file(point, "arm"), b"").with_context(|| format!("arming {point}"))
    }

    /// Takes `point` back, unless it was reached.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn disarm(&self, point: Point) -> Result<()> {
        match std::fs::remove_file(self.file(point, "arm")) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => Err(fault).context(format!("disarming {point}")),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes a point apart from any slot take so long each time, until [`Failpoints::clear`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn slow(&self, point: Point, each_ms: u64) -> Result<()> {
        std::fs::write(self.file(point, "slow"), each_ms.to_string()).with_context(|| format!("slowing {point}"))
    }

    /// What was written at `point`, if it was reached.
    pub fn hit(&self, point: Point) -> Option<Hit> {
        serde_json::from_slice(&std::fs::read(self.file(point, "hit")).ok()?).ok()
    }

    /// Whether any point was reached since [`Failpoints::clear`].
    pub fn hit_any(&self) -> bool {
        points().any(|point| self.hit(point).is_some())
    }

    /// Waits until `point` is reached.
    ///
    /// # Errors
    /// When it is not within `patience`.
    pub async fn reached(&self, point: Point, patience: Duration) -> Result<Hit> {
        Ok(until(format!("failpoint {point}"), patience, || std::future::ready(self.hit(point))).await?)
    }

    /// Lets a replica that stands at `point` go on (a stopped one: when it wakes).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn release(&self, point: Point) -> Result<()> {
        std::fs::write(self.file(point, "go"), b"").with_context(|| format!("releasing {point}"))
    }

    /// Forgets every point: nothing armed, nothing reached, nothing released.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn clear(&self) -> Result<()> {
        for point in points() {
            for ending in ["arm", "hit", "go", "slow"] {
                match std::fs::remove_file(self.file(point, ending)) {
                    Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault.into()),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn file(&self, point: Point, ending: &str) -> PathBuf {
        self.0.join(format!("{point}.{ending}"))
    }
}

fn points() -> impl Iterator<Item = Point> {
    Point::ALL.into_iter().chain([Point::LogSync]).chain(Point::OF_MEMBERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_seen_and_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let points = Failpoints::at(directory.path().join("points")).unwrap();
        points.arm(Point::BlockSigned).unwrap();
        assert!(points.hit(Point::BlockSigned).is_none(), "armed is not reached");
        // As `ollin_consensus::failpoint` does it.
        let line = b"{\"point\":\"block-signed\",\"slot\":9,\"time_ms\":5}\n";
        std::fs::write(points.path().join("block-signed.arm"), line).unwrap();
        std::fs::rename(points.path().join("block-signed.arm"), points.path().join("block-signed.hit")).unwrap();
        assert_eq!(points.hit(Point::BlockSigned).unwrap().slot, 9);
        points.release(Point::BlockSigned).unwrap();
        points.clear().unwrap();
        assert_eq!(std::fs::read_dir(points.path()).unwrap().count(), 0);
    }
}
