//! The pages of the frontend and what belongs to them, all built into the binary.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;

const INDEX: &str = include_str!("page/index.html");
const ADMIN: &str = include_str!("page/admin.html");
const STYLE: &str = include_str!("page/style.css");
const NEST: &str = include_str!("page/nest.svg");
const SCRIPT: &str = include_str!("page/app.js");

/// Only what this server itself serves, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// `/`, `/admin` and their style sheet and script. `mesh_dir` is named in the suggested commands.
pub(crate) fn router(mesh_dir: &str) -> Router {
    let index = Bytes::from(INDEX.replace("{{dir}}", &escape(mesh_dir)));
    Router::new()
        .route("/", get(move || async move { page(index) }))
        .route("/admin", get(|| async { page(ADMIN) }))
        .route(
            "/static/style.css",
            get(|| async { asset("text/css; charset=utf-8", STYLE) }),
        )
        .route(
            "/static/nest.svg",
            get(|| async { asset("image/svg+xml", NEST) }),
        )
        .route(
            "/static/app.js",
            get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }),
        )
}

fn page(html: impl IntoResponse) -> Response {
    asset("text/html; charset=utf-8", html)
}

/// A file with the headers that every file of the page has.
pub(crate) fn asset(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_finds_every_element_that_it_asks_for() {
        let literal = SCRIPT
            .split("$(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let computed = ["error-rate", "delay", "error-rate-value", "delay-value"];
        let counts = ["count-v1", "count-v2", "count-failed", "count-denied"];
        let mut asked = 0;
        for id in literal.chain(computed).chain(counts) {
            assert_eq!(INDEX.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
            asked += 1;
        }
        assert!(asked > 20, "{asked}");
    }

    #[test]
    fn the_directory_is_shown_as_text() {
        assert_eq!(
            escape(r#"<a href="x">&"#),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
        assert!(INDEX.contains("{{dir}}"));
    }
}
