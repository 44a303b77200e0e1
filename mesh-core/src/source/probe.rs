//! Probes over the network: TCP connect, and HTTP over a plain connection.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::catalog::CheckStatus;
use crate::health::{CheckSpec, Probe, ProbeKind, ProbeResult};
use crate::net::{Address, BoxConnect, Connect, Destination};
use crate::policy::Protocol;

/// Carries out checks over a connector. TCP checks only connect and close.
#[derive(Clone, Debug)]
pub struct NetProbe {
    connect: BoxConnect,
}

impl NetProbe {
    /// A prober that dials with `connect`, which should be plain.
    pub fn new(connect: impl Connect) -> Self {
        Self {
            connect: BoxConnect::new(connect),
        }
    }

    async fn tcp(&self, address: &str, timeout: Duration) -> Result<ProbeResult, String> {
        self.dial(address, timeout).await?;
        Ok(ProbeResult {
            status: CheckStatus::Passing,
            output: format!("TCP connect {address}: success"),
        })
    }

    async fn dial(&self, address: &str, timeout: Duration) -> Result<crate::net::BoxIo, String> {
        let address =
            parse_address(address).ok_or_else(|| format!("`{address}` is not host:port"))?;
        let destination = Destination {
            protocol: Protocol::Http,
            timeout,
            ..Destination::plain(address)
        };
        match self.connect.connect(&destination).await {
            Ok(connection) => Ok(connection.io),
            Err(error) => Err(format!("{error}: {}", error.source)),
        }
    }

    async fn http(
        &self,
        url: &str,
        request: HttpProbe<'_>,
        timeout: Duration,
    ) -> Result<ProbeResult, String> {
        let uri: http::Uri = url
            .parse()
            .map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        let authority = uri
            .authority()
            .ok_or_else(|| format!("`{url}` names no host"))?
            .clone();
        let port = authority.port_u16().unwrap_or(80);
        let io = self
            .dial(&format!("{}:{port}", authority.host()), timeout)
            .await?;
        let (mut sender, connection) = http1::handshake(HyperIo(io))
            .await
            .map_err(|error| format!("HTTP {url}: {error}"))?;
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut builder = http::Request::builder().method(request.method).uri(target);
        builder = builder.header(http::header::HOST, authority.as_str());
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(request.body.as_bytes()));
        let request = builder
            .body(body)
            .map_err(|error| format!("HTTP {url}: {error}"))?;
        let mut answer = std::pin::pin!(sender.send_request(request));
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            // The connection may end in the same moment as the answer arrives; the answer then is there already.
            _ = connection => answer.await,
        };
        let response = answered.map_err(|error| format!("HTTP {url}: {error}"))?;
        let status = match response.status().as_u16() {
            200..=299 => CheckStatus::Passing,
            429 => CheckStatus::Warning,
            _ => CheckStatus::Critical,
        };
        Ok(ProbeResult {
            status,
            output: format!("HTTP {url}: {}", response.status()),
        })
    }
}

struct HttpProbe<'a> {
    method: &'a str,
    headers: &'a [(String, String)],
    body: &'a str,
}

impl Probe for NetProbe {
    async fn probe(&self, spec: &CheckSpec) -> ProbeResult {
        let result = match &spec.kind {
            ProbeKind::Tcp { address } => self.tcp(address, spec.timeout).await,
            ProbeKind::Http {
                url,
                method,
                headers,
                body,
            } => {
                self.http(
                    url,
                    HttpProbe {
                        method,
                        headers,
                        body,
                    },
                    spec.timeout,
                )
                .await
            }
        };
        result.unwrap_or_else(|output| ProbeResult {
            status: CheckStatus::Critical,
            output,
        })
    }
}

/// Splits `host:port`, with brackets around an IPv6 host.
pub(crate) fn parse_address(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() {
        return None;
    }
    Some(Address::new(host, port.parse().ok()?))
}

/// hyper's I/O traits over ours, without the runtime helpers that would come with more dependencies.
struct HyperIo(crate::net::BoxIo);

impl Read for HyperIo {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let mut chunk = [0u8; 4096];
        let room = buffer.remaining().min(chunk.len());
        let mut read = tokio::io::ReadBuf::new(&mut chunk[..room]);
        std::task::ready!(tokio::io::AsyncRead::poll_read(
            std::pin::Pin::new(&mut self.0),
            cx,
            &mut read
        ))?;
        buffer.put_slice(read.filled());
        std::task::Poll::Ready(Ok(()))
    }
}

impl Write for HyperIo {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        data: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(&mut self.0), cx, data)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(std::pin::Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(std::pin::Pin::new(&mut self.0), cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::health::{DEFAULT_TIMEOUT, Thresholds};
    use crate::net::Tcp;

    fn spec(kind: ProbeKind) -> CheckSpec {
        CheckSpec {
            id: "c".into(),
            name: "c".into(),
            kind,
            interval: Duration::from_secs(10),
            timeout: DEFAULT_TIMEOUT,
            thresholds: Thresholds::default(),
            initial: CheckStatus::Critical,
        }
    }

    #[tokio::test]
    async fn the_status_class_of_an_http_answer_decides() {
        let cases = [
            ("200 OK", CheckStatus::Passing),
            ("204 No Content", CheckStatus::Passing),
            ("301 Moved", CheckStatus::Critical),
            ("429 Too Many", CheckStatus::Warning),
            ("503 Down", CheckStatus::Critical),
        ];
        for (answer, expected) in cases {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/healthz?x=1", listener.local_addr().unwrap());
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 1024];
                let read = stream.read(&mut head).await.unwrap();
                let reply = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(reply.as_bytes()).await.unwrap();
                String::from_utf8_lossy(&head[..read]).into_owned()
            });
            let kind = ProbeKind::Http {
                url,
                method: "GET".into(),
                headers: Vec::new(),
                body: String::new(),
            };
            let result = NetProbe::new(Tcp).probe(&spec(kind)).await;
            assert_eq!(result.status, expected, "{}", result.output);
            assert!(
                server
                    .await
                    .unwrap()
                    .starts_with("GET /healthz?x=1 HTTP/1.1\r\nhost: 127.0.0.1:")
            );
        }
    }

    #[tokio::test]
    async fn a_tcp_check_passes_when_connected_and_names_the_failure_otherwise() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let probe = NetProbe::new(Tcp);
        assert_eq!(
            probe
                .probe(&spec(ProbeKind::Tcp {
                    address: address.clone()
                }))
                .await
                .status,
            CheckStatus::Passing
        );
        drop(listener);
        let down = probe.probe(&spec(ProbeKind::Tcp { address })).await;
        assert_eq!(down.status, CheckStatus::Critical);
        assert!(down.output.contains("refused"), "{}", down.output);
    }

    #[test]
    fn addresses_are_read_with_and_without_brackets() {
        assert_eq!(parse_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(
            parse_address("localhost:8081").unwrap().to_string(),
            "localhost:8081"
        );
        assert!(parse_address("localhost").is_none() && parse_address(":80").is_none());
    }
}
