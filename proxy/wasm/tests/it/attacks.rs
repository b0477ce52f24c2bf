//! The rules that ship against generated attacks among ordinary traffic: what each claims is measured,
//! and the table in docs/plugins/efficacy.md is what was measured.

use std::{
    fmt::Write,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
};

use tidegate_wasm::{
    CallFuture, Chain, Clock, Dispatcher, Host, HostConfig, HttpAnswer, HttpCall, Map,
    PluginConfig, Verdict,
};

use crate::{
    mutation::Dice,
    rules::rule,
    world::{Request, Site},
};

/// Requests for each rule.
const REQUESTS: usize = 1_000;
/// Set to write the table anew.
const UPDATE: &str = "UPDATE_EXPECT";

/// One generated request.
struct Visit {
    request: Request,
    client: String,
    body: Option<String>,
    /// Status of the origin, when it gets there.
    response: u16,
    attack: bool,
    /// Milliseconds since the one before.
    after_ms: u64,
}

/// A rule with its configuration, the traffic that it is shown, and what it must reach.
struct Trial {
    name: &'static str,
    against: &'static str,
    config: &'static str,
    traffic: fn(&mut Dice, usize) -> Visit,
    precision_min: f64,
    recall_min: f64,
}

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
];

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[dice.index(from.len())]
}

/// What a person's browser sends for a target.
fn person(dice: &mut Dice, target: &str) -> Visit {
    let request = Request::get(target)
        .with("user-agent", pick(dice, &BROWSERS))
        .with("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .with("accept-language", pick(dice, &["en-GB,en;q=0.5", "de", "fr-FR,fr", "ja"]))
        .with("accept-encoding", "gzip, deflate, br")
        .with("sec-fetch-mode", "navigate")
        .with("sec-fetch-site", "none");
    visit(request, format!("198.51.100.{}", 1 + dice.throw(250)), false)
}

fn visit(request: Request, client: String, attack: bool) -> Visit {
    Visit { request, client, body: None, response: 200, attack, after_ms: 50 }
}

fn ordinary_target(dice: &mut Dice) -> String {
    let n = dice.throw(10_000);
    match dice.throw(6) {
        0 => "/".to_owned(),
        1 => format!("/articles/{n}/a-title-with-words"),
        2 => format!("/search?q=rock+%27n%27+roll+{n}&page=2"),
        3 => format!("/shop/item?id={n}&colour=blue&size=XL--slim"),
        4 => format!("/assets/app-{n}.js"),
        _ => format!("/profile/o%27neill-{n}?next=/home/../about"),
    }
}

fn post(mut visit: Visit, body: &str, kind: &str) -> Visit {
    for (name, value) in [(":method", "POST"), ("content-type", kind)] {
        tidegate_wasm::Exchange::set_field(
            &mut visit.request,
            Map::RequestHeaders,
            name,
            value.as_bytes(),
        );
    }
    visit.body = Some(body.to_owned());
    visit
}

fn injections(dice: &mut Dice, _n: usize) -> Visit {
    if dice.throw(4) > 0 {
        let target = ordinary_target(dice);
        return person(dice, &target.replace("/home/../about", "/about"));
    }
    let payload = pick(
        dice,
        &[
            "/download?file=../../../../etc/passwd",
            "/download?file=..%2f..%2f..%2fetc%2fpasswd",
            "/item?id=1%27%20or%20%271%27%3d%271",
            "/item?id=1+union+select+password+from+users--",
            "/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
            "/search?q=%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
            "/cgi?cmd=%3Bcat%20/etc/passwd",
            "/item?id=1%3B+drop+table+users",
        ],
    );
    let mut visit = person(dice, payload);
    visit.attack = true;
    visit
}

fn oddities(dice: &mut Dice, n: usize) -> Visit {
    if dice.throw(4) > 0 {
        return injections_free(dice);
    }
    let mut visit = injections(dice, n);
    while !visit.attack {
        visit = injections(dice, n);
    }
    // Tools send less than browsers do.
    for name in ["accept-language", "sec-fetch-mode", "sec-fetch-site"] {
        tidegate_wasm::Exchange::remove_field(&mut visit.request, Map::RequestHeaders, name);
    }
    visit
}

fn injections_free(dice: &mut Dice) -> Visit {
    let target = ordinary_target(dice).replace("/home/../about", "/about");
    person(dice, &target)
}

fn robots(dice: &mut Dice, _n: usize) -> Visit {
    if dice.throw(4) > 0 {
        return injections_free(dice);
    }
    let agent = pick(
        dice,
        &["curl/8.1", "python-requests/2.32", "Go-http-client/2.0", "Scrapy/2.11", "libwww-perl/6"],
    );
    let poses = dice.throw(2) == 0;
    let agent = if poses { BROWSERS[1] } else { agent };
    let request = Request::get("/shop/item?id=1").with("user-agent", agent).with("accept", "*/*");
    visit(request, "203.0.113.7".into(), true)
}

fn named_bots(dice: &mut Dice, _n: usize) -> Visit {
    if dice.throw(3) > 0 {
        return injections_free(dice);
    }
    let agent =
        pick(dice, &["BadBot/2.1", "Mozilla/5.0 (compatible; EvilScraper/1.0)", "evilscraper"]);
    visit(Request::get("/").with("user-agent", agent), "203.0.113.7".into(), true)
}

fn scanners(dice: &mut Dice, n: usize) -> Visit {
    // Some scanners, each of which walks through traps and ordinary pages alike.
    if !n.is_multiple_of(5) {
        return injections_free(dice);
    }
    let scanner = n / 5 % 4;
    let target = match n / 20 {
        0 => "/.env".to_owned(),
        _ => pick(dice, &["/wp-login.php", "/.git/config", "/", "/shop", "/admin"]).to_owned(),
    };
    visit(
        Request::get(&target).with("user-agent", BROWSERS[0]),
        format!("203.0.113.{scanner}"),
        true,
    )
}

fn embedders(dice: &mut Dice, n: usize) -> Visit {
    let image = format!("/media/{n}.jpg");
    let mut visit = person(dice, &image);
    let (referer, site, attack) = match dice.throw(6) {
        0 => ("https://copycat.example/page", "cross-site", true),
        1 => ("http://stolen.example/", "cross-site", true),
        2 => ("", "none", false),
        3 => ("https://partner.example/blog", "cross-site", false),
        _ => ("https://example.com/gallery", "same-origin", false),
    };
    if !referer.is_empty() {
        visit.request = visit.request.with("referer", referer);
    }
    tidegate_wasm::Exchange::set_field(
        &mut visit.request,
        Map::RequestHeaders,
        "sec-fetch-site",
        site.as_bytes(),
    );
    visit.attack = attack;
    visit
}

fn listed(dice: &mut Dice, _n: usize) -> Visit {
    let mut visit = injections_free(dice);
    if dice.throw(4) == 0 {
        visit.client = format!("203.0.113.{}", dice.throw(64));
        visit.attack = true;
    }
    visit
}

fn countries(dice: &mut Dice, _n: usize) -> Visit {
    let mut visit = injections_free(dice);
    let country = pick(dice, &["AA", "DE", "FR", "JP", "US"]);
    visit.request.site = Site { country: Some(country.to_owned()) };
    visit.attack = country == "AA";
    visit
}

fn fields(dice: &mut Dice, _n: usize) -> Visit {
    let mut visit = injections_free(dice);
    if dice.throw(4) == 0 {
        visit.request = visit.request.with("x-blocked", "1");
        visit.attack = true;
    }
    visit
}

fn logins(dice: &mut Dice, n: usize) -> Visit {
    // Three of ten are attempts of one of four stuffers, after the few that no limit can refuse.
    let stuffs = dice.throw(10) < 3;
    let body = format!("user=user{}&password=x{n}", dice.throw(5_000));
    let mut visit = person(dice, "/login");
    if stuffs {
        visit.client = format!("203.0.113.{}", dice.throw(4));
        visit.response = 401;
        visit.attack = true;
    } else {
        visit.client = format!("198.51.{}.{}", dice.throw(8), dice.throw(250));
        // People mistype.
        visit.response = if dice.throw(8) == 0 { 401 } else { 200 };
    }
    post(visit, &body, "application/x-www-form-urlencoded")
}

fn copyists(dice: &mut Dice, n: usize) -> Visit {
    let copies = dice.throw(10) < 4;
    let mut visit = injections_free(dice);
    if copies {
        visit = person(dice, &format!("/articles/{n}"));
        visit.client = format!("203.0.113.{}", dice.throw(2));
        visit.attack = true;
    } else {
        let target = match dice.throw(2) {
            0 => format!("/articles/{}", dice.throw(50)),
            _ => "/assets/app.css".to_owned(),
        };
        visit = Visit { client: visit.client.clone(), ..person(dice, &target) };
    }
    visit
}

fn links(dice: &mut Dice, n: usize) -> Visit {
    let attack = dice.throw(4) == 0;
    let good = format!("https://site{}.example.org/page/{n}", dice.throw(500));
    let bad = pick(
        dice,
        &[
            "http://evil.example/login",
            "https://www.evil.example/a",
            "http://192.0.2.44/paypal",
            "https://bit.ly/3abc",
            "https://bank.example@evil.test/",
        ],
    );
    let url = if attack { bad.to_owned() } else { good };
    let mut visit = person(dice, "/api/links");
    visit.client = format!("198.51.{}.{}", dice.throw(100), dice.throw(250));
    visit.attack = attack;
    post(visit, &format!("{{\"url\": \"{url}\"}}"), "application/json")
}

/// Who asks for what is protected: people with a token that counts, and those whose token is forged,
/// has expired, is another's, or is not there.
fn credentials(dice: &mut Dice, n: usize) -> Visit {
    let mut visit = injections_free(dice);
    let user = dice.throw(500);
    let (expires, good) = (1_800_000_000 + 60 * 60 * 24, Verifier::mark(user, 1_800_086_400));
    let token = match dice.throw(12) {
        0 => format!("Bearer {user}.{expires}.{:08x}", good ^ (1 + dice.throw(1_000))),
        1 => format!("Bearer {user}.1799999999.{:08x}", Verifier::mark(user, 1_799_999_999)),
        2 => format!("Bearer {}.{expires}.{good:08x}", user + 1),
        3 => ["", "Bearer", "Basic YWRtaW46YWRtaW4=", "Bearer null"][n % 4].to_owned(),
        _ => {
            visit.request =
                visit.request.with("authorization", &format!("Bearer {user}.{expires}.{good:08x}"));
            return visit;
        }
    };
    if !token.is_empty() {
        visit.request = visit.request.with("authorization", &token);
    }
    visit.client = format!("203.0.113.{}", 1 + dice.throw(250));
    visit.attack = true;
    visit
}

/// The service that `authz_callout` asks: knows tokens `user.expires.mark`.
struct Verifier(Arc<AtomicU64>);

impl Verifier {
    /// What only the service can make of a user and a time; in a world of generated attacks, a hash.
    fn mark(user: u64, expires: u64) -> u64 {
        ((user * 2_654_435_761) ^ (expires * 40_503) ^ 0x5eed) & 0xffff_ffff
    }

    fn accepts(&self, token: &str) -> bool {
        let Some(token) = token.strip_prefix("Bearer ") else { return false };
        let mut parts = token.split('.');
        let mut part = |radix| u64::from_str_radix(parts.next()?, radix).ok();
        let (Some(user), Some(expires), Some(mark)) = (part(10), part(10), part(16)) else {
            return false;
        };
        let now_s = self.0.load(Ordering::Relaxed) / 1_000_000_000;
        expires > now_s && mark == Self::mark(user, expires)
    }
}

impl Dispatcher for Verifier {
    fn knows(&self, upstream: &str) -> bool {
        upstream == "risk"
    }

    fn call(&self, call: HttpCall) -> CallFuture {
        let token = String::from_utf8_lossy(call.field("authorization").unwrap_or_default());
        let status = match (token.is_empty(), self.accepts(&token)) {
            (true, _) => 401,
            (false, true) => 204,
            (false, false) => 403,
        };
        Box::pin(async move { Ok(HttpAnswer { status, ..HttpAnswer::default() }) })
    }
}

const TRIALS: [Trial; 13] = [
    Trial {
        name: "anomaly_score",
        against: "injections by tools",
        config: "{}",
        traffic: oddities,
        precision_min: 0.95,
        recall_min: 0.6,
    },
    Trial {
        name: "authz_callout",
        against: "credentials forged, expired or absent",
        config: r#"{"upstream": "risk", "remember_s": 60}"#,
        traffic: credentials,
        precision_min: 1.0,
        recall_min: 1.0,
    },
    Trial {
        name: "bad_bot",
        against: "clients that name themselves",
        config: r#"{"user_agents": ["*badbot*", "*evilscraper*"]}"#,
        traffic: named_bots,
        precision_min: 1.0,
        recall_min: 1.0,
    },
    Trial {
        name: "bot_score",
        against: "programs, half of them posing as browsers",
        config: r#"{"refuse_from": 50}"#,
        traffic: robots,
        precision_min: 0.99,
        recall_min: 0.9,
    },
    Trial {
        name: "geo_asn",
        against: "a country",
        config: r#"{"refuse_countries": ["AA"]}"#,
        traffic: countries,
        precision_min: 1.0,
        recall_min: 1.0,
    },
    Trial {
        name: "header_check",
        against: "a marked field",
        config: r#"{"header": "x-blocked", "refuse": "*"}"#,
        traffic: fields,
        precision_min: 1.0,
        recall_min: 1.0,
    },
    Trial {
        name: "honeypot",
        against: "scanners, from their first trap on",
        config: "{}",
        traffic: scanners,
        precision_min: 1.0,
        recall_min: 0.95,
    },
    Trial {
        name: "hotlink",
        against: "sites that embed media",
        config: r#"{"paths": ["/media/*"], "hosts": ["partner.example"]}"#,
        traffic: embedders,
        precision_min: 1.0,
        recall_min: 1.0,
    },
    Trial {
        name: "ip_reputation",
        against: "a network",
        config: r#"{"refuse": ["203.0.113.0/26"]}"#,
        traffic: listed,
        precision_min: 1.0,
        recall_min: 1.0,
    },
    Trial {
        name: "login_guard",
        against: "credential stuffing",
        config: r#"{"paths": ["/login"], "account_field": "user"}"#,
        traffic: logins,
        precision_min: 0.97,
        recall_min: 0.85,
    },
    Trial {
        name: "scraper",
        against: "copying of a site",
        config: r#"{"pages_before_assets": 10}"#,
        traffic: copyists,
        precision_min: 0.95,
        recall_min: 0.85,
    },
    Trial {
        name: "shortlink_spam",
        against: "bad targets of short links",
        config: r#"{"refuse_hosts": ["evil.example"]}"#,
        traffic: links,
        precision_min: 1.0,
        recall_min: 0.95,
    },
    Trial {
        name: "waf_lite",
        against: "injections",
        config: "{}",
        traffic: injections,
        precision_min: 0.99,
        recall_min: 0.9,
    },
];

/// Hits and misses of a rule.
#[derive(Default)]
struct Score {
    attacks: u32,
    stopped: u32,
    harmed: u32,
}

impl Score {
    fn precision(&self) -> f64 {
        match self.stopped + self.harmed {
            0 => 0.0,
            all => f64::from(self.stopped) / f64::from(all),
        }
    }

    fn recall(&self) -> f64 {
        f64::from(self.stopped) / f64::from(self.attacks.max(1))
    }
}

fn run(trial: &Trial) -> Score {
    let clock = Arc::new(AtomicU64::new(1_800_000_000_000_000_000));
    let host = Host::new(HostConfig {
        clock: Clock::Frozen(clock.clone()),
        dispatcher: Arc::new(Verifier(clock.clone())),
        ..HostConfig::default()
    });
    let host = host.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = PluginConfig::new(trial.name, rule(trial.name));
    config.configuration = trial.config.into();
    let chain = Chain::new(vec![host.load(config).unwrap()]);
    let (mut dice, mut score) = (Dice(7), Score::default());
    for n in 0..REQUESTS {
        let visit = (trial.traffic)(&mut dice, n);
        clock.fetch_add(visit.after_ms * 1_000_000, Ordering::Relaxed);
        let attack = visit.attack;
        let stopped = runtime.block_on(is_stopped(&chain, visit));
        score.attacks += u32::from(attack);
        score.stopped += u32::from(attack && stopped);
        score.harmed += u32::from(!attack && stopped);
    }
    score
}

async fn is_stopped(chain: &Chain, visit: Visit) -> bool {
    let mut request = visit.request;
    request.client = Some(format!("{}:4711", visit.client));
    let mut context = chain.begin();
    let mut verdict = context.on_request_headers(&mut request, visit.body.is_none());
    if verdict == Verdict::Pause {
        verdict = context.resume(&mut request).await;
    }
    if let (Some(body), Verdict::Continue | Verdict::Pause) = (&visit.body, &verdict) {
        request.bodies[0] = body.clone().into_bytes();
        verdict = context.on_request_body(&mut request, true);
    }
    let status = match &verdict {
        Verdict::Answer(answer) => answer.status,
        Verdict::Continue | Verdict::Pause => visit.response,
    };
    request.answered(status);
    let _ = context.on_response_headers(&mut request, true);
    context.finish(&mut request);
    matches!(verdict, Verdict::Answer(_))
}

#[test]
fn the_rules_stop_what_they_claim() {
    let mut table = String::from(
        "# What the rules stop\n\nEach rule was shown 1,000 generated requests, attacks among ordinary traffic, always the same ones. \
         Precision: how many of those\nthat it refused were attacks. Recall: how many of the attacks it refused; the first \
         ones of a rule that counts are among them, because\nnobody can know. Written by a test of `proxy/wasm`, which also \
         holds the rules to minimal values.\n\n\
         | rule | against | attacks | precision | recall |\n|---|---|---|---|---|\n",
    );
    let mut behind = Vec::new();
    for trial in &TRIALS {
        let score = run(trial);
        let (precision, recall) = (score.precision(), score.recall());
        let line = format!(
            "| {} | {} | {} | {precision:.3} | {recall:.3} |\n",
            trial.name.replace('_', "-"),
            trial.against,
            score.attacks
        );
        if precision < trial.precision_min || recall < trial.recall_min {
            behind.push(line.clone());
        }
        let _ = table.write_str(&line);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plugins/efficacy.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert!(behind.is_empty(), "behind what they must reach:\n{}\n{table}", behind.concat());
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == table,
        "docs/plugins/efficacy.md is another table; set {UPDATE}=1 to write it:\n{table}"
    );
}
