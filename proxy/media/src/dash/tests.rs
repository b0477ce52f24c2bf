use proptest::prelude::*;

use super::*;

const LIVE: &str = r#"<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" availabilityStartTime="1970-01-01T00:01:00Z"
  publishTime="2026-11-21T22:58:59.5+01:00" minimumUpdatePeriod="PT30S" timeShiftBufferDepth="PT1M">
 <PatchLocation ttl="60">/patch.mpp?publishTime=1</PatchLocation>
 <Period><AdaptationSet><SegmentTemplate timescale="90000" duration="180000" startNumber="1"
  availabilityTimeOffset="1.5" availabilityTimeComplete="false" media="$Number$.m4s"/></AdaptationSet></Period>
</MPD>"#;

#[test]
fn a_live_manifest_is_read() {
    let mpd = Mpd::parse(LIVE.as_bytes()).expect("a manifest");
    assert!(mpd.dynamic && mpd.chunked);
    assert_eq!(mpd.availability_start_ms, Some(60_000));
    assert_eq!(mpd.publish_ms, Some(1_795_298_339_500));
    assert_eq!((mpd.segment_ms, mpd.time_offset_ms), (Some(2000), 1500));
    assert_eq!(mpd.patch.as_deref(), Some("/patch.mpp?publishTime=1"));
    assert_eq!(mpd.keep_ms(), Some(1000), "half a segment");
    assert_eq!(mpd.segments_available(60_000), Some(0));
    assert_eq!(mpd.segments_available(60_500), Some(1), "the first chunk of the first segment");
    assert_eq!(mpd.segments_available(64_400), Some(2));
    assert_eq!(mpd.segments_available(1), None);
}

#[test]
fn a_static_manifest_stays() {
    let mpd = Mpd::parse(b"<MPD type=\"static\"/>").expect("a manifest");
    assert_eq!(mpd.keep_ms(), None);
    assert_eq!(Mpd::parse(b"<html/>"), None);
    assert_eq!(Mpd::parse(b"<MPD"), None);
}

#[test]
fn times_of_xml() {
    assert_eq!(duration_ms("PT2S"), Some(2000));
    assert_eq!(duration_ms("P1DT1H1M0.25S"), Some(90_060_250));
    assert_eq!(duration_ms("PT"), Some(0));
    assert_eq!(duration_ms("P1Y"), None);
    assert_eq!(duration_ms("2S"), None);
    assert_eq!(date_time_ms("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(date_time_ms("2000-03-01T00:00:00"), Some(951_868_800_000));
    assert_eq!(date_time_ms("1969-01-01T00:00:00Z"), None);
    assert_eq!(date_time_ms("2000-13-01T00:00:00Z"), None);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC{0,80}", number in any::<u64>()) {
        let _ = (duration_ms(&text), date_time_ms(&text), Mpd::parse(text.as_bytes()));
        let mpd = format!("<MPD><SegmentTemplate duration=\"{number}\" timescale=\"{}\"/></MPD>", text.len());
        let _ = Mpd::parse(mpd.as_bytes()).map(|mpd| mpd.segments_available(number));
    }
}
