use proptest::prelude::*;
use tidegate_testkit::fuzz::Smoke;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A smoke run of every target: bytes at random, and texts of the right shape.
    #[test]
    fn every_target_survives(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        path in "([a-z]{0,3}/)?(edge-cache-token|bcdn_token|tg|URISigningPackage)?=?[\\PC]{0,40}",
        query in "((token|tg|S|A|P|K|E|C|md5|expires|verify|policy|signature|Signature|KeyName|Expires|cat|__token__|edge-cache-token|Policy|Key-Pair-Id|URISigningPackage)=[\\PC&&[^\n]]{0,20}&){0,7}",
        json in "\\{(\"(exp|nbf|sub|cdniuc|cdniip|cdnistt|cdniets|accessRules|Statement|url_expire|allow_ip)\":(\"[ -!#-\\[\\]-~]{0,20}\"|[0-9]{1,12}|\\[\\]|\\{\\}|null),?){0,4}\\}",
        fields in "((URLPrefix|FullPath|PathGlobs|Starts|Expires|Headers|IPRanges|st|exp|acl|ip)(=[ -}]{0,20})?~){0,5}",
    ) {
        let request = format!("{path}\n{query}\n{query}\nBearer {json}");
        for word in FORMATS {
            for data in [&bytes[..], request.as_bytes(), json.as_bytes(), fields.as_bytes()] {
                format(word, data);
            }
        }
    }
}

/// Requests and claims that mean something to each format; each target is given those of all.
const SEEDS: &[&[u8]] = &[
    b"a\ntg=tg1.k1.1767225600.pL2E.n1.i24~AQID.mGET~PUT.cDE~AT.sYQ.u3.AAAA\n\n",
    b"tg1.k1.1767225600.pL2E.n1.i24~AQID.hYQ.mGET~PUT.cDE~AT.sYQ.u3",
    b"a\n__token__=ip=1.2.3.4~st=1~exp=1700000100~acl=/a/*!/b~id=x~data=y~hmac=00\n\n",
    b"ip=1.2.3.4~st=1~exp=9~acl=%2fa%2f*~id=x~data=y",
    b"foo\nC=1.2.3.4&E=1453846938&A=1&K=2&P=1&S=f4103561a23adab7723a89b9831d77e0afb61d92\n\n",
    b"a\ntoken=HS256-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&token_path=%2Fa&expires=1700000100\n\n",
    b"expires=1700000100&token_path=%2Fa%2F&token_countries=DE,AT&limit=1",
    b"\xa4\x04\x1a\x65\x54\x00\x00\x19\x01\x38\xa1\x03\xa1\x01\x62/a\x18\x29\x81\xa1\x19\x01\x39\x81\x63GET\x18\x2d\x81\x04",
    b"\xd8\x3d\xd1\x84\x43\xa1\x01\x05\xa1\x04\x42k1\x40\x40",
    br#"{"exp":1700000100,"nbf":1,"sub":"v","cdniuc":"regex:https://h\\.example/.*","cdniip":"a..b.c.d","cdnistt":1,"cdniets":30}"#,
    br#"{"exp":1,"sub":"v","accessRules":[{"type":"ip.src","ip":["1.2.3.0/24"],"action":"allow"},{"type":"any","action":"block"}]}"#,
    br#"{"Statement":[{"Resource":"https://h/*","Condition":{"DateLessThan":{"AWS:EpochTime":9},"IpAddress":{"AWS:SourceIp":"1.2.3.0/24"}}}]}"#,
    b"a\nExpires=9&Signature=AA__&Key-Pair-Id=k1&Hash-Algorithm=SHA256\nCloudFront-Policy=e30_\n",
    b"URLPrefix=aHR0cHM6Ly9oLmV4YW1wbGUv~Starts=1~Expires=9~SessionID=x~Headers=X-A,X-B~IPRanges=MS4yLjMuMC8yNA",
    b"v/edge-cache-token=Expires=9&KeyName=e1&Signature=AA/a.ts\n\nEdge-Cache-Cookie=URLPrefix=aA:Expires=9:KeyName=e1:Signature=AA\n",
    b"a\nx=1&verify=1700000000-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D\n\n",
    b"a\ntoken=1700000100_2ff701d4b75cbafce1919e87647b07177fa7bee2\n\n",
    br#"{"url_expire":1700000100000,"url_activate":1,"stream_expire":9,"allow_ip":"1.2.3.0/24"}"#,
    b"s/link\nmd5=_e4Nc3iduzkWRm01TBBNYw&expires=2147483647\n\n",
];

/// The bodies of the fuzz targets, seeded and bounded; `TIDEGATE_FUZZ_SECS` makes it a long run.
#[test]
fn every_target_survives_what_its_format_turns_into() {
    let smoke = Smoke {
        seeds: SEEDS,
        telling: b"~&=.:/%\n\"{}[],!*?-_\xa1\x81",
        tail_bytes_max: 64,
        rounds: 300,
    };
    for word in FORMATS {
        smoke.run(word, |data| format(word, data));
    }
}
