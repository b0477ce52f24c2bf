use super::*;

#[test]
fn a_member_names_the_hop_and_what_it_knows() {
    let known = Dynamic {
        throughput_kbps: Some(120),
        response_delay_ms: Some(7),
        duress: true,
        ..Dynamic::default()
    };
    assert_eq!(known.member("edge-\"1\""), "\"edge-1\";etp=120;rd=7;du");
    let list = tidegate_http::sf::parse_list(known.member("edge").as_bytes());
    assert!(list.is_ok());
    assert_eq!(Dynamic::default().member("e"), "\"e\"");
}
