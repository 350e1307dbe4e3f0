//! JSON-RPC 2.0 as the official server understands it: what a body means, and the exact error objects.
//!
//! Source: npm @aztec/foundation 4.1.2, `src/json-rpc/server/safe_json_rpc_server.ts`; every case below was observed on that server.

use serde::Serialize;
use serde_json::{Map, Value};

/// A served namespace: which methods there are, and what they answer.
pub(crate) trait Api {
    /// One method, already found.
    type Method: Copy;

    /// The method of that name, or `None`: then the answer is `Method not found`.
    fn find(&self, namespace: &str, name: &str) -> Option<Self::Method>;

    /// Runs it. `None` is a void result: the answer then has no `result` key.
    fn call(&self, method: Self::Method) -> Result<Option<Value>, serde_json::Error>;
}

/// One answer object.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    jsonrpc: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

/// The `error` member.
#[derive(Debug, Serialize)]
struct Fault {
    code: i32,
    message: String,
}

/// What a body led to; the status code follows from the variant.
#[derive(Debug)]
pub(crate) enum Reply {
    /// 200, or 400 when the answer is an error.
    Single(Answer),
    /// Always 200.
    Batch(Vec<Answer>),
}

impl Reply {
    pub(crate) fn is_error(&self) -> bool {
        match self {
            Self::Single(answer) => answer.error.is_some(),
            Self::Batch(_) => false,
        }
    }

    /// The body bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Single(answer) => serde_json::to_vec(answer),
            Self::Batch(answers) => serde_json::to_vec(answers),
        }
    }
}

impl Answer {
    fn version() -> Value {
        Value::from("2.0")
    }

    /// An error that belongs to no request: `id` is null.
    pub(crate) fn unattributed(code: i32, message: impl Into<String>) -> Self {
        Self::failed(Self::version(), Some(Value::Null), code, message)
    }

    fn failed(jsonrpc: Value, id: Option<Value>, code: i32, message: impl Into<String>) -> Self {
        Self { jsonrpc, id, result: None, error: Some(Fault { code, message: message.into() }) }
    }
}

/// Answers a decoded body. `None` stands for a body that was not JSON by its content type, which the official server reads as `{}`.
pub(crate) fn answer<A: Api>(api: &A, body: Option<Value>, batch_size: usize) -> Reply {
    match body {
        None => Reply::Single(answer_one(api, &Value::Object(Map::new()))),
        Some(Value::Array(requests)) if requests.len() > batch_size => {
            Reply::Single(Answer::unattributed(-32600, format!("Batch request exceeds maximum allowed size of {batch_size}")))
        }
        Some(Value::Array(requests)) if requests.is_empty() => Reply::Single(Answer::unattributed(-32600, "Invalid Request")),
        Some(Value::Array(requests)) => Reply::Batch(requests.iter().map(|request| answer_one(api, request)).collect()),
        Some(request) => Reply::Single(answer_one(api, &request)),
    }
}

fn answer_one<A: Api>(api: &A, request: &Value) -> Answer {
    let absent = Map::new();
    let members = match request {
        Value::Object(members) => members,
        // An array is an object to the official server, one without a method.
        Value::Array(_) => &absent,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Answer::unattributed(-32600, "Invalid Request");
        }
    };
    let id = members.get("id").cloned();
    let Some(method) = members.get("method").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
        return Answer::failed(Answer::version(), id, -32600, "Invalid request");
    };
    let jsonrpc = members.get("jsonrpc").cloned().unwrap_or_else(Answer::version);
    // Only the first two parts count: `node_getVersion_x` is `node_getVersion`.
    let mut parts = method.split('_');
    let (namespace, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Some(found) = api.find(namespace, name) else {
        return Answer::failed(jsonrpc, id, -32601, format!("Method not found: {method}"));
    };
    if let Some(params) = members.get("params").filter(|params| !params.is_array()) {
        let message = format!("Params to {name} is not an array: {}", in_javascript(params));
        return Answer::failed(jsonrpc, id, -32702, message);
    }
    match api.call(found) {
        Ok(result) => Answer { jsonrpc, id, result, error: None },
        Err(error) => Answer::failed(jsonrpc, id, -32702, error.to_string()),
    }
}

/// The text a JavaScript template string would show.
fn in_javascript(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => "[object Object]".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}
