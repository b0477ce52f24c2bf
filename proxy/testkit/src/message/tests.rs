use super::*;

async fn response(text: &str, method: &str) -> Result<Message, Broken> {
    let mut reader = Reader::new(text.as_bytes());
    let mut message = reader.head().await?;
    let length = message.response_length(method)?;
    reader.body(&mut message, length).await?;
    Ok(message)
}

#[tokio::test]
async fn each_way_of_ending_is_read() {
    let body = |text: &'static str| async move { response(text, "GET").await.unwrap().text() };
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhirest").await, "hi");
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x\r\ni\r\n0\r\n\r\n";
    assert_eq!(body(chunked).await, "hi");
    assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nhi").await, "hi");
    assert_eq!(body("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").await, "");
}

#[tokio::test]
async fn an_early_end_is_not_an_end() {
    let early = |body: &str| Some(Broken::Early(body.as_bytes().to_vec()));
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi";
    assert_eq!(response(short, "GET").await.err(), early("hi"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";
    assert_eq!(response(chunked, "GET").await.err(), early("hi"));
    assert_eq!(response("", "GET").await.err(), Some(Broken::Closed));
}
