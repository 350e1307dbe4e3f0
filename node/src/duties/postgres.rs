//! `ollin duties import --from-postgres`: takes the official HA signers' table over (safety rule R9).
//!
//! One transaction takes away every writer's rights and then reads the table. A trigger stops whoever writes with rights of another kind
//! (a superuser, the owner after granting itself anew); both stay. Whoever signs by the official protection has to write first, so nothing
//! is signed any more that was not read. If the connecting role cannot do that, nothing is changed and nothing is read.

use alloy_primitives::Address;
use anyhow::Context;
use ollin_guard::limit::MAX_IMPORTED_DUTIES;
use tokio_postgres::{Client, NoTls, Transaction};

use super::official::{Row, Table};
use crate::refusal::Refusal;

/// The schema of 4.1.2.
const SCHEMA_VERSION: i32 = 1;

/// A writer that has begun may end; a new one waits behind us. Longer than any of the official signers' statements takes.
const PREPARE: &str = "SET LOCAL lock_timeout = '30s'; SET LOCAL client_min_messages = 'warning'";

/// Who owns the table, where it is, and whether this role may act as the owner.
const OWNER: &str = "
SELECT n.nspname::text, o.rolname::text, current_user::text, pg_has_role(current_user, c.relowner, 'USAGE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
WHERE c.oid = to_regclass('validator_duties')";

/// Everybody with a right to write, the owner included; NULL is everybody.
const WRITERS: &str = "
SELECT DISTINCT r.rolname::text
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
CROSS JOIN LATERAL (
    SELECT * FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner)))
    UNION ALL SELECT * FROM aclexplode(a.attacl)
) granted
LEFT JOIN pg_roles r ON r.oid = granted.grantee
WHERE c.oid = to_regclass('validator_duties') AND granted.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')";

/// What an official signer does first. It has to fail.
const TRY_TO_WRITE: &str = "
INSERT INTO validator_duties (rollup_address, validator_address, slot, block_number, block_index_within_checkpoint, duty_type, status,
    message_hash, node_id, lock_token)
VALUES ('0x', '0x', 0, 0, -1, 'ATTESTATION', 'signing', '0x', 'ollin', 'ollin')";

/// What was read, after the old writers' rights were taken away.
pub(super) struct TakenOver {
    pub(super) table: Table,
    /// Whose rights were taken away, for a person.
    pub(super) writers: Vec<String>,
}

/// Takes the table over. `rollup`: which one's duties, where the table holds those of several.
///
/// # Errors
/// A [`Refusal`] of the code `postgres`; nothing was changed.
pub(super) async fn take_over(url: &str, rollup: Option<Address>) -> Result<TakenOver, Refusal> {
    // The message must not repeat the URL, which may hold a password.
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.context("the database of --from-postgres")?;
    let connection = tokio::spawn(connection);
    let taken = in_transaction(&mut client, rollup).await;
    drop(client);
    // Its errors were those of the statements.
    let _ended = connection.await;
    taken
}

async fn in_transaction(client: &mut Client, rollup: Option<Address>) -> Result<TakenOver, Refusal> {
    let mut transaction = client.transaction().await.context("the database of --from-postgres")?;
    transaction.batch_execute(PREPARE).await.map_err(failed)?;
    let schema = owned(&transaction).await?;
    let writers = lock_out(&transaction, &schema).await?;
    refuses_to_be_written(&mut transaction).await?;
    let table = read(&transaction, rollup).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(TakenOver { table, writers })
}

/// The table's schema, if it is the official one and this role may take rights away.
async fn owned(transaction: &Transaction<'_>) -> Result<String, Refusal> {
    let found = transaction.query_opt(OWNER, &[]).await.map_err(failed)?;
    let found = found.ok_or_else(|| refused("there is no table validator_duties in this database's search path".to_owned()))?;
    let (schema, owner, own, may): (String, String, String, bool) = (found.get(0), found.get(1), found.get(2), found.get(3));
    if !may {
        return Err(refused(format!(
            "role {own} does not own validator_duties and can take nobody's right to write it: connect as its owner, {owner}, or as a \
             superuser"
        )));
    }
    let version = transaction.query_opt("SELECT max(version) FROM schema_version", &[]).await.map_err(failed)?;
    let version: Option<i32> = version.and_then(|row| row.get(0));
    if version != Some(SCHEMA_VERSION) {
        return Err(refused(format!("the table's schema has version {version:?}, expected {SCHEMA_VERSION}, that of 4.1.2")));
    }
    Ok(schema)
}

/// Takes away all rights to write, and puts a trigger before every write. The trigger's making waits for writers that have begun, and
/// holds off others to the end of the transaction.
async fn lock_out(transaction: &Transaction<'_>, schema: &str) -> Result<Vec<String>, Refusal> {
    let schema = quoted(schema);
    let trigger = format!(
        "CREATE OR REPLACE FUNCTION {schema}.ollin_has_taken_over() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'validator_duties was taken over by an Ollin cluster: nothing may be signed by it any more'; END $$;
         DROP TRIGGER IF EXISTS ollin_has_taken_over ON {schema}.validator_duties;
         CREATE TRIGGER ollin_has_taken_over BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {schema}.validator_duties
         FOR EACH STATEMENT EXECUTE FUNCTION {schema}.ollin_has_taken_over();
         ALTER TABLE {schema}.validator_duties ENABLE ALWAYS TRIGGER ollin_has_taken_over"
    );
    transaction.batch_execute(&trigger).await.map_err(failed)?;
    let found = transaction.query(WRITERS, &[]).await.map_err(failed)?;
    let mut writers = Vec::new();
    for row in found {
        let role: Option<String> = row.get(0);
        let grantee = role.as_deref().map_or_else(|| "PUBLIC".to_owned(), quoted);
        let revoke = format!("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {schema}.validator_duties FROM {grantee} CASCADE");
        transaction.batch_execute(&revoke).await.map_err(failed)?;
        writers.push(role.unwrap_or_else(|| "PUBLIC".to_owned()));
    }
    let left = transaction.query(WRITERS, &[]).await.map_err(failed)?;
    if let Some(row) = left.first() {
        let role: Option<String> = row.get(0);
        let role = role.unwrap_or_else(|| "PUBLIC".to_owned());
        return Err(refused(format!(
            "role {role} could still write validator_duties after its rights were revoked: see who granted them"
        )));
    }
    Ok(writers)
}

/// Tries what an official signer would do, also as a superuser.
async fn refuses_to_be_written(transaction: &mut Transaction<'_>) -> Result<(), Refusal> {
    let attempt = transaction.savepoint("attempt").await.map_err(failed)?;
    let written = attempt.batch_execute(TRY_TO_WRITE).await;
    attempt.rollback().await.map_err(failed)?;
    if written.is_ok() {
        return Err(refused("validator_duties can still be written after all rights were revoked".to_owned()));
    }
    Ok(())
}

async fn read(transaction: &Transaction<'_>, rollup: Option<Address>) -> Result<Table, Refusal> {
    let rollups = "SELECT DISTINCT lower(rollup_address) FROM validator_duties ORDER BY 1";
    let found: Vec<String> = transaction.query(rollups, &[]).await.map_err(failed)?.iter().map(|row| row.get(0)).collect();
    let wanted = match (rollup, found.as_slice()) {
        (Some(rollup), _) => rollup.to_string().to_lowercase(),
        (None, [only]) => only.clone(),
        (None, _) => {
            let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            return Err(refused(format!("the table holds duties of these rollups: {found}. Name the one with --rollup")));
        }
    };
    let rollup = wanted.parse().map_err(|_| refused(format!("rollup_address is {wanted:?}, expected an address")))?;
    let lines = "SELECT lower(validator_address), max(slot) FROM validator_duties WHERE lower(rollup_address) = $1 GROUP BY 1";
    let lines = transaction.query(lines, &[&wanted]).await.map_err(failed)?;
    let lines = lines.iter().map(|row| (row.get(0), row.get(1))).collect();
    let rows = format!(
        "SELECT validator_address, slot, block_index_within_checkpoint, duty_type, message_hash, signature FROM validator_duties
         WHERE lower(rollup_address) = $1 ORDER BY slot DESC LIMIT {MAX_IMPORTED_DUTIES}"
    );
    let rows = transaction.query(&rows, &[&wanted]).await.map_err(failed)?;
    let rows = rows.iter().map(|row| Row {
        validator_address: row.get(0),
        slot: row.get(1),
        block_index: row.get(2),
        duty_type: row.get(3),
        message_hash: row.get(4),
        signature: row.get(5),
    });
    Ok(Table { rollup, lines, rows: rows.collect() })
}

/// An identifier as SQL takes it whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn refused(message: String) -> Refusal {
    Refusal::of("postgres", format!("{message}. Nothing was changed"))
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: tokio_postgres::Error) -> Refusal {
    // The database's own words are in the source.
    refused(format!("the database says: {:#}", anyhow::Error::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_cannot_end_early() {
        assert_eq!(quoted("aztec"), "\"aztec\"");
        assert_eq!(quoted("a\" FROM PUBLIC; --"), "\"a\"\" FROM PUBLIC; --\"");
    }
}
