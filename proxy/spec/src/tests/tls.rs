use crate::read;

#[test]
fn a_private_key_is_not_shown() {
    let text = "certificates: [{ name: a, certificate: x, key: hush }]\nsites:\n  - \
                { name: s, hosts: ['a'], tls: { client_ca: y } }\n";
    let spec = read(text).unwrap();
    assert!(!format!("{spec:?}").contains("hush"));
    assert_eq!(spec.certificates[0].key.as_ref().unwrap().expose(), "hush");
}

#[test]
fn each_part_comes_from_one_place() {
    let text = "certificates:\n  - { name: a, certificate: x, certificate_file: x }\nsites:\n  - \
                { name: s, hosts: ['a'], tls: { client_certificate: maybe } }\ntls: \
                { min_version: \"1.1\" }\n";
    let found: Vec<_> = read(text).unwrap_err().iter().map(ToString::to_string).collect();
    let wanted = [
        "line 2: certificates[0]: expected exactly one of: certificate, certificate_file",
        "line 2: certificates[0]: expected exactly one of: key, key_file",
        "line 4: sites[0].tls: expected exactly one of: client_ca, client_ca_file",
        "line 4: sites[0].tls.client_certificate: expected one of required, optional, found \"maybe\"",
        "line 5: tls.min_version: expected one of 1.2, 1.3, found \"1.1\" (did you mean \"1.2\"?)",
    ];
    for line in wanted {
        assert!(found.iter().any(|problem| problem == line), "{line}: {found:#?}");
    }
}
