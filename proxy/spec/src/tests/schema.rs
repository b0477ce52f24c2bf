use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::Spec;

/// Set to write the schema anew.
const UPDATE: &str = "UPDATE_EXPECT";

#[test]
fn the_schema_in_docs_is_that_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec.schema.json");
    let schema = serde_json::to_string_pretty(&Spec::json_schema()).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&file, &schema).unwrap();
    }
    let recorded: Json = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(recorded, Spec::json_schema(), "set {UPDATE}=1 to write it");
}

#[test]
fn every_reference_of_the_schema_leads_somewhere() {
    let schema = Spec::json_schema();
    let text = schema.to_string();
    let defs = schema["$defs"].as_object().unwrap();
    for part in text.split("\"#/$defs/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(defs.get(name).is_some_and(Json::is_object), "{name}");
    }
    assert_eq!(defs["Route"]["required"], serde_json::json!(["match", "action"]));
}
