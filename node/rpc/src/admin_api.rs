//! The `nodeAdmin_*` methods that make sense on a replica.

use serde_json::{Value, to_value};

use crate::envelope::Api;
use crate::server::AdminViews;

/// Methods of the admin port. Those that change a running node (`setConfig`, `rollbackTo`, ...) are `Method not found`: a
/// setting that one replica had and the others not would make them build different checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AdminMethod {
    Config,
}

/// The admin API over its views.
pub(crate) struct AdminApi<'a>(pub(crate) &'a AdminViews);

impl Api for AdminApi<'_> {
    type Method = AdminMethod;

    fn find(&self, namespace: &str, name: &str) -> Option<AdminMethod> {
        match (namespace, name) {
            ("nodeAdmin", "getConfig") => Some(AdminMethod::Config),
            _ => None,
        }
    }

    fn call(&self, method: AdminMethod) -> Result<Option<Value>, serde_json::Error> {
        match method {
            AdminMethod::Config => to_value(&self.0.config).map(Some),
        }
    }
}
