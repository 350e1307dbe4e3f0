//! How a command says that it did not do what it was asked: in words on standard error, and with `--json` as one object on standard
//! output, `{"error": {"code", "message"}}`, the same for every command.

use std::process::ExitCode;

use serde::Serialize;

/// Exit code of what could not be done, or whose outcome is not known.
pub(crate) const FAILED: u8 = 1;
/// Exit code of what a rule forbids: nothing was changed.
pub(crate) const REFUSED: u8 = 3;
/// Exit code of a wait that took too long: what was done stays done, and the command may be given again.
pub(crate) const TOO_LONG: u8 = 4;

/// Codes of answers that say nothing about what was done.
const UNKNOWN: [&str; 3] = ["unknown", "halted", "stopping"];

/// What was not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    /// For programs.
    pub(crate) code: String,
    /// For a person: what is wrong, and what to do.
    pub(crate) message: String,
    #[serde(skip)]
    exit: u8,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a Refusal,
}

impl Refusal {
    /// A replica's refusal, by its code.
    pub(crate) fn of(code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = code.into();
        let exit = if UNKNOWN.contains(&code.as_str()) { FAILED } else { REFUSED };
        Self { code, message: message.into(), exit }
    }

    /// Something that took too long.
    pub(crate) fn too_long(message: impl Into<String>) -> Self {
        Self { code: "too_long".to_owned(), message: message.into(), exit: TOO_LONG }
    }

    /// Prints it, and returns its exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        match self.code.as_str() {
            "failed" => eprintln!("ollin: {}", self.message),
            code => eprintln!("ollin: {} ({code})", self.message),
        }
        if json && let Ok(text) = serde_json::to_string(&Envelope { error: self }) {
            println!("{text}");
        }
        ExitCode::from(self.exit)
    }
}

impl From<anyhow::Error> for Refusal {
    /// No replica answers, a file cannot be read.
    fn from(error: anyhow::Error) -> Self {
        Self { code: "failed".to_owned(), message: format!("{error:#}"), exit: FAILED }
    }
}

/// The exit code of a command's outcome, printed if it is a refusal.
pub(crate) fn exit(json: bool, outcome: Result<ExitCode, Refusal>) -> ExitCode {
    outcome.unwrap_or_else(|refusal| refusal.report(json))
}
