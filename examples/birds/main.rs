//! The birds: a frontend, a backend in two versions and a gateway, joined by the mesh.
mod backend;
mod flock;
mod frontend;
mod pages;
mod picture;
mod query;
mod random;
mod scenery;

fn main() {
    let _ = (
        backend::app,
        frontend::app::<
            tower::util::BoxCloneSyncService<
                axum::http::Request<axum::body::Body>,
                axum::http::Response<axum::body::Body>,
                tower::BoxError,
            >,
            axum::body::Body,
            tower::BoxError,
        >,
    );
}
