//! The command line: one table of verbs, from which parsing, help and completions are made.

use std::{collections::BTreeMap, fmt::Write, process::ExitCode};

use anyhow::{Context, Result, bail};

/// A verb: what is typed, what it takes, what it does.
pub(crate) struct Verb {
    /// As typed, for example `config apply`.
    pub(crate) name: &'static str,
    /// Positional arguments for the usage line; `[X]` is optional, `X...` may repeat.
    pub(crate) arguments: &'static str,
    /// One line for the list of verbs.
    pub(crate) summary: &'static str,
    pub(crate) options: &'static [&'static [Opt]],
    pub(crate) run: fn(Args) -> Result<ExitCode>,
}

/// An option of a verb.
pub(crate) struct Opt {
    /// Without the two dashes.
    pub(crate) name: &'static str,
    /// What stands for the value in the help; empty for a flag.
    pub(crate) value: &'static str,
    /// Used when the option is not given; empty for none.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

/// A parsed command line.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) positional: Vec<String>,
    given: BTreeMap<&'static str, Vec<String>>,
    defaults: BTreeMap<&'static str, &'static str>,
}

/// What the command line asks for.
pub(crate) enum Asked {
    Run(&'static Verb, Args),
    Help(String),
}

/// Reads the command line with the verbs' own table.
pub(crate) fn parse(verbs: &'static [Verb], words: Vec<String>) -> Result<Asked> {
    if words.first().is_none_or(|word| matches!(word.as_str(), "help" | "--help" | "-h")) {
        return Ok(Asked::Help(overview(verbs)));
    }
    if matches!(words[0].as_str(), "--version" | "-V") {
        return Ok(Asked::Help(format!("tidegate {}\n", env!("CARGO_PKG_VERSION"))));
    }
    let verb = find(verbs, &words)?;
    let rest = &words[verb.name.split(' ').count()..];
    if rest.iter().any(|word| matches!(word.as_str(), "--help" | "-h")) {
        return Ok(Asked::Help(verb.help()));
    }
    let args = verb.parse(rest).with_context(|| format!("see `tidegate {} --help`", verb.name))?;
    Ok(Asked::Run(verb, args))
}

/// The longest verb that the words begin with; otherwise the one that was probably meant.
fn find(verbs: &'static [Verb], words: &[String]) -> Result<&'static Verb> {
    let begins = |verb: &&Verb| {
        verb.name.split(' ').zip(words).all(|(a, b)| a == b)
            && words.len() >= verb.name.split(' ').count()
    };
    if let Some(verb) = verbs.iter().filter(begins).max_by_key(|verb| verb.name.len()) {
        return Ok(verb);
    }
    let typed = words.iter().take(2).take_while(|word| !word.starts_with('-'));
    let typed = typed.cloned().collect::<Vec<_>>().join(" ");
    let family = verbs.iter().filter(|verb| verb.name.starts_with(&format!("{} ", words[0])));
    let family: Vec<_> = family.map(|verb| format!("tidegate {}", verb.name)).collect();
    if !family.is_empty() {
        bail!("`tidegate {typed}` is not a verb; there are: {}", family.join(", "));
    }
    let near = verbs.iter().max_by(|a, b| {
        let score = |verb: &Verb| strsim::jaro_winkler(verb.name, &typed);
        score(a).total_cmp(&score(b))
    });
    let near = near.map_or("help", |verb| verb.name);
    bail!("`tidegate {typed}` is not a verb; did you mean `tidegate {near}`?")
}

/// Every verb with its summary.
fn overview(verbs: &[Verb]) -> String {
    let mut out = String::from(
        "Tidegate: edge proxy, control plane and origin services in one program.\n\n\
         usage: tidegate VERB [OPTIONS]\n\n",
    );
    for verb in verbs {
        let _ = writeln!(out, "  {:<22} {}", verb.name, verb.summary);
    }
    out + "\n`tidegate VERB --help` says more. Start with `tidegate up`.\n"
}

// === impl Verb ===

impl Verb {
    fn all_options(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().flat_map(|group| group.iter())
    }

    fn help(&self) -> String {
        let mut out = format!("{}\n\nusage: tidegate {}", self.summary, self.name);
        if self.all_options().next().is_some() {
            out += " [OPTIONS]";
        }
        let _ = writeln!(out, " {}\n", self.arguments);
        for option in self.all_options() {
            let left = format!("--{} {}", option.name, option.value);
            let _ = write!(out, "  {left:<26} {}", option.help);
            if !option.default.is_empty() {
                let _ = write!(out, " [{}]", option.default);
            }
            out.push('\n');
        }
        out
    }

    fn parse(&self, words: &[String]) -> Result<Args> {
        use lexopt::Arg;
        let mut args = Args {
            defaults: self.all_options().map(|option| (option.name, option.default)).collect(),
            ..Args::default()
        };
        let mut parser = lexopt::Parser::from_args(words);
        while let Some(word) = parser.next()? {
            match word {
                Arg::Value(value) => args.positional.push(value.string()?),
                Arg::Long(name) => {
                    let option = self.option(name)?;
                    let value = match option.value {
                        "" => String::new(),
                        _ => parser.value().map_err(|_| missing_value(option))?.string()?,
                    };
                    args.given.entry(option.name).or_default().push(value);
                }
                Arg::Short(letter) => bail!("unknown option -{letter}"),
            }
        }
        self.check_count(&args)?;
        Ok(args)
    }

    fn option(&self, name: &str) -> Result<&'static Opt> {
        if let Some(option) = self.all_options().find(|option| option.name == name) {
            return Ok(option);
        }
        let near = self.all_options().max_by(|a, b| {
            let score = |option: &Opt| strsim::jaro_winkler(option.name, name);
            score(a).total_cmp(&score(b))
        });
        match near {
            Some(near) => bail!("unknown option --{name}; did you mean --{}?", near.name),
            None => bail!("unknown option --{name}; this verb has none"),
        }
    }

    fn check_count(&self, args: &Args) -> Result<()> {
        let wanted: Vec<_> = self.arguments.split_whitespace().collect();
        let needed = wanted.iter().filter(|word| !word.starts_with('[')).count();
        if let Some(missing) =
            wanted.get(args.positional.len()).filter(|_| args.positional.len() < needed)
        {
            bail!("{missing} is missing");
        }
        let many = wanted.iter().any(|word| word.contains("..."));
        if let Some(extra) = args.positional.get(wanted.len()).filter(|_| !many) {
            bail!("`{extra}` is one argument too many");
        }
        Ok(())
    }
}

fn missing_value(option: &Opt) -> anyhow::Error {
    anyhow::anyhow!("--{} needs a value: --{} {}", option.name, option.name, option.value)
}

// === impl Args ===

impl Args {
    /// The option's value, or its default; `None` when it has neither.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let given = self.given.get(name).and_then(|values| values.last()).map(String::as_str);
        given.or_else(|| self.defaults.get(name).copied().filter(|value| !value.is_empty()))
    }

    /// The option's value only when it was typed.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.given.get(name).and_then(|values| values.last()).map(String::as_str)
    }

    /// Every value of an option that may repeat.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        match self.given.get(name) {
            Some(values) => values.iter().map(String::as_str).collect(),
            None => self.get(name).into_iter().collect(),
        }
    }

    /// Whether a flag was typed.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The option's value as a number, an address and so on.
    pub(crate) fn read<T>(&self, name: &str) -> Result<Option<T>>
    where
        T: std::str::FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let read = |text: &str| text.parse().with_context(|| format!("--{name} {text}"));
        self.get(name).map(read).transpose()
    }
}

/// Makes `.string()` available on command line words without panicking on odd bytes.
trait Text {
    fn string(self) -> Result<String>;
}

impl Text for std::ffi::OsString {
    fn string(self) -> Result<String> {
        self.into_string().map_err(|word| anyhow::anyhow!("{word:?} is not UTF-8"))
    }
}
