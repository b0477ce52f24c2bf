use proptest::prelude::*;

use super::*;

fn tokens() -> Tokens {
    Tokens { playlists: "tg=P".into(), media: "tg=M".into(), authority: "h.example:8080".into() }
}

fn hls(text: &str) -> String {
    let mut rewriter = HlsRewriter::new(tokens());
    let mut out = Vec::new();
    rewriter.push(text.as_bytes(), &mut out);
    rewriter.finish(&mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn addresses_of_playlists_carry_the_token() {
    for (line, with_token) in [
        ("a.m4s", "a.m4s?tg=M"),
        ("a.m4s?x=1#f", "a.m4s?x=1&tg=M#f"),
        ("/a:b.m4s", "/a:b.m4s?tg=M"),
        ("http://h.example:8080/a", "http://h.example:8080/a?tg=M"),
        ("//h.example:8080/a", "//h.example:8080/a?tg=M"),
        ("https://other.example/a", "https://other.example/a"),
        (
            "#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"1@2\"",
            "#EXT-X-MAP:URI=\"i.mp4?tg=M\",BYTERANGE=\"1@2\"",
        ),
        (
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k?tg=M\",IV=0x1",
        ),
        (
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://k\"",
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://k\"",
        ),
        (
            "#EXT-X-PART:DURATION=1,NAME=\"URI=x\",URI=\"p\"",
            "#EXT-X-PART:DURATION=1,NAME=\"URI=x\",URI=\"p?tg=M\"",
        ),
        ("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\"", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p?tg=M\""),
        (
            "#EXT-X-RENDITION-REPORT:URI=\"../b\",LAST-MSN=1",
            "#EXT-X-RENDITION-REPORT:URI=\"../b?tg=P\",LAST-MSN=1",
        ),
        ("#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a.m3u8\"", "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a.m3u8?tg=P\""),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1\r\nv.m3u8", "#EXT-X-STREAM-INF:BANDWIDTH=1\r\nv.m3u8?tg=P"),
        ("#EXTINF:4,URI=\"x\"", "#EXTINF:4,URI=\"x\""),
        ("#EXT-X-DEFINE:NAME=\"URI\"", "#EXT-X-DEFINE:NAME=\"URI\""),
    ] {
        assert_eq!(hls(&format!("#EXTM3U\n{line}\n")), format!("#EXTM3U\n{with_token}\n"));
    }
}

#[test]
fn a_long_line_passes() {
    let long = "a".repeat(LINE_BYTES_MAX + 1);
    assert_eq!(hls(&format!("{long}\nb\n")), format!("{long}\nb?tg=M\n"));
}

#[test]
fn addresses_of_manifests_carry_the_token() {
    let text = r#"<MPD><Location>http://h.example:8080/m.mpd</Location><BaseURL>v/</BaseURL><Period>
        <SegmentTemplate media="$Number$.m4s?a=1&amp;b=2" initialization="i.mp4" duration="2"/>
        <BaseURL>film.mp4</BaseURL><BaseURL>https://other/film.mp4</BaseURL></Period>
        <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="time"/>
        <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="2026-01-01T00:00:00Z"/></MPD>"#;
    let out = rewrite_mpd(text.as_bytes(), &tokens()).expect("XML");
    let expected = text
        .replace("m.mpd<", "m.mpd?tg=P<")
        .replace("b=2\"", "b=2&amp;tg=M\"")
        .replace("\"i.mp4\"", "\"i.mp4?tg=M\"")
        .replace("\"time\"", "\"time?tg=M\"")
        .replace(">film.mp4<", ">film.mp4?tg=M<");
    assert_eq!(String::from_utf8(out).expect("text"), expected);
    assert_eq!(rewrite_mpd(b"<MPD><", &tokens()), None);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(lines in proptest::collection::vec("(#EXT-X-KEY:URI=\"[a-z]{0,5}\"?|[a-z:/#?]{0,9})", 0..9), cut in 1_usize..7) {
        let text = lines.join("\n");
        let mut rewriter = HlsRewriter::new(tokens());
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(cut) {
            rewriter.push(piece, &mut out);
        }
        rewriter.finish(&mut out);
        prop_assert_eq!(String::from_utf8(out).expect("text"), hls(&text));
    }

    #[test]
    fn without_the_token_it_is_what_it_was(text in "[a-z#:=\",/.?\n]{0,120}") {
        let none = Tokens { playlists: String::new(), media: String::new(), ..tokens() };
        let mut rewriter = HlsRewriter::new(none);
        let mut out = Vec::new();
        rewriter.push(text.as_bytes(), &mut out);
        rewriter.finish(&mut out);
        prop_assert_eq!(out, text.as_bytes());
    }
}

#[test]
fn a_quote_within_single_quotes_stays_within() {
    let manifest = br#"<MPD><SegmentTemplate media='a"b.m4s' note='"/><x y="'/></MPD>"#;
    let rewritten = String::from_utf8(rewrite_mpd(manifest, &tokens()).unwrap()).unwrap();
    assert!(rewritten.contains("media=\"a&quot;b.m4s?"), "{rewritten}");
    assert!(rewritten.contains("note=\"&quot;/><x y=&quot;\""), "{rewritten}");
}
