//! `tidegate up`: the tour of the README, the demo page in a browser, and what happens when parts die.

use std::{process::Command, time::Duration};

use crate::world::{World, get, kill, try_request, wait_for};

#[test]
fn short_links_are_answered_at_the_edge() {
    let world = World::up();
    let shorten = |url: &str| {
        let body = format!(r#"{{"url":"{url}"}}"#);
        let json = [("Content-Type", "application/json")];
        let answer = try_request(world.edge, "POST", "/shorten", &json, &body).unwrap();
        assert_eq!(answer.status, 201, "{}\n{}", answer.text(), world.logs());
        let created: String = answer.text();
        let at = created.find("\"code\":\"").unwrap() + 8;
        created[at..].split('"').next().unwrap().to_owned()
    };
    let code = shorten("https://example.com/a/long/address");
    // Created a moment ago, it redirects at once.
    let first = get(world.edge, &format!("/{code}"));
    assert_eq!(first.status, 302, "{}", world.logs());
    assert_eq!(first.field("location"), Some("https://example.com/a/long/address"));
    // From then on no request reaches the links service. (An answer that crossed the link's own
    // change on its way is not kept: then the next visit asks once more.)
    wait_for("a visit that asks nobody", || {
        let asked = world.metric("tidegate_link_forwarded_total");
        assert_eq!(get(world.edge, &format!("/{code}")).status, 302);
        (world.metric("tidegate_link_forwarded_total") == asked).then_some(())
    });
    assert!(world.metric("tidegate_link_hits_total") >= 1.0);
    assert!(world.metric("tidegate_link_forwarded_total") <= 3.0, "visits go on asking");
    // An unknown code is refused by the filter alone, once the table is known to be complete.
    wait_for("the filter to answer", || {
        let filtered = world.metric("tidegate_link_filtered_total");
        assert_eq!(get(world.edge, "/zzzzzzz").status, 404);
        (world.metric("tidegate_link_filtered_total") > filtered).then_some(())
    });
    let asked = world.metric("tidegate_link_forwarded_total");
    assert_eq!(get(world.edge, "/zzzzzzy").status, 404);
    assert_eq!(world.metric("tidegate_link_forwarded_total"), asked);
    // With a filter that refuses unknown codes, a new one still redirects at once.
    for n in 0..20 {
        let code = shorten(&format!("https://example.com/{n}"));
        assert_eq!(get(world.edge, &format!("/{code}")).status, 302, "a code was refused");
    }
}

#[test]
fn a_browser_plays_the_signed_stream_and_strangers_do_not() {
    let world = World::up();
    let page = wait_for("the demo page", || {
        try_request(world.edge, "GET", "/", &[], "").filter(|answer| answer.status == 200)
    });
    assert!(page.text().contains("<video"), "{}", page.text());
    let seconds = wait_for("the video's clock to advance", || {
        let seconds = watch(&format!("http://{}/", world.edge), world.data.path());
        (seconds > 1.0).then_some(seconds)
    });
    assert!(seconds > 1.0);
    // The same stream without a signature, and with one that is over.
    let bare = get(world.edge, "/media/demo/live/master.m3u8");
    assert_eq!(bare.status, 403, "{}", bare.text());
    assert_eq!(bare.field("content-type"), Some("application/problem+json"));
    assert!(bare.text().contains("signature_missing"), "{}", bare.text());
    // Segments came through the edge's cache.
    assert!(world.metric("tidegate_cache_stores_total") > 0.0);
}

/// Opens a page in headless Chromium for some seconds; the position of the video at the end.
fn watch(url: &str, data: &std::path::Path) -> f64 {
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args([
            "--autoplay-policy=no-user-gesture-required",
            "--virtual-time-budget=9000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", data.join("chromium").display()))
        .arg(url)
        .output()
        .expect("chromium is installed (ci/deps services)");
    let dom = String::from_utf8_lossy(&output.stdout);
    let Some(at) = dom.find("id=\"clock\" data-seconds=\"") else { return 0.0 };
    let rest = &dom[at + "id=\"clock\" data-seconds=\"".len()..];
    rest.split('"').next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

#[test]
fn limits_and_plugins_of_the_demo() {
    let world = World::up();
    let statuses: Vec<_> = (0..80).map(|_| get(world.edge, "/limited")).collect();
    assert_eq!(statuses[0].status, 200);
    let denied = statuses.iter().find(|answer| answer.status == 429).expect("a burst is limited");
    for field in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(denied.field(field).is_some(), "{field} is missing: {}", denied.head);
    }
    wait_for("requests to pass again", || {
        (get(world.edge, "/limited").status == 200).then_some(())
    });

    let marked = [("x-bad-bot", "1")];
    let refused = try_request(world.edge, "GET", "/hello", &marked, "").unwrap();
    assert_eq!(refused.status, 403, "{}\n{}", refused.text(), world.logs());
    assert_eq!(get(world.edge, "/hello").text(), "hello from the edge\n");
    let metrics = get(world.admin, "/metrics").text();
    let counted = metrics.lines().find(|line| line.starts_with("tidegate_plugin_bad_bot_refused"));
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{counted:?}");
}

#[test]
fn changes_reach_the_edge_and_broken_files_change_nothing() {
    let world = World::up();
    let changed = world.spec("changed.yaml", |text| text.replace("hello from the edge", "changed"));
    let output = world.verb(&["config", "apply", changed.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}\n{}", world.logs());
    assert_eq!(get(world.edge, "/hello").text(), "changed\n");

    let broken = world.spec("broken.yaml", |text| {
        text.replace("proxy: services", "proxy: servces").replace("burst: 40", "burts: 40")
    });
    let output = world.verb(&["config", "apply", broken.to_str().unwrap()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("servces") && said.contains("burts"), "{said}");
    assert!(said.contains("limits[0]") && said.contains("line"), "{said}");
    assert_eq!(get(world.edge, "/hello").text(), "changed\n");

    wait_for("every node to be healthy", || {
        let status = world.verb(&["status"]);
        let table = String::from_utf8_lossy(&status.stdout).into_owned();
        (status.status.success() && table.contains("edge ") && table.contains("healthy"))
            .then_some(())
    });
}

#[test]
fn parts_may_die() {
    let world = World::up();
    let changed = world.spec("changed.yaml", |text| text.replace("hello from the edge", "kept"));
    assert!(world.verb(&["config", "apply", changed.to_str().unwrap()]).status.success());
    wait_for("the revision to be confirmed", || {
        let table = world.verb(&["status"]);
        String::from_utf8_lossy(&table.stdout).contains("healthy").then_some(())
    });

    // Without the control plane the edge goes on, and starts again from what was confirmed.
    kill(world.child("control-plane").expect("the control plane runs"));
    assert_eq!(get(world.edge, "/hello").text(), "kept\n");
    kill(world.child("edge").expect("the edge runs"));
    wait_for("the edge to serve again", || {
        let answer = try_request(world.edge, "GET", "/hello", &[], "")?;
        (answer.text() == "kept\n").then_some(())
    });
    wait_for("the control plane to be there again", || {
        world.verb(&["status"]).status.success().then_some(())
    });
    let said = world.said();
    assert!(said.contains("control-plane died") && said.contains("edge died"), "{said}");
    std::thread::sleep(Duration::from_millis(10));
}
