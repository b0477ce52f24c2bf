use bytes::Bytes;
use tidegate_http::{FieldList, ResponseHead};
use tidegate_upstream::{Downstream, ResponseFraming};
use tidegate_wasm::GrpcEvent;
use tokio::sync::mpsc;

use super::GrpcSide;

fn side() -> (GrpcSide, mpsc::UnboundedSender<Vec<u8>>, mpsc::UnboundedReceiver<GrpcEvent>) {
    let (messages, taken) = mpsc::unbounded_channel();
    let (events, told) = mpsc::unbounded_channel();
    (GrpcSide::new(taken, events), messages, told)
}

fn all(told: &mut mpsc::UnboundedReceiver<GrpcEvent>) -> Vec<GrpcEvent> {
    std::iter::from_fn(|| told.try_recv().ok()).collect()
}

#[tokio::test]
async fn messages_are_put_together_from_pieces_and_the_trailers_close() {
    let (mut side, messages, mut told) = side();
    messages.send(b"hi".to_vec()).unwrap();
    assert_eq!(side.read_body().await.unwrap().unwrap(), b"\0\0\0\0\x02hi".as_slice());
    drop(messages);
    assert!(side.read_body().await.unwrap().is_none() && side.body_done());
    side.write_head(ResponseHead::new(200).with("X-A", "1"), ResponseFraming::Unknown)
        .await
        .unwrap();
    for piece in [b"\0\0\0\0".as_slice(), b"\x01a\0\0\0\0\0\0\0", b"\0\0\x03xyz"] {
        side.write_body(Bytes::from_static(piece)).await.unwrap();
    }
    let mut trailers = FieldList::new();
    trailers.push("Grpc-Status", "5");
    trailers.push("grpc-message", "none here");
    side.finish(Some(trailers)).await.unwrap();
    let events = all(&mut told);
    assert_eq!(events[0], GrpcEvent::Metadata(vec![(b"x-a".into(), b"1".into())]));
    assert_eq!(events[1], GrpcEvent::Message(b"a".into()));
    assert_eq!(events[2], GrpcEvent::Message(Vec::new()));
    assert_eq!(events[3], GrpcEvent::Message(b"xyz".into()));
    assert!(matches!(events[4], GrpcEvent::Trailers(_)));
    assert_eq!(events[5], GrpcEvent::Closed(5, "none here".into()));
    assert_eq!(events.len(), 6);
}

#[tokio::test]
async fn what_is_no_grpc_closes_with_a_status_once() {
    let (mut other, _messages, mut told) = side();
    let head = ResponseHead::new(404);
    assert!(other.write_head(head, ResponseFraming::Unknown).await.is_err());
    other.close(14, "again");
    assert!(matches!(all(&mut told)[..], [GrpcEvent::Closed(2, _)]));

    let (mut huge, _messages, mut told) = side();
    assert!(huge.write_body(Bytes::from_static(b"\0\xff\xff\xff\xff")).await.is_err());
    assert!(matches!(all(&mut told)[..], [GrpcEvent::Closed(13, _)]));

    let (mut silent, _messages, mut told) = side();
    silent.finish(None).await.unwrap();
    assert!(matches!(all(&mut told)[..], [GrpcEvent::Closed(14, _)]));
}
