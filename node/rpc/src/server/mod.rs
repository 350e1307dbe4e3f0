//! The two servers: public port and admin port.

mod command;
pub(crate) mod request;
pub(crate) mod response;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::admin::AdminCommand;
use crate::admin_api::AdminApi;
use crate::admin_key::AdminKey;
use crate::envelope::{self, Answer, Api, Reply};
use crate::limit::Limits;
use crate::listener::BoundedListener;
use crate::node_api::NodeApi;
use crate::view::{AdminConfig, ClusterStatus, L2Tips, NodeInfo, VersionHeaders};
use request::{BodyRefusal, Route, read_body};

/// The page that shows the cluster live. It holds everything it needs and reads `/cluster/status` of the port that served it.
const CLUSTER_PAGE: &str = include_str!("../cluster_page.html");
/// Shorter answers are not compressed, as on the official server.
const COMPRESS_ABOVE_BYTES: u16 = 1024;
/// Bytes of a question about duties: an interchange file, quoted.
const MAX_DUTIES_BYTES: usize = 96 << 20;

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
        Ok(Route::Duties) => answer_duties(commands, &views.limits, request).await,
        Ok(Route::ClusterLeadership) => order_leadership(commands, &views.limits, request).await,
        Ok(Route::ClusterUpgrade) => upgrade(commands).await,
        Ok(Route::ClusterMembers) => change_members(commands, &views.limits, request).await,
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
    let order = match command::read(request, limits, Some(json!({})), "an order to create a cluster").await {
        Ok(order) => order,
        Err(refused) => return *refused,
    };
    let look = "look at /cluster/status before asking again";
    command::carry_out(commands, |reply| AdminCommand::CreateCluster { order, reply }, look).await
}

async fn order_leadership(commands: &mpsc::Sender<AdminCommand>, limits: &Limits, request: Request<Body>) -> Response {
    let what = "an order about leadership (use `ollin cluster transfer` or `drain`)";
    let order = match command::read(request, limits, None, what).await {
        Ok(order) => order,
        Err(refused) => return *refused,
    };
    let look = "look at `ollin status` before asking again";
    command::carry_out(commands, |reply| AdminCommand::Leadership { order, reply }, look).await
}

async fn change_members(commands: &mpsc::Sender<AdminCommand>, limits: &Limits, request: Request<Body>) -> Response {
    let change = match command::read(request, limits, None, "a change of the members").await {
        Ok(change) => change,
        Err(refused) => return *refused,
    };
    let look = "look at the members before asking again";
    command::carry_out(commands, |reply| AdminCommand::ChangeMembers { change, reply }, look).await
}

async fn upgrade(commands: &mpsc::Sender<AdminCommand>) -> Response {
    command::carry_out(commands, |reply| AdminCommand::Upgrade { reply }, "ask again, it is safe").await
}

async fn answer_duties(commands: &mpsc::Sender<AdminCommand>, limits: &Limits, request: Request<Body>) -> Response {
    let limits = Limits { body_bytes: MAX_DUTIES_BYTES, ..*limits };
    let request = match command::read(request, &limits, None, "a question about duties").await {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    let look = "list the duties before asking again";
    command::carry_out(commands, |reply| AdminCommand::Duties { request, reply }, look).await
}
