use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        hls(&data);
        dash(&data);
        request(&data);
    }

    #[test]
    fn nearly_manifests(text in "#EXTM3U\n(#EXT-X-(PART|KEY|MAP|SKIP):[A-Z]{1,4}=\"?[a-z0-9]{0,5}\"?,?\n|[a-z]{1,4}\n){0,9}") {
        hls(text.as_bytes());
    }

    #[test]
    fn nearly_xml(text in "<MPD( type=\"(dynamic|static)\")?>(<BaseURL>[a-z/]{0,5}</BaseURL>|<SegmentTemplate media=\"[a-z$&;]{0,9}\"/>){0,4}</MPD>") {
        dash(text.as_bytes());
    }

    #[test]
    fn nearly_queries(text in "((_HLS_msn|_HLS_part|CMCD|a)=[0-9a-z%]{0,5}&?){0,5}") {
        request(text.as_bytes());
    }
}
