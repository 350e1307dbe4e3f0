//! Deployed states, kept outside the repository.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::deployment::{DeployedState, Deployment, deploy};
use crate::error::DevL1Error;
use crate::packages::Packages;
use crate::parameters::Parameters;
use crate::profile::Profile;

const DEPLOYMENT_FILE: &str = "deployment.json";
const STATE_FILE: &str = "state.hex";

/// The directory that holds everything this crate caches: the argument, else `OLLIN_CACHE`, else `~/.cache/ollin`.
pub(crate) fn directory(chosen: Option<&Path>) -> Result<PathBuf, DevL1Error> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || named("HOME").map(|home| home.join(".cache/ollin"));
    let directory = chosen.map(Path::to_owned).or_else(|| named("OLLIN_CACHE")).or_else(home).ok_or(DevL1Error::NoCache)?;
    std::path::absolute(&directory).map_err(|source| DevL1Error::File { action: "resolve", path: directory, source })
}

/// The deployed state of a profile: from the cache, else deployed now.
pub(crate) async fn load_or_deploy(packages: &Packages, profile: Profile, cache: &Path) -> Result<DeployedState, DevL1Error> {
    let parameters = Parameters::of(profile)?;
    let states = cache.join("dev-l1");
    let entry = states.join(format!("{}-{}", profile.name(), parameters.fingerprint(&packages.versions())));
    if entry.is_dir() {
        return read(&entry);
    }
    let deployed = deploy(packages, &parameters, &states).await?;
    write(&deployed, &states, &entry)?;
    Ok(deployed)
}

fn read(entry: &Path) -> Result<DeployedState, DevL1Error> {
    let text = |name| {
        let path = entry.join(name);
        std::fs::read_to_string(&path).map_err(|source| DevL1Error::File { action: "read", path, source })
    };
    let deployment: Deployment = serde_json::from_str(&text(DEPLOYMENT_FILE)?)
        .map_err(|error| DevL1Error::Cache { path: entry.to_owned(), detail: format!("{DEPLOYMENT_FILE}: {error}") })?;
    let state = text(STATE_FILE)?;
    if !state.starts_with("0x") {
        return Err(DevL1Error::Cache { path: entry.to_owned(), detail: format!("{STATE_FILE} is not hexadecimal") });
    }
    Ok(DeployedState { deployment, state })
}

/// The entry appears whole or not at all. Should another process have been first, its entry stays.
fn write(deployed: &DeployedState, states: &Path, entry: &Path) -> Result<(), DevL1Error> {
    let file_error = |source| DevL1Error::File { action: "write", path: entry.to_owned(), source };
    let new = TempDir::with_prefix_in("new-", states).map_err(file_error)?;
    let deployment = serde_json::to_string_pretty(&deployed.deployment).map_err(|error| file_error(error.into()))?;
    std::fs::write(new.path().join(DEPLOYMENT_FILE), deployment).map_err(file_error)?;
    std::fs::write(new.path().join(STATE_FILE), &deployed.state).map_err(file_error)?;
    match std::fs::rename(new.path(), entry) {
        Ok(()) => {
            // It has moved: there is nothing left to remove.
            let _ = new.keep();
            Ok(())
        }
        Err(_) if entry.is_dir() => Ok(()),
        Err(source) => Err(file_error(source)),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    fn deployed(state: &str) -> DeployedState {
        let deployment = Deployment {
            registry_address: Address::repeat_byte(1),
            rollup_address: Address::repeat_byte(2),
            inbox_address: Address::repeat_byte(3),
            rollup_version: 4,
        };
        DeployedState { deployment, state: state.to_owned() }
    }

    #[test]
    fn what_was_written_is_read_and_the_first_writer_stays() {
        let cache = TempDir::new().unwrap();
        let entry = cache.path().join("demo-0");
        write(&deployed("0x01"), cache.path(), &entry).unwrap();
        write(&deployed("0x02"), cache.path(), &entry).unwrap();

        let found = read(&entry).unwrap();
        assert_eq!(found.state, "0x01");
        assert_eq!(found.deployment, deployed("0x01").deployment);
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_damaged_entry_is_named_in_the_error() {
        let cache = TempDir::new().unwrap();
        let entry = cache.path().join("demo-0");
        write(&deployed("not a state"), cache.path(), &entry).unwrap();
        assert!(matches!(read(&entry), Err(DevL1Error::Cache { path, .. }) if path == entry));

        std::fs::write(entry.join(DEPLOYMENT_FILE), "{").unwrap();
        assert!(matches!(read(&entry), Err(DevL1Error::Cache { .. })));
    }
}
