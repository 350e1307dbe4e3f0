//! The two servers: public port and admin port.

mod members;
pub(crate) mod request;
pub(crate) mod response;
mod upgrade;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::admin::{AdminCommand, CreateOrder, CreationRefused};
use crate::admin_api::AdminApi;
use crate::admin_key::AdminKey;
use crate::duties;
use crate::envelope::{self, Answer, Api, Reply};
use crate::limit::Limits;
use crate::listener::BoundedListener;
use crate::node_api::NodeApi;
use crate::order::OrderRefused;
use crate::view::{AdminConfig, ClusterStatus, L2Tips, NodeInfo, VersionHeaders};
use request::{BodyRefusal, Route, read_body};

/// The page that shows the cluster live. It holds everything it needs and reads `/cluster/status` of the port that served it.
const CLUSTER_PAGE: &str = include_str!("../cluster_page.html");
/// Shorter answers are not compressed, as on the official server.
const COMPRESS_ABOVE_BYTES: u16 = 1024;
/// How long a creation may take before the caller is told that its outcome is unknown.
const CREATE_DEADLINE: Duration = Duration::from_secs(180);

/// How long an order about leadership may take: it waits for its moment in the slot.
const ORDER_DEADLINE: Duration = Duration::from_secs(150);

/// What the public port shows.
#[derive(Clone)]
pub struct Views {
    /// Tips of the L2 chain.
    pub l2_tips: watch::Receiver<L2Tips>,
    /// The cluster.
    pub cluster: watch::Receiver<ClusterStatus>,
    /// The node, fixed at start; none on a witness that reads nothing of L1. Without it there are no `node_*` methods.
    pub node: Option<NodeDescription>,
    /// Whether the node is ready, for `node_isReady`.
    pub ready: watch::Receiver<bool>,
    /// Renders the metrics in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Bounds.
    pub limits: Limits,
}

/// What a node is, and what it says of that in the headers of every answer.
#[derive(Clone)]
pub struct NodeDescription {
    /// For `node_getNodeInfo`.
    pub info: Arc<NodeInfo>,
    /// Headers.
    pub version: VersionHeaders,
}

impl Views {
    fn headers(&self) -> HeaderMap {
        self.node.as_ref().map(|node| node.version.to_headers()).unwrap_or_default()
    }
}

/// What the admin port shows and where its commands go.
pub struct AdminViews {
    /// The public views.
    pub views: Views,
    /// For `nodeAdmin_getConfig`.
    pub config: AdminConfig,
    /// Who may ask.
    pub key: AdminKey,
    /// Where commands go; bounded.
    pub commands: mpsc::Sender<AdminCommand>,
}

/// Serves the public port until `shutdown`; open requests then get [`Limits::drain_timeout`].
///
/// # Errors
/// What the listener reports.
pub async fn serve_public(listener: TcpListener, views: Views, shutdown: CancellationToken) -> io::Result<()> {
    let limits = views.limits;
    let served = Arc::new(Served { version: views.headers(), views });
    serve(listener, Router::new().fallback(public).with_state(served), limits, shutdown).await
}

/// Serves the admin port until `shutdown`.
///
/// # Errors
/// What the listener reports.
pub async fn serve_admin(listener: TcpListener, views: AdminViews, shutdown: CancellationToken) -> io::Result<()> {
    let limits = views.views.limits;
    let served = Arc::new(Served { version: views.views.headers(), views });
    serve(listener, Router::new().fallback(admin).with_state(served), limits, shutdown).await
}

/// Views with their headers rendered once.
struct Served<V> {
    version: HeaderMap,
    views: V,
}

async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: CancellationToken) -> io::Result<()> {
    let compression = CompressionLayer::new().gzip(true).compress_when(SizeAbove::new(COMPRESS_ABOVE_BYTES));
    let serving = axum::serve(BoundedListener::new(listener, &limits), router.layer(compression));
    let serving = serving.with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(limits.drain_timeout).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended,
        () = drained => Ok(()),
    }
}

async fn public(State(served): State<Arc<Served<Views>>>, request: Request) -> Response {
    let views = &served.views;
    let mut response = match Route::of(&request, Route::PUBLIC) {
        Ok(Route::JsonRpc) => json_rpc(&NodeApi(views), &views.limits, request).await,
        Ok(Route::Status) => response::text(StatusCode::OK, "OK"),
        Ok(Route::Metrics) => response::metrics((views.metrics)()),
        Ok(Route::ClusterStatus) => response::json(StatusCode::OK, &views.cluster.borrow().summary()),
        Ok(Route::ClusterPage) => response::page(CLUSTER_PAGE),
        Ok(Route::ClusterCreate | Route::ClusterLeadership | Route::Duties | Route::ClusterMembers | Route::ClusterUpgrade) => {
            response::text(StatusCode::NOT_FOUND, "Not Found")
        }
        Err(answered) => *answered,
    };
    response.headers_mut().extend(served.version.clone());
    response
}

async fn admin(State(served): State<Arc<Served<AdminViews>>>, request: Request) -> Response {
    let AdminViews { views, key, commands, .. } = &served.views;
    if !Route::is_open(&request) && !key.admits(request.headers()) {
        tracing::warn!("admin request without a valid key refused");
        return response::unauthorized();
    }
    let mut response = match Route::of(&request, Route::ADMIN) {
        Ok(Route::JsonRpc) => json_rpc(&AdminApi(&served.views), &views.limits, request).await,
        Ok(Route::Status) => response::text(StatusCode::OK, "OK"),
        Ok(Route::Metrics) => response::metrics((views.metrics)()),
        Ok(Route::ClusterStatus) => response::json(StatusCode::OK, &*views.cluster.borrow()),
        Ok(Route::ClusterPage) => response::page(CLUSTER_PAGE),
        Ok(Route::ClusterCreate) => create_cluster(commands, &views.limits, request).await,
        Ok(Route::Duties) => duties::answer(commands, &views.limits, request).await,
        Ok(Route::ClusterLeadership) => order_leadership(commands, &views.limits, request).await,
        Ok(Route::ClusterUpgrade) => upgrade::raise(commands).await,
        Ok(Route::ClusterMembers) => members::change(commands, &views.limits, request).await,
        Err(answered) => *answered,
    };
    response.headers_mut().extend(served.version.clone());
    response
}

async fn json_rpc<A: Api>(api: &A, limits: &Limits, request: Request<Body>) -> Response {
    let body = match read_body(request, limits).await {
        Ok(body) => body,
        Err(refusal) => {
            let (status, code, message) = match refusal {
                BodyRefusal::Malformed(message) => (StatusCode::BAD_REQUEST, -32700, format!("Parse error: {message}")),
                BodyRefusal::Unread(message) => (StatusCode::INTERNAL_SERVER_ERROR, -32600, message),
            };
            let reply = Reply::Single(Answer::unattributed(code, message));
            return response::without_cors(response::rpc(status, &reply));
        }
    };
    let reply = envelope::answer(api, body, limits.batch_size);
    let status = if reply.is_error() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    response::rpc(status, &reply)
}

async fn create_cluster(commands: &mpsc::Sender<AdminCommand>, limits: &Limits, request: Request<Body>) -> Response {
    let refuse = |status, code: &str, message: &str| {
        response::json(status, &CreationRefused { code: code.into(), message: message.into() })
    };
    let order = match read_body(request, limits).await {
        Ok(None) => Ok(CreateOrder::default()),
        Ok(Some(body)) => serde_json::from_value(body).map_err(|error| error.to_string()),
        Err(BodyRefusal::Malformed(message) | BodyRefusal::Unread(message)) => Err(message),
    };
    let order = match order {
        Ok(order) => order,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, "order", &format!("not an order to create a cluster: {message}")),
    };
    let (reply, outcome) = oneshot::channel();
    match commands.try_send(AdminCommand::CreateCluster { order, reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", "another admin command is at work: try again");
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this replica is stopping: ask another one");
        }
    }
    match timeout(CREATE_DEADLINE, outcome).await {
        Ok(Ok(Ok(created))) => response::json(StatusCode::OK, &created),
        Ok(Ok(Err(refused))) => response::json(StatusCode::CONFLICT, &refused),
        Ok(Err(_)) | Err(_) => refuse(
            StatusCode::GATEWAY_TIMEOUT,
            "unknown",
            "the outcome is not known: look at /cluster/status before asking again",
        ),
    }
}

async fn order_leadership(commands: &mpsc::Sender<AdminCommand>, limits: &Limits, request: Request<Body>) -> Response {
    let refuse = |status, code: &str, message: String| response::json(status, &OrderRefused { code: code.to_owned(), message });
    let order = match read_body(request, limits).await {
        Ok(body) => serde_json::from_value(body.unwrap_or_default()).map_err(|error| error.to_string()),
        Err(BodyRefusal::Malformed(message) | BodyRefusal::Unread(message)) => Err(message),
    };
    let order = match order {
        Ok(order) => order,
        Err(message) => {
            let message = format!("not an order about leadership: {message}; use `ollin cluster transfer` or `drain`");
            return refuse(StatusCode::BAD_REQUEST, "malformed", message);
        }
    };
    let (reply, outcome) = oneshot::channel();
    if let Err(error) = commands.try_send(AdminCommand::Leadership { order, reply }) {
        let (code, message) = match error {
            mpsc::error::TrySendError::Full(_) => ("busy", "another admin command is at work: try again"),
            mpsc::error::TrySendError::Closed(_) => ("stopping", "this replica is stopping: ask another one"),
        };
        return refuse(StatusCode::SERVICE_UNAVAILABLE, code, message.to_owned());
    }
    match timeout(ORDER_DEADLINE, outcome).await {
        Ok(Ok(Ok(done))) => response::json(StatusCode::OK, &done),
        Ok(Ok(Err(refused))) => response::json(StatusCode::CONFLICT, &refused),
        Ok(Err(_)) | Err(_) => {
            let message = "the outcome is not known: look at `ollin status` before asking again";
            refuse(StatusCode::GATEWAY_TIMEOUT, "unknown", message.to_owned())
        }
    }
}
