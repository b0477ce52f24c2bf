use super::*;

fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> Edits {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(n, v)| ((*n).into(), Value::parse(v).unwrap())).collect()
    };
    Edits {
        remove: remove.iter().map(|name| (*name).into()).collect(),
        set: pairs(set),
        add: pairs(add),
    }
}

fn applied(edits: &[&Edits]) -> Vec<String> {
    let mut fields = FieldList::default();
    for (name, value) in [("A", "1"), ("b", "1"), ("C", "1"), ("c", "2")] {
        fields.push(name, value);
    }
    edits.iter().for_each(|edits| edits.apply(&mut fields, &Nothing));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut lines: Vec<String> = fields
        .iter()
        .map(|field| format!("{}={}", text(field.name).to_lowercase(), text(field.value)))
        .collect();
    lines.sort();
    lines
}

#[test]
fn remove_then_set_then_add() {
    let all = edits(&["a", "c"], &[("b", "2"), ("c", "3")], &[("c", "4")]);
    assert_eq!(applied(&[&all]), ["b=2", "c=3", "c=4"]);
}

#[test]
fn two_edits_joined_do_what_both_do_one_after_the_other() {
    let names = ["a", "b", "c"];
    let mut all = vec![Edits::default()];
    for name in names {
        all.push(edits(&[name], &[], &[]));
        all.push(edits(&[], &[(name, "x")], &[]));
        all.push(edits(&[], &[], &[(name, "y")]));
        all.push(edits(&[name], &[(name, "z")], &[(name, "w")]));
    }
    for first in &all {
        for second in &all {
            assert_eq!(
                applied(&[&first.then(second)]),
                applied(&[first, second]),
                "{first:?} {second:?}"
            );
        }
    }
}

#[test]
fn variables_are_filled_in_and_other_braces_stay() {
    let filled = |text: &str| {
        let all = edits(&[], &[("a", text)], &[]);
        let mut fields = FieldList::default();
        all.apply(&mut fields, &Nothing);
        String::from_utf8(fields.value("a").unwrap().to_vec()).unwrap()
    };
    assert_eq!(filled("{client_ip}"), "<ClientIp>");
    assert_eq!(filled("for={client_ip};id={request_id}."), "for=<ClientIp>;id=<RequestId>.");
    assert_eq!(filled("{\"a\":{\"b\":1}}"), "{\"a\":{\"b\":1}}");
    assert_eq!(filled("{{host}}"), "{<Host>}");
    assert_eq!(filled("{"), "{");
    assert_eq!(Value::parse("{clientip}"), Err(UnknownVariable("clientip".into())));
}
