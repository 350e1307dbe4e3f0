//! Hostile settings: a file, or values of the environment.

use ollin_fuzz::Fuzz;

use super::layer::fuzz::read_text;
use super::setting::SETTINGS;
use super::tests::{guide, request};
use super::{Environment, NodeConfig};

/// In the guide's URL of an endpoint.
const SECRET: &str = "SECRETKEY";
const URL: &str = "//user:secret@rpc.example/v3/SECRETKEY";

/// Lines `key = "value"` of every setting: numbers where they are numbers.
fn file() -> String {
    let mut settings: Vec<(&str, &str)> = SETTINGS.iter().map(|setting| (setting.key, setting.default.unwrap_or("x"))).collect();
    settings.sort_unstable();
    settings.iter().map(|(key, value)| format!("{key} = \"{value}\"\n")).collect()
}

#[test]
fn a_configuration_file_sets_what_is_a_setting_and_nothing_else() {
    let seeds = [file(), "[rpc]\nport = 80\n[log]\nlevel = 'info'\n".to_owned()].map(String::into_bytes);
    Fuzz::new("config-file").seeds(seeds).words(&["[[", "\"\"\"", "= [\"a\",\"b\"]", "1979-05-27", "= 0x1f", "= nan"]).run(
        |bytes| {
            let (values, _) = read_text(&String::from_utf8_lossy(bytes));
            assert!(values.keys().all(|key| SETTINGS.iter().any(|setting| setting.key == *key)));
        },
    );
}

/// Inputs are lines `NAME=value`.
#[test]
fn an_environment_is_a_configuration_or_its_faults_are_named_without_its_secrets() {
    let text =
        |environment: &Environment| -> String { environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect() };
    let names: Vec<String> = SETTINGS.iter().map(|setting| format!("{}=", setting.env)).collect();
    let words: Vec<&str> =
        names.iter().map(String::as_str).chain(["true", "-1", "::1", "https://", "99999999999", "\n"]).collect();
    Fuzz::new("environment").seeds([text(&guide()).into_bytes()]).words(&words).longest(4096).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let environment: Environment = pairs
            // Names of files that would be read.
            .filter(|(name, _)| *name != "OLLIN_CONFIG")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let shown = match NodeConfig::load(&request(), &environment) {
            Ok(config) => config.print().to_owned(),
            Err(error) => {
                assert!(!error.faults.is_empty());
                error.faults.iter().map(ToString::to_string).collect()
            }
        };
        // A secret in a URL of a setting of URLs, where it belongs; in a port's place it is shown as any other text.
        let hosts = environment.get("ETHEREUM_HOSTS").is_some_and(|hosts| hosts.contains(URL));
        let in_its_place = hosts && text.matches(SECRET).count() == 1;
        assert!(!in_its_place || !shown.contains(SECRET), "a secret in {shown}");
    });
}
