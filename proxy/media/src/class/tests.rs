use super::*;

#[test]
fn the_ending_tells() {
    for (path, class) in [
        ("/a/master.m3u8", Class::Playlist),
        ("/a/MASTER.M3U8", Class::Playlist),
        ("/a/stream.mpd", Class::Mpd),
        ("/a/init.mp4", Class::Init),
        ("/a/init-0.m4s", Class::Init),
        ("/a/video_init.cmfv", Class::Init),
        ("/a/1.m4s", Class::Segment),
        ("/a/1.2.ts", Class::Segment),
        ("/a/film.mp4", Class::File),
        ("/a/k.key", Class::Key),
        ("/a/en.vtt", Class::Subtitle),
        ("/a/t.jpg", Class::Image),
        ("/a.ts/b", Class::Other),
        ("/", Class::Other),
        ("/a.averylongextension", Class::Other),
        ("/é.ü", Class::Other),
    ] {
        assert_eq!(Class::of_path(path), class, "{path}");
    }
}

#[test]
fn the_type_goes_before_the_ending() {
    let typed = |class: Class, text: &str| class.with_type(text.as_bytes());
    assert_eq!(
        typed(Class::Other, "application/vnd.apple.mpegURL; charset=utf-8"),
        Class::Playlist
    );
    assert_eq!(typed(Class::LivePlaylist, "application/x-mpegurl"), Class::LivePlaylist);
    assert_eq!(typed(Class::Other, "application/dash+xml"), Class::Mpd);
    assert_eq!(typed(Class::Init, "video/mp4"), Class::Init);
}

#[test]
fn words_are_told_apart() {
    let words: std::collections::BTreeSet<_> = Class::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(words.len(), Class::ALL.len());
}
