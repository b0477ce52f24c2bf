use proptest::prelude::*;

use super::*;

fn at(msn: u64, part: Option<u64>) -> Directives {
    Directives { position: Some(Position { msn, part }), skip: None }
}

#[test]
fn directives_are_read() {
    assert_eq!(Directives::of(None), Ok(Directives::default()));
    assert_eq!(Directives::of(Some("a=_HLS_msn")), Ok(Directives::default()));
    assert_eq!(Directives::of(Some("_HLS_msn=7&x=1")), Ok(at(7, None)));
    assert_eq!(Directives::of(Some("_HLS_part=0&_HLS_msn=7")), Ok(at(7, Some(0))));
    let skip = Directives::of(Some("_HLS_skip=v2")).map(|d| d.skip);
    assert_eq!(skip, Ok(Some(Skip::DateRanges)));
    assert_eq!(Directives::of(Some("_HLS_skip=no")).map(|d| d.skip), Ok(None));
}

#[test]
fn what_no_stream_can_satisfy_is_refused() {
    assert_eq!(Directives::of(Some("_HLS_part=1")), Err(Refused::PartAlone));
    assert_eq!(Directives::of(Some("_HLS_msn=-1")), Err(Refused::NotANumber));
    assert_eq!(Directives::of(Some("_HLS_msn=")), Err(Refused::NotANumber));
    assert_eq!(Directives::of(Some("_HLS_msn=+1")), Err(Refused::NotANumber));
    assert_eq!(Directives::of(Some("_HLS_msn=99999999999999999999")), Err(Refused::NotANumber));
    assert_eq!(Directives::of(Some("_HLS_msn=1&_HLS_msn=2")), Err(Refused::Twice));
}

#[test]
fn one_resource_has_one_query() {
    let of = |query| canonical_query(Some(query)).map(Cow::into_owned);
    assert_eq!(of("CMCD=bl%3D1"), None);
    assert_eq!(of("b=1&a=2").as_deref(), Some("b=1&a=2"));
    let canonical = Some("a=2&_HLS_msn=7&_HLS_part=0&_HLS_skip=YES");
    assert_eq!(of("_HLS_skip=YES&CMCD=x&_HLS_part=0&a=2&_HLS_msn=7").as_deref(), canonical);
    let bare = without_directives(canonical);
    assert_eq!(bare.as_deref(), Some("a=2"));
}

proptest! {
    #[test]
    fn any_order_is_the_same_resource(
        mut pairs in proptest::collection::vec("(_HLS_msn=[0-9]|_HLS_part=[0-9]|CMCD=[a-z]{0,3})", 0..6),
    ) {
        let one = canonical_query(Some(&pairs.join("&"))).map(Cow::into_owned);
        pairs.reverse();
        let other = canonical_query(Some(&pairs.join("&"))).map(Cow::into_owned);
        prop_assert_eq!(&one, &other);
        let again = canonical_query(one.as_deref()).map(Cow::into_owned);
        prop_assert_eq!(one, again);
    }

    #[test]
    fn any_query_is_read(query in "\\PC{0,60}") {
        let _ = Directives::of(Some(&query));
        let _ = canonical_query(Some(&query));
        let _ = without_directives(Some(&query));
    }
}
