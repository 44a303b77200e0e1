//! The four roles. Each says who it is, opens its listener, and serves until it is stopped.
//!
//! What a service is (a [`Router`](axum::Router)) and how it is reached are kept apart: the routers
//! come from [`backend::app`] and [`frontend::app`]; the few lines with `mesh` and `me` in them are
//! all that the mesh asks of a service.

use std::future::Future;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use mesh::observe::TraceConfig;
use mesh::{Gateway, Identity, LocalListener, Mesh};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::{BoxError, Layer};

use crate::backend::{self, BackendConfig, Version};
use crate::cli::{Options, Role};
use crate::frontend::{self, FrontendConfig};
use crate::ports::Port;

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
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + use<> + 'static {
        let mut receiver = self.0.clone();
        async move {
            // An error means that nobody is left who could say so: stop as well.
            let _ = receiver.wait_for(|stop| *stop).await;
        }
    }
}

/// Opens the mesh directory. `speaks` says whether this process prints what is wrong with an edit.
///
/// # Errors
///
/// Fails if the directory cannot be read or has errors; the error shows them all.
pub(crate) async fn open(options: &Options, speaks: bool) -> Result<Mesh, BoxError> {
    let refused = std::env::var_os("NO_COLOR").is_some();
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some();
    let colour = !refused && (forced || io::stderr().is_terminal());
    let report = mesh::Options::default().report(move |report| {
        let text = mesh::core::config::render(&report.diagnostics, colour);
        if speaks && !report.accepted {
            eprintln!("{text}\nthe edit is not in force; the rules before it are");
        } else if speaks && !report.first {
            eprintln!("the rules are in force (version {})", report.version);
        }
    });
    Ok(Mesh::open_with(&options.dir, report).await?)
}

/// Runs one role to its end.
///
/// # Errors
///
/// Fails if the role cannot listen where it should, or stops serving by itself.
pub(crate) async fn run(
    role: Role,
    mesh: Mesh,
    options: Arc<Options>,
    ready: Ready,
    stop: Stop,
) -> Result<(), BoxError> {
    match role {
        Role::Gateway => gateway(mesh, options, ready, stop).await,
        Role::Frontend => frontend(mesh, options, ready, stop).await,
        Role::Backend(version) => backend(mesh, options, version, ready, stop).await,
    }
}

/// The way in: hands requests from outside on to the service that their host names.
async fn gateway(
    mesh: Mesh,
    options: Arc<Options>,
    ready: Ready,
    stop: Stop,
) -> Result<(), BoxError> {
    let public = listen(&options, Role::Gateway).await?;
    let trace = TraceConfig {
        edge: true,
        exclude: vec!["/static/".into()],
        ..TraceConfig::new("ingress-gateway")
    };
    let me = Identity::builder(&mesh, "ingress-gateway")
        .trace(trace)
        .build()
        .await?;
    let port = options.ports.of(Port::Gateway);
    let gateway = Gateway::of(&me, port);
    mesh.ready().await;

    let inner = me.listen().await?;
    ready(public.local_addr()?);
    let outside = mesh::serve_gateway(public, &me, gateway).until(stop.wait());
    // Inside the mesh the gateway is a service like any other, with nothing to offer.
    let nothing = mesh::server(&me).layer(Router::new());
    let inside = mesh::serve(inner, &me, nothing).until(stop.wait());
    tokio::try_join!(outside, inside)?;
    me.flush().await;
    Ok(())
}

/// The page and `/shuffle`.
async fn frontend(
    mesh: Mesh,
    options: Arc<Options>,
    ready: Ready,
    stop: Stop,
) -> Result<(), BoxError> {
    let listener = listen(&options, Role::Frontend).await?;
    let trace = TraceConfig {
        exclude: vec!["/static/".into(), "/healthz".into()],
        ..TraceConfig::new("frontend")
    };
    let me = Identity::builder(&mesh, "frontend")
        .trace(trace)
        .build()
        .await?;
    let client = mesh::client(&me);
    for upstream in LocalListener::of(&me, &client).await? {
        tokio::spawn(upstream.serve());
    }
    mesh.ready().await;

    let config = FrontendConfig {
        backend_url: options.backend_url.clone(),
        mesh_dir: options.dir.display().to_string(),
    };
    let app = mesh::server(&me).layer(frontend::app(client, config));
    ready(listener.local_addr()?);
    mesh::serve(listener, &me, app).until(stop.wait()).await?;
    me.flush().await;
    Ok(())
}

/// The birds.
async fn backend(
    mesh: Mesh,
    options: Arc<Options>,
    version: Version,
    ready: Ready,
    stop: Stop,
) -> Result<(), BoxError> {
    let role = Role::Backend(version);
    let listener = listen(&options, role).await?;
    let me = Identity::of(&mesh, &instance(&mesh, &options, role)).await?;
    let hostname = format!("{}-{}", role.name(), std::process::id());
    let app = mesh::server(&me).layer(backend::app(BackendConfig::new(version, hostname)));
    ready(listener.local_addr()?);
    mesh::serve(listener, &me, app).until(stop.wait()).await?;
    me.flush().await;
    Ok(())
}

/// The registration with this role's port, so that a second instance can be started on another one.
fn instance(mesh: &Mesh, options: &Options, role: Role) -> String {
    let world = mesh.world().load();
    let mut backends = world.catalog.instances("backend").iter();
    let own = backends.find(|instance| instance.port == options.address(role).port());
    own.map_or(role.name().to_owned(), |instance| instance.id.to_string())
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
