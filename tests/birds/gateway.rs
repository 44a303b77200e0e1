//! Rows G: the way in from outside.

use std::time::Duration;

use crate::harness::http::{Http, raw};
use crate::harness::{Demo, Setup, eventually, so};

#[tokio::test]
async fn g1_the_page_and_its_birds_come_through_the_gateway() {
    let (demo, _) = Demo::shared().await;
    let page = demo.get("/").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.body.contains("<title>Birds</title>"));
    let answer = demo.shuffle("").await.unwrap();
    let picture = answer["response"]["imageURL"].as_str().unwrap();
    let picture = demo.get(picture).await.unwrap();
    assert_eq!(picture.headers["content-type"], "image/svg+xml");
    assert!(picture.body.starts_with("<svg"));
}

#[tokio::test]
async fn g2_hosts_are_known_with_and_without_a_port_in_any_case_and_others_get_a_404() {
    let (demo, _) = Demo::shared().await;
    let port = demo.ports.gateway;
    let http = Http::new();
    for host in [
        "localhost".to_owned(),
        format!("localhost:{port}"),
        "LOCALHOST".to_owned(),
        format!("LocalHost:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{port}"),
    ] {
        let answer = http
            .get_with(&demo.url("/healthz"), &[("host", &host)])
            .await;
        assert_eq!(answer.unwrap().status, 200, "{host}");
    }
    for host in [
        "example.com",
        "example.com:8080",
        // The port of a listener that the gateway has not.
        "localhost:1",
        "frontend",
        "backend",
        "localhost.example.com",
        "xlocalhost",
        "127.0.0.2",
        "[::1]",
        "[::1]:8080",
    ] {
        let answer = http
            .get_with(&demo.url("/healthz"), &[("host", host)])
            .await
            .unwrap();
        assert_eq!(answer.status, 404, "{host}: {answer:?}");
        assert_eq!(answer.headers["x-mesh-error"], "unknown_service");
        assert!(answer.body.contains(host), "{host}: {answer:?}");
    }
}

#[tokio::test]
async fn g2_a_request_without_a_host_is_refused() {
    let (demo, _) = Demo::shared().await;
    for request in [
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: local host\r\nconnection: close\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n",
    ] {
        let answer = raw(demo.ports.gateway, request.as_bytes()).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1);
        assert!(
            matches!(status, Some("400" | "404")),
            "{request:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn g3_intentions_apply_to_the_gateway() {
    let demo = Setup::new().start().await;
    assert_eq!(demo.get("/").await.unwrap().status, 200);
    demo.write(
        "frontend-intentions.hcl",
        "Kind = \"service-intentions\"\nName = \"frontend\"\nSources = [\n  { Name = \"ingress-gateway\", Action = \"deny\" }\n]\n",
    );
    let answer = eventually("a closed front door", Duration::from_secs(1), async || {
        let answer = demo.get("/").await?;
        so(answer.status == 403, || format!("{}", answer.status))?;
        Ok(answer)
    })
    .await;
    assert_eq!(answer.body, "RBAC: access denied");
}
