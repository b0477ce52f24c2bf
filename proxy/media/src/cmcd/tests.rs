use proptest::prelude::*;
use tidegate_http::FieldList;

use super::*;

fn query(text: &str) -> Option<Cmcd> {
    Cmcd::of(Some(text), &FieldList::new())
}

#[test]
fn both_versions_are_read() {
    let v1 = "x=1&CMCD=bl%3D21300%2Cbr%3D3200%2Cbs%2Cd%3D4004%2Cmtp%3D25400%2Cnor%3D%22..%252Fnext.m4s%22%2Cot%3Dv%2Csid%3D%22a-b%22%2Csu%2Ctb%3D6000";
    let found = query(v1).expect("data");
    assert_eq!((found.buffer_ms, found.bitrate_kbps), (Some(21_300), Some(3200)));
    assert_eq!((found.starved, found.starting, found.version), (true, true, 1));
    assert_eq!(found.next.as_deref(), Some("../next.m4s"));
    assert_eq!((found.session.as_deref(), found.object.as_deref()), (Some("a-b"), Some("v")));
    let v2 = "CMCD=bl%3D(21300)%2Cbr%3D(3200%203300)%2Cltc%3D2100%2Cnor%3D(%22next.m4s%22)%2Csta%3Dp%2Cv%3D2";
    let found = query(v2).expect("data");
    assert_eq!((found.buffer_ms, found.bitrate_kbps), (Some(21_300), Some(3200)));
    assert_eq!((found.latency_ms, found.version), (Some(2100), 2));
    assert_eq!((found.next.as_deref(), found.state.as_deref()), (Some("next.m4s"), Some("p")));
}

#[test]
fn fields_are_read_and_the_query_goes_before_them() {
    let mut fields = FieldList::new();
    fields.push("CMCD-Object", "br=100,d=4000");
    fields.push("CMCD-Session", "sid=\"s\"");
    fields.push("CMCD-Status", "nonsense=(");
    let found = Cmcd::of(Some("CMCD=br%3D7"), &fields).expect("data");
    assert_eq!((found.bitrate_kbps, found.duration_ms), (Some(7), Some(4000)));
    assert_eq!(found.session.as_deref(), Some("s"));
    assert_eq!(Cmcd::of(Some("a=1"), &FieldList::new()), None);
    assert_eq!(query("CMCD=%zz"), None);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC{0,80}") {
        let _ = query(&format!("CMCD={text}"));
    }
}
