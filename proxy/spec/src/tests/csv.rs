use crate::csv::redirect_rules;
use crate::read;

fn line_of(text: &str) -> (String, String, u16, bool) {
    let rules = redirect_rules(text).unwrap();
    assert_eq!(rules.len(), 1, "{text:?}");
    let rule = rules[0].clone();
    (rule.from, rule.to, rule.status, rule.keep_query)
}

#[test]
fn lines_are_rules() {
    let rule = |from: &str, to: &str, status, keep| (from.to_owned(), to.to_owned(), status, keep);
    assert_eq!(line_of("/a,/b"), rule("/a", "/b", 301, true));
    assert_eq!(line_of("/a , /b ,302"), rule("/a", "/b", 302, true));
    assert_eq!(line_of("/a,/b,,false\r\n"), rule("/a", "/b", 301, false));
    assert_eq!(line_of("\"/a,x\",\"/b?q=\"\"1\"\"\""), rule("/a,x", "/b?q=\"1\"", 301, true));
    assert_eq!(line_of("from,to\n# moved\n\n/a,/b\n"), rule("/a", "/b", 301, true));
    assert!(redirect_rules("").unwrap().is_empty());
}

#[test]
fn every_wrong_line_comes_back_with_its_number() {
    let text = "/a\n/b,/c\n/d,/e,moved\n/f,/g,301,perhaps\n/h,/i,301,true,x\n\"/j,/k\n\"/l\"x,/m\n";
    let problems: Vec<String> =
        redirect_rules(text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "line 1: expected from,to",
            "line 3: \"moved\" is no status",
            "line 4: \"perhaps\" is neither true nor false",
            "line 5: more than from,to,status,keep_query",
            "line 6: a quote is not closed",
            "line 7: text after a closing quote",
        ]
    );
}

#[test]
fn a_table_takes_the_rules_of_its_file() {
    let text = "redirects:
  - { name: a, file: moved.csv, rules: [{ from: /x, to: /y }] }
  - { name: b, file: gone.csv }
  - { name: c, file: wrong.csv }
";
    let mut spec = read(text).unwrap();
    let problems = spec.load_redirects(|file| match file {
        "moved.csv" => Ok("/a,/b\n/c,/d\n".to_owned()),
        "wrong.csv" => Ok("/a\n".to_owned()),
        other => Err(format!("cannot read {other}")),
    });
    assert_eq!(spec.redirects[0].rules.len(), 3);
    assert_eq!(spec.redirects[0].file, None);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "redirects[1].file: cannot read gone.csv",
            "redirects[2].file: wrong.csv: line 1: expected from,to",
        ]
    );
}
