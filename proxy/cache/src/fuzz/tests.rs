use proptest::prelude::*;

use super::*;

const NAMES: &str = "(cache-control|cdn-cache-control|age|date|expires|vary|etag|last-modified|set-cookie|\
                     surrogate-key|cache-groups|location|pragma|range|if-range|if-none-match|if-match|\
                     if-modified-since|authorization|accept-encoding)";
const VALUES: &str =
    "(max-age|s-maxage|no-cache|private|public|bytes|gzip|[*,;=\" 0-9a-z/:-]){0,8}";

proptest! {
    #[test]
    fn likely_fields(lines in prop::collection::vec((NAMES, VALUES), 0..8), at in 0usize..8) {
        let mut data = Vec::new();
        for (index, (name, value)) in lines.iter().enumerate() {
            if index == at {
                data.push(0);
            }
            data.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        exchange(&data);
    }

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        exchange(&data);
    }
}
