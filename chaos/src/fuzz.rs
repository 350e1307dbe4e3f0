//! Hostile evidence: what the judge believes must be what a process wrote.

use ollin_fuzz::Fuzz;

use crate::{ChainFact, History};

#[test]
fn evidence_is_read_whole_or_refused() {
    let transaction = r#"{"time_ms":6,"replica":2,"outlet":"l1","chain_id":31337,"rollup":"0x7777777777777777777777777777777777777777",
        "publisher":"0xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0","nonce":3,"attempt":1,"slot":7,
        "transaction":"0x0202020202020202020202020202020202020202020202020202020202020202","root":null}"#;
    let signature = r#"{"time_ms":5,"replica":2,"outlet":"keystore","chain_id":31337,"rollup":"0x7777777777777777777777777777777777777777",
        "attester":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","kind":"block_proposal","index":0,"slot":7,
        "root":"0x0101010101010101010101010101010101010101010101010101010101010101","signature":"0xSIG"}"#;
    let lines = [transaction, &signature.replace("SIG", &"11".repeat(65))].map(|line| line.replace('\n', "") + "\n");
    let seeds = [lines.concat(), lines[0].clone(), lines[1].clone(), "[]".to_owned()].map(String::into_bytes);
    Fuzz::new("evidence").seeds(seeds).words(&["\"outlet\":\"keystore\"", "\"index\":null", "\n", "\"slot\":"]).run(|bytes| {
        let mut history = History::default();
        if history.add_record("file", bytes).is_ok() {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
            assert_eq!(history.emissions.len() + history.torn_lines, lines, "a line is lost");
        }
        if let Ok(facts) = serde_json::from_slice::<Vec<ChainFact>>(bytes) {
            let text = serde_json::to_vec(&facts).unwrap();
            assert_eq!(serde_json::from_slice::<Vec<ChainFact>>(&text).unwrap(), facts);
        }
    });
}
