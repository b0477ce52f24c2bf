use super::*;

const TEXT: &str = "
keysets:
  - { name: here, keys: [{ id: a, secret: AAECAwQFBgcICQoLDA0ODw }] }
  - { name: file, keys: [{ id: a, secret: AAECAwQFBgcICQoLDA0ODw }, { id: b, secret_file: /k }] }
  - { name: made, keys: [{ id: a, generate: true }] }
sites:
  - name: s
    hosts: ['*']
    routes: [{ match: /*, action: { respond: {} }, verify: made }]
";

#[test]
fn a_keyset_that_lacks_a_key_verifies_nothing() {
    let snapshot = compiled(TEXT);
    assert_eq!(snapshot.missing_keys, ["file/b", "made/a"]);
    let there: Vec<bool> = snapshot.keysets.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, false]);
    let index = route(&snapshot, "/").verify.unwrap();
    assert!(snapshot.keyset(index).is_none());
}

#[test]
fn keys_of_this_node_complete_it() {
    let spec = tidegate_spec::read(TEXT).unwrap();
    let mut material = Material::default();
    material.insert("made", "a", vec![7; 32]);
    material.insert("file", "b", vec![8; 32]);
    let snapshot = compile_with(&spec, 1, &material).unwrap();
    assert!(snapshot.missing_keys.is_empty());
    assert_eq!(snapshot.keysets[1].as_ref().unwrap().keys().len(), 2);
    assert!(!format!("{material:?}").contains("7, 7"));
    assert_eq!(snapshot.hash, spec.hash(), "what is on one node is not in the hash");
}

#[test]
fn material_that_is_no_key_is_a_problem() {
    let spec = tidegate_spec::read(TEXT).unwrap();
    let mut material = Material::default();
    material.insert("made", "a", Vec::new());
    let problems = compile_with(&spec, 1, &material).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "keysets[2].keys[0]");
}
