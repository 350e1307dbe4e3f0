//! An endpoint that lacks `eth_simulateV1`, in front of one that has it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Starts the endpoint; it lives as long as the test's runtime.
pub(crate) async fn in_front_of(endpoint: &Url) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let address = endpoint.socket_addrs(|| None).unwrap()[0];
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A broken connection is the client's to notice.
                let _ = answer(client, address).await;
            });
        }
    });
    url
}

async fn answer(mut client: TcpStream, address: std::net::SocketAddr) -> std::io::Result<()> {
    let mut request = Vec::new();
    let body_start = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if request.len() >= end + 4 + length.unwrap_or(0) {
                break end + 4;
            }
        }
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    let body = String::from_utf8_lossy(&request[body_start..]).into_owned();
    let answer = if body.contains("eth_simulateV1") {
        let id = serde_json::from_str::<serde_json::Value>(&body).unwrap_or_default()["id"].clone();
        let error = r#"{"code":-32601,"message":"the method eth_simulateV1 does not exist"}"#;
        http("HTTP/1.1 200 OK", &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
    } else {
        let mut upstream = TcpStream::connect(address).await?;
        upstream.write_all(http("POST / HTTP/1.1\r\nhost: l1", &body).as_bytes()).await?;
        let mut answer = String::new();
        upstream.read_to_string(&mut answer).await?;
        answer
    };
    client.write_all(answer.as_bytes()).await
}

fn http(first_line: &str, body: &str) -> String {
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close", body.len());
    format!("{first_line}\r\n{headers}\r\n\r\n{body}")
}
