use proptest::prelude::*;

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
