//! From a scenario's text to its steps.

use super::script::{
    Act, ClientAct, Compare, Draft, Expect, OriginAct, Part, Script, Source, Step, Test,
};
use super::text;

/// A line that cannot be read, and why.
pub(super) type Wrong = (usize, String);

/// Reads a scenario; `name` is its file's name without the ending.
pub(super) fn script(name: &str, source: &str) -> Result<Script, Wrong> {
    let lines: Vec<&str> = source.lines().collect();
    let title = lines.first().copied().unwrap_or_default();
    if !title.strip_prefix("# ").is_some_and(|title| title.starts_with(&format!("{name} "))) {
        return Err((1, format!("the first line must be `# {name} what must be true`")));
    }
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let number = at;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let block = lines[at..].iter().take_while(|l| l.is_empty() || l.starts_with(' ')).count();
        let act = act(line, &lines[at..at + block]).map_err(|why| (number, why))?;
        at += block;
        steps.push(Step { line: number, act });
    }
    let origins = origins(&steps, source);
    Ok(Script { steps, origins })
}

/// Origins by name: those that act, and those that only a spec mentions.
fn origins(steps: &[Step], source: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let acting = steps.iter().filter_map(|step| match &step.act {
        Act::Origin(name, ..) => Some(name.clone()),
        _ => None,
    });
    let mentioned = source.split("${").skip(1).filter_map(|rest| {
        let name = rest.split(['}', '.']).next()?;
        name.starts_with('o').then(|| name.to_owned())
    });
    for name in acting.chain(mentioned) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn act(line: &str, block: &[&str]) -> Result<Act, String> {
    let (word, rest) = text::word(line);
    let has_block = block.iter().any(|line| !line.is_empty());
    if has_block && !matches!(word, "node" | "spec" | "apply" | "refuse") {
        return Err("only `node`, `spec`, `apply` and `refuse` take an indented block".to_owned());
    }
    match word {
        "node" => Ok(Act::Node(text::dedent(block))),
        "spec" => source(rest, block).map(Act::Spec),
        "apply" => source(rest, block).map(Act::Apply),
        "refuse" => source(rest, block).map(Act::Refuse),
        "advance" => text::duration(rest).map(Act::Advance).ok_or_else(|| unit(rest)),
        "metric" => metric(rest),
        "client" => {
            let (name, rest) = text::word(rest);
            client(rest).map(|act| Act::Client(name.to_owned(), act))
        }
        "origin" => {
            let (name, rest) = text::word(rest);
            let (name, label) = name.split_once('/').unwrap_or((name, ""));
            origin(rest).map(|act| Act::Origin(name.to_owned(), label.to_owned(), act))
        }
        _ => Err(format!(
            "`{word}` is not node, spec, apply, refuse, advance, metric, client or origin"
        )),
    }
}

fn unit(got: &str) -> String {
    format!("`{got}` is not a time such as 61s; units are ms, s, m, h, d")
}

fn source(name: &str, block: &[&str]) -> Result<Source, String> {
    let text = text::dedent(block);
    match (name.is_empty(), text.trim().is_empty()) {
        (false, true) => Ok(Source::File(name.to_owned())),
        (true, false) => Ok(Source::Text(text)),
        _ => Err("a spec is either a file's name or an indented block".to_owned()),
    }
}

fn metric(rest: &str) -> Result<Act, String> {
    let wrong = || format!("`{rest}` is not `name{{label=\"x\"}} >= 2`");
    let words: Vec<&str> = rest.rsplitn(3, ' ').collect();
    let &[value, compare, series] = words.as_slice() else { return Err(wrong()) };
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').ok_or_else(wrong)?;
    Ok(Act::Metric {
        name: name.to_owned(),
        labels: labels.split(',').filter(|l| !l.is_empty()).map(|l| l.trim().to_owned()).collect(),
        compare: comparison(compare).ok_or_else(wrong)?,
        value: value.parse().map_err(|_| wrong())?,
    })
}

fn client(line: &str) -> Result<ClientAct, String> {
    let (word, rest) = text::word(line);
    Ok(match word {
        ">" => ClientAct::Send(draft(rest)?),
        ">>" => ClientAct::SendRaw(text::quoted(rest)?.concat()),
        "<" => ClientAct::Expect(Part::Whole, expect(rest)?),
        "<head" => ClientAct::Expect(Part::Head, expect(rest)?),
        "<body" => ClientAct::Expect(Part::Body, rest_of(rest)?),
        "<<" => ClientAct::ExpectRaw(text::quoted(rest)?.concat()),
        "broken" => ClientAct::Broken,
        "closed" => ClientAct::Closed,
        "close" => ClientAct::Close,
        "end" => ClientAct::End,
        _ => return Err(format!("a client does not know `{word}`")),
    })
}

fn origin(line: &str) -> Result<OriginAct, String> {
    let (word, rest) = text::word(line);
    let count = || rest.parse().map_err(|_| format!("`{rest}` is not a number"));
    Ok(match word {
        ">" => OriginAct::Send(draft(rest)?),
        ">>" => OriginAct::SendRaw(text::quoted(rest)?.concat()),
        "<" => OriginAct::Expect(Part::Whole, expect(rest)?),
        "<head" => OriginAct::Expect(Part::Head, expect(rest)?),
        "<body" => OriginAct::Expect(Part::Body, rest_of(rest)?),
        "<<" => OriginAct::ExpectRaw(text::quoted(rest)?.concat()),
        "always" => OriginAct::Always(draft(rest)?),
        "broken" => OriginAct::Broken,
        "close" => OriginAct::Close,
        "reset" => OriginAct::Reset,
        "down" => OriginAct::Down,
        "up" => OriginAct::Up,
        "requests" => OriginAct::Requests(count()?),
        "connections" => OriginAct::Connections(count()?),
        _ => return Err(format!("an origin does not know `{word}`")),
    })
}

fn draft(rest: &str) -> Result<Draft, String> {
    let (head, content) = halves(rest);
    let mut segments = head.split(" | ").map(str::trim);
    let line = segments.next().unwrap_or_default().to_owned();
    let mut draft = Draft { line, ..Draft::default() };
    for segment in segments {
        match segment {
            "no host" => draft.no_host = true,
            "no length" => draft.no_length = true,
            _ => {
                let (name, value) =
                    segment.split_once(':').ok_or_else(|| format!("`{segment}` is no field"))?;
                draft.fields.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    draft.content = content.map(text::content).transpose()?;
    Ok(draft)
}

fn expect(rest: &str) -> Result<Expect, String> {
    let (head, content) = halves(rest);
    let mut segments = head.split(" | ").map(str::trim);
    let line = segments.next().unwrap_or_default().to_owned();
    let fields = segments.map(field_test).collect::<Result<_, _>>()?;
    Ok(Expect { line, fields, content: content.map(content_test).transpose()? })
}

fn rest_of(content: &str) -> Result<Expect, String> {
    let content = content.strip_prefix("||").unwrap_or(content).trim();
    let content = (!content.is_empty()).then(|| content_test(content)).transpose()?;
    Ok(Expect { line: "*".to_owned(), fields: Vec::new(), content })
}

/// Head and content of a message, divided by ` || `.
fn halves(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once(" || ") {
        Some((head, content)) => (head, Some(content)),
        None => match rest.strip_suffix(" ||") {
            Some(head) => (head, Some("")),
            None => (rest, None),
        },
    }
}

fn field_test(segment: &str) -> Result<(String, Test), String> {
    if let Some(segment) = segment.strip_prefix("trailer ") {
        return field_test(segment).map(|(name, test)| (format!("trailer {name}"), test));
    }
    let (name, rest) = text::word(segment);
    if let Some(name) = name.strip_suffix(':') {
        return Ok((name.to_owned(), Test::Is(rest.as_bytes().to_vec())));
    }
    let (word, value) = text::word(rest);
    let value = value.trim_matches('"');
    let number = || value.parse().map_err(|_| format!("`{value}` is not a number"));
    let test = match (word, comparison(word)) {
        ("present", _) => Test::Present,
        ("absent", _) => Test::Absent,
        ("contains", _) => Test::Contains(value.to_owned()),
        ("starts", _) => Test::Starts(value.to_owned()),
        ("lines", _) => Test::Lines(value.parse().map_err(|_| format!("`{value}` lines?"))?),
        (_, Some(compare)) => Test::Number(compare, number()?),
        _ => return Err(format!("`{segment}` is not an expectation of a field")),
    };
    Ok((name.to_owned(), test))
}

fn content_test(content: &str) -> Result<Test, String> {
    let (word, rest) = text::word(content);
    Ok(match word {
        "contains" => Test::Contains(rest.trim_matches('"').to_owned()),
        "starts" => Test::Starts(rest.trim_matches('"').to_owned()),
        _ => Test::Is(text::content(content)?.concat()),
    })
}

fn comparison(word: &str) -> Option<Compare> {
    match word {
        "==" => Some(Compare::Equal),
        ">=" => Some(Compare::AtLeast),
        "<=" => Some(Compare::AtMost),
        _ => None,
    }
}
