//! The four roles. Each opens its listener, says that it is ready, and serves until it is stopped.
//!
//! What a service is (a [`Router`](axum::Router)) and how it is reached are kept apart: the routers
//! come from [`backend::app`] and [`frontend::app`], the rest is in the few lines of each role here.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::BoxError;

use crate::backend::{self, BackendConfig, Version};
use crate::cli::{Options, Role};
use crate::frontend::{self, FrontendConfig};
use crate::plain;

/// Called once, when a role accepts requests.
pub(crate) type Ready = Box<dyn FnOnce(SocketAddr) + Send>;

/// The receiving end of "stop now".
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A stop, and what triggers it: sending `true`, or being dropped.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Done when it is time to stop.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut receiver = self.0.clone();
        async move {
            // An error means that nobody is left who could say so: stop as well.
            let _ = receiver.wait_for(|stop| *stop).await;
        }
    }
}

/// Runs one role to its end.
///
/// # Errors
///
/// Fails if the role cannot listen where it should, or stops serving by itself.
pub(crate) async fn run(
    role: Role,
    options: Arc<Options>,
    ready: Ready,
    stop: Stop,
) -> Result<(), BoxError> {
    match role {
        Role::Gateway => gateway(options, ready, stop).await,
        Role::Frontend => frontend(options, ready, stop).await,
        Role::Backend(version) => backend(options, version, ready, stop).await,
    }
}

/// The way in: hands requests from outside on to the frontend.
async fn gateway(options: Arc<Options>, ready: Ready, stop: Stop) -> Result<(), BoxError> {
    let listener = listen(&options, Role::Gateway).await?;
    ready(listener.local_addr()?);
    plain::serve(listener, plain::gateway(&options.ports), stop.wait()).await?;
    Ok(())
}

/// The page and `/shuffle`.
async fn frontend(options: Arc<Options>, ready: Ready, stop: Stop) -> Result<(), BoxError> {
    let config = FrontendConfig {
        backend_url: options.backend_url.clone(),
        mesh_dir: options.dir.display().to_string(),
    };
    let app = frontend::app(plain::client(&options.ports), config);
    let listener = listen(&options, Role::Frontend).await?;
    ready(listener.local_addr()?);
    plain::serve(listener, app, stop.wait()).await?;
    Ok(())
}

/// The birds.
async fn backend(
    options: Arc<Options>,
    version: Version,
    ready: Ready,
    stop: Stop,
) -> Result<(), BoxError> {
    let role = Role::Backend(version);
    let hostname = format!("{}-{}", role.name(), std::process::id());
    let app = backend::app(BackendConfig::new(version, hostname));
    let listener = listen(&options, role).await?;
    ready(listener.local_addr()?);
    plain::serve(listener, app, stop.wait()).await?;
    Ok(())
}

async fn listen(options: &Options, role: Role) -> io::Result<TcpListener> {
    let address = options.address(role);
    TcpListener::bind(address).await.map_err(|error| {
        let text = format!(
            "{} cannot listen on {address}: {error} (change it with {})",
            role.name(),
            role.port().flag()
        );
        io::Error::new(error.kind(), text)
    })
}
