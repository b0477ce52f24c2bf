use proptest::prelude::*;

use crate::fuzz;

#[test]
fn an_empty_redirect_rule_does_not_lead_to_another_host() {
    fuzz::redirects(
        b"/old/* /{rest}\n/a/{b}/* /{b}/{rest}\n\n/old//evil.example\n/old/\\evil.example\n/a/\\/x",
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn bodies_hold_on_anything(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::router(&data);
        fuzz::redirects(&data);
        fuzz::filter(&data);
    }

    #[test]
    fn bodies_hold_on_what_looks_right(
        patterns in prop::collection::vec("(/[a-c{}*]{0,3}){0,4}( /[{}a-c/]{0,6})?", 0..8),
        paths in prop::collection::vec("[/a-c\\\\]{0,12}", 0..8),
    ) {
        let text = format!("{}\n\n{}", patterns.join("\n"), paths.join("\n"));
        fuzz::router(text.as_bytes());
        fuzz::redirects(text.as_bytes());
    }
}
