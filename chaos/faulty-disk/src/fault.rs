//! The one call that fails.

use crate::kind::kind;

/// What happens to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing is done, and this is the error.
    Fail(i32),
    /// Half is written, and then this is the error.
    Torn(i32),
    /// Half is written, and the call says so.
    Short,
}

/// The call, and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    prefix: String,
    operation: String,
    kind: String,
    number: u64,
    pub(crate) effect: Effect,
}

impl Fault {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(str::to_owned);
        let (prefix, operation, kind) = (parts.next()?, parts.next()?, parts.next()?);
        let number = parts.next()?.parse().ok()?;
        let effect = match parts.next()?.as_str() {
            "eio" => Effect::Fail(libc::EIO),
            "enospc" => Effect::Fail(libc::ENOSPC),
            "torn" => Effect::Torn(libc::EIO),
            "full" => Effect::Torn(libc::ENOSPC),
            "short" => Effect::Short,
            _ => return None,
        };
        parts.next().is_none().then_some(Self { prefix, operation, kind, number, effect })
    }

    /// Whether it is about such calls.
    pub(crate) fn concerns(&self, operation: &str, path: &str) -> bool {
        self.operation == operation && self.kind == kind(path) && path.starts_with(&self.prefix)
    }

    pub(crate) fn is_at(&self, number: u64) -> bool {
        self.number == number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_one_call_and_its_effect() {
        let fault = Fault::parse("data/1/:write:wal:7:full").unwrap();
        assert_eq!(fault.effect, Effect::Torn(libc::ENOSPC));
        assert!(fault.concerns("write", "data/1/raft/000004.log") && fault.is_at(7) && !fault.is_at(8));
        for (operation, path) in [("sync", "data/1/raft/000004.log"), ("write", "data/1/raft/CURRENT"), ("write", "data/2/4.log")]
        {
            assert!(!fault.concerns(operation, path));
        }
        for bad in ["", "a:b:c:x:eio", "a:b:c:1:odd", "a:b:c:1:eio:more"] {
            assert_eq!(Fault::parse(bad), None, "{bad:?}");
        }
    }
}
