//! `ollin duties import --from-postgres` on a real PostgreSQL with the official table in it.

#![allow(clippy::unwrap_used, reason = "tests, helpers included")]

mod server;

use std::path::Path;
use std::process::{Command, Output};

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use ollin_guard::interchange::Interchange;
use ollin_protocol::signature::eip191;
use ollin_protocol::units::Slot;

use server::Server;

const ROLLUP: &str = "0xcccccccccccccccccccccccccccccccccccccccc";

/// As the official migration makes it. Source: npm @aztec/validator-ha-signer 4.1.2, `src/db/schema.ts`.
const SCHEMA: &str = "
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
INSERT INTO schema_version (version) VALUES (1);
CREATE TABLE validator_duties (
  rollup_address VARCHAR(42) NOT NULL, validator_address VARCHAR(42) NOT NULL, slot BIGINT NOT NULL, block_number BIGINT NOT NULL,
  block_index_within_checkpoint INTEGER NOT NULL DEFAULT 0,
  duty_type VARCHAR(30) NOT NULL CHECK (duty_type IN ('BLOCK_PROPOSAL', 'CHECKPOINT_PROPOSAL', 'ATTESTATION',
    'ATTESTATIONS_AND_SIGNERS', 'GOVERNANCE_VOTE', 'SLASHING_VOTE')),
  status VARCHAR(20) NOT NULL CHECK (status IN ('signing', 'signed')), message_hash VARCHAR(66) NOT NULL, signature VARCHAR(132),
  node_id VARCHAR(255) NOT NULL, lock_token VARCHAR(64) NOT NULL, started_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  completed_at TIMESTAMP, error_message TEXT,
  PRIMARY KEY (rollup_address, validator_address, slot, duty_type, block_index_within_checkpoint),
  CHECK (completed_at IS NULL OR completed_at >= started_at))";

fn attester() -> Address {
    Address::from_private_key(&SigningKey::from_slice(&[7; 32]).unwrap())
}

/// The row of an attestation; what was signed is shown by its signature, if there is one.
fn row(slot: u64, hash: B256, is_signed: bool) -> String {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let (signature, recovery) = key.sign_prehash_recoverable(eip191(hash).get().as_slice()).unwrap();
    let bytes = [signature.to_bytes().as_slice(), &[27 + recovery.to_byte()]].concat();
    let (status, signature) =
        if is_signed { ("signed", format!("'0x{}'", hex::encode(bytes))) } else { ("signing", "NULL".to_owned()) };
    format!(
        "INSERT INTO validator_duties (rollup_address, validator_address, slot, block_number, block_index_within_checkpoint, duty_type, \
         status, message_hash, signature, node_id, lock_token) VALUES ('{ROLLUP}', '{}', {slot}, {slot}, -1, 'ATTESTATION', \
         '{status}', '{hash}', {signature}, 'node-1', 'token')",
        attester().to_string().to_lowercase()
    )
}

/// The table of a role of its own, and a second role that may write it: as operators have it.
fn database() -> Server {
    let server = Server::start();
    server.told("postgres", "CREATE ROLE aztec LOGIN; CREATE ROLE signer LOGIN; GRANT CREATE ON SCHEMA public TO aztec");
    server.told("aztec", SCHEMA);
    server.told(
        "aztec",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON validator_duties TO signer; GRANT INSERT ON validator_duties TO PUBLIC",
    );
    server.told("signer", &format!("{}; {}", row(9, B256::repeat_byte(9), true), row(12, B256::repeat_byte(12), false)));
    server
}

fn import(url: &str, out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ollin"));
    command.args(["duties", "import", "--from-postgres", url, "--l1-chain-id", "31337", "--out"]).arg(out);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_old_writers_lose_their_rights_with_the_read_and_what_they_signed_is_handed_over() {
    let (server, directory) = (database(), tempfile::tempdir().unwrap());
    let file = directory.path().join("duties.json");
    let imported = import(&server.url("aztec"), &file);
    assert!(imported.status.success(), "{}", said(&imported));
    assert!(said(&imported).contains("signer") && said(&imported).contains("PUBLIC"), "{}", said(&imported));

    let interchange = Interchange::parse(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((interchange.rollup(), interchange.chain_id()), (ROLLUP.parse().unwrap(), 31337));
    let standing = interchange.attesters()[&attester()];
    assert!(standing.released && standing.stop_line == Slot::new(12), "also what was only begun: {standing:?}");
    let (duty, root) = interchange.duties().iter().next().unwrap();
    assert_eq!((interchange.duties().len(), duty.slot, *root), (1, Slot::new(9), eip191(B256::repeat_byte(9))));

    // Nobody writes any more: neither the signer, nor the owner after granting itself anew, nor a superuser.
    let next = row(13, B256::repeat_byte(13), false);
    let (written, refusal) = server.psql("signer", &next);
    assert!(!written && refusal.contains("permission denied"), "{refusal}");
    let (written, refusal) = server.psql("aztec", &next);
    assert!(!written && refusal.contains("permission denied"), "{refusal}");
    for (role, statements) in [
        ("aztec", format!("GRANT ALL ON validator_duties TO aztec; {next}")),
        ("postgres", next.clone()),
        ("postgres", format!("SET session_replication_role = replica; {next}")),
        ("postgres", "DELETE FROM validator_duties".to_owned()),
        ("postgres", "TRUNCATE validator_duties".to_owned()),
    ] {
        let (written, refusal) = server.psql(role, &statements);
        assert!(!written && refusal.contains("was taken over by an Ollin cluster"), "{role}, {statements}: {refusal}");
    }
    // A command that was interrupted behind the commit is given again, and finds the same.
    let again = directory.path().join("again.json");
    let imported = import(&server.url("aztec"), &again);
    assert!(imported.status.success(), "{}", said(&imported));
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&file).unwrap());
}

#[test]
fn a_role_that_cannot_take_rights_away_changes_and_reads_nothing() {
    let (server, directory) = (database(), tempfile::tempdir().unwrap());
    let file = directory.path().join("duties.json");
    let refused = import(&server.url("signer"), &file);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("connect as its owner, aztec"), "{}", said(&refused));
    assert!(!file.exists());
    server.told("signer", &row(13, B256::repeat_byte(13), false));
}

#[test]
fn a_table_of_another_version_or_of_several_rollups_is_left_as_it_is() {
    let (server, directory) = (database(), tempfile::tempdir().unwrap());
    let file = directory.path().join("duties.json");
    server.told("signer", &row(13, B256::repeat_byte(13), false).replace(ROLLUP, "0xdddddddddddddddddddddddddddddddddddddddd"));
    let refused = import(&server.url("postgres"), &file);
    assert!(refused.status.code() == Some(3) && said(&refused).contains("--rollup"), "{}", said(&refused));
    server.told("aztec", "INSERT INTO schema_version (version) VALUES (2)");
    let refused = import(&server.url("postgres"), &file);
    assert!(refused.status.code() == Some(3) && said(&refused).contains("version Some(2)"), "{}", said(&refused));
    server.told("signer", &row(14, B256::repeat_byte(14), false));
}

/// A writer that had begun is waited for, and what it wrote is read.
#[test]
fn what_is_being_written_is_waited_for_and_read() {
    let (server, directory) = (database(), tempfile::tempdir().unwrap());
    let file = directory.path().join("duties.json");
    let slow = format!("BEGIN; {}; SELECT pg_sleep(2); COMMIT", row(20, B256::repeat_byte(20), true));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| server.told("signer", &slow));
        let begun = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                     WHERE c.relname = 'validator_duties' AND l.mode = 'RowExclusiveLock'";
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while server.told("postgres", begun) == "0" {
            assert!(std::time::Instant::now() < deadline, "the writer does not begin");
        }
        let imported = import(&server.url("aztec"), &file);
        assert!(imported.status.success(), "{}", said(&imported));
        writer.join().unwrap();
    });
    let interchange = Interchange::parse(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(interchange.stop_line(), Slot::new(20));
}
