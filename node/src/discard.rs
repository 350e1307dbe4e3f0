//! `ollin cluster discard`: lays aside the store of a replica that is healed or removed, on its host, while it does not run.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::DiscardArgs;
use crate::refusal::Refusal;

/// Lays the store aside and says where. Exit codes: 0 done, 3 refused.
pub(crate) fn run(arguments: &DiscardArgs) -> ExitCode {
    let DiscardArgs { data_directory, confirm, json } = arguments;
    match ollin_consensus::discard_store(&data_directory.join("consensus"), *confirm) {
        Ok(aside) => {
            let path = aside.display().to_string();
            if *json {
                println!("{}", json!({ "done": "discarded", "replica": confirm, "aside": path }));
            } else {
                println!("the store of replica {confirm} lies in {path}; it is of no further use and may be deleted");
            }
            ExitCode::SUCCESS
        }
        Err(error) => Refusal::of("discard", format!("{:#}", anyhow::Error::new(error))).report(*json),
    }
}
