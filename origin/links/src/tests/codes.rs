use std::collections::HashSet;

use proptest::prelude::*;

use super::{links, shorten};
use crate::model::code::{self, Alphabet};
use crate::model::permutation::Permutation;

proptest! {
    #[test]
    fn small_permutations_are_bijections(key in any::<[u8; 16]>(), size in 2_u64..2_000) {
        let order = Permutation::new(&key, size);
        let all: HashSet<u64> = (0..size).map(|i| order.of(i).unwrap()).collect();
        prop_assert_eq!(all.len() as u64, size);
        prop_assert!(all.iter().all(|v| *v < size));
        prop_assert_eq!(order.of(size), None);
    }

    #[test]
    fn different_numbers_have_different_codes(key in any::<[u8; 16]>(), a in 0..62_u64.pow(7), b in 0..62_u64.pow(7)) {
        let order = Permutation::new(&key, Alphabet::Base62.size());
        let spell = |n| code::numbered(Alphabet::Base62, &order, n).unwrap();
        prop_assert_eq!(a == b, spell(a) == spell(b));
        prop_assert_eq!(spell(a).len(), 7);
    }

    #[test]
    fn any_text_as_alias_is_taken_or_refused(alias in ".{0,80}") {
        let ok = code::check_alias(&alias).is_ok();
        prop_assert!(!ok || code::is_possible(&alias));
    }
}

#[test]
fn the_numbers_end_with_the_range() {
    for alphabet in [Alphabet::Base62, Alphabet::Base36] {
        let order = Permutation::new(&[7; 16], alphabet.size());
        assert!(code::numbered(alphabet, &order, alphabet.size() - 1).is_some());
        assert_eq!(code::numbered(alphabet, &order, alphabet.size()), None);
    }
}

#[test]
fn neighbours_do_not_look_alike() {
    let order = Permutation::new(b"a key of 16 byte", Alphabet::Base62.size());
    let codes: Vec<_> =
        (0..100).map(|n| code::numbered(Alphabet::Base62, &order, n).unwrap()).collect();
    let firsts: HashSet<_> = codes.iter().map(|c| &c[..1]).collect();
    assert!(firsts.len() > 20, "{codes:?}");
}

#[test]
fn words_of_our_own_paths_are_reserved_in_any_case() {
    for word in ["shorten", "V1", "Static", "metrics", "favicon.ico"] {
        assert!(code::is_reserved(word), "{word}");
    }
    assert!(code::check_alias("metrics2").is_ok());
}

#[test]
fn unlisted_codes_use_the_whole_alphabet() {
    let all: String = (0..500).map(|_| code::unlisted(Alphabet::Base62)).collect();
    let symbols: HashSet<char> = all.chars().collect();
    assert_eq!((all.len(), symbols.len()), (6_000, 62));
}

#[tokio::test]
async fn an_alias_that_a_number_would_spell_is_stepped_over() {
    let (world, client) = links().await;
    let body = serde_json::json!({ "url": "https://example.com/" });
    let first = shorten(&client, body.clone()).await.json()["code"].as_str().unwrap().to_owned();
    // The next process takes the next range; its first code is given away as an alias before.
    let db = world.cx.open(&crate::DATABASE).await.unwrap();
    let secret = tidegate_origin_kit::store::secret(&db, "codes").await.unwrap();
    let mut key = [0; 16];
    key.copy_from_slice(&secret[..16]);
    let order = Permutation::new(&key, Alphabet::Base62.size());
    assert_eq!(first, code::numbered(Alphabet::Base62, &order, 0).unwrap());
    let taken = code::numbered(Alphabet::Base62, &order, 1).unwrap();
    let alias = serde_json::json!({ "url": "https://example.com/", "alias": taken });
    assert_eq!(shorten(&client, alias).await.status, 201);
    let next = shorten(&client, body).await.json();
    assert_eq!(next["code"], code::numbered(Alphabet::Base62, &order, 2).unwrap());
}

#[tokio::test]
async fn a_restart_takes_a_new_range() {
    let (world, client) = links().await;
    let body = serde_json::json!({ "url": "https://example.com/" });
    let before = shorten(&client, body.clone()).await.json();
    let again = world.client(crate::service(&world.cx, None).await.unwrap());
    let after = shorten(&again, body).await.json();
    assert_ne!(before["code"], after["code"]);
}

#[tokio::test]
async fn creations_at_the_same_time_have_codes_of_their_own() {
    let (_world, client) = links().await;
    let made = futures_util::future::join_all((0..200).map(|n| {
        let client = client.clone();
        async move {
            let body = serde_json::json!({ "url": format!("https://example.com/{n}"), "unlisted": n % 5 == 0 });
            shorten(&client, body).await.json()
        }
    }));
    let codes: HashSet<String> =
        made.await.iter().map(|link| link["code"].as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 200);
}
