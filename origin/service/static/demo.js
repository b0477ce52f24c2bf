"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  function say(out, text, kind) {
    const line = document.createElement("div");
    if (kind) line.className = kind;
    if (text instanceof Node) line.append(text); else line.textContent = text;
    $(out).append(line);
    return line;
  }
  function clear(out) { $(out).replaceChildren(); }
  function tag(id, text, kind) { const t = $(id); t.textContent = text; t.className = "tag " + (kind || ""); }
  async function busy(button, work) {
    button.disabled = true;
    try { await work(); } finally { button.disabled = false; }
  }
  async function reason(response) {
    try {
      const body = await response.json();
      const places = (body.errors || []).map((e) => e.detail).join("; ");
      return places || body.detail || body.title || "";
    } catch { return ""; }
  }
  const ask = (path, options) => fetch(path, { cache: "no-store", ...options });

  /* ---- video ---- */
  const video = $("video");
  let session = null;
  let player = null;
  let title = "live";
  const TOKEN = /\/tg=[^/]+/;

  // A renewed token takes the place of the one that the running player still has in its addresses.
  function renewed(url) {
    const fresh = session && session.live.match(TOKEN);
    return fresh ? url.replace(TOKEN, fresh[0]) : url;
  }
  async function renew() {
    try {
      const response = await ask("/demo/session");
      if (response.ok) session = await response.json();
    } catch { /* the next attempt follows */ }
    return session;
  }
  function advise(text) { const p = $("film-advice"); p.hidden = !text; p.textContent = text || ""; }

  async function begin() {
    for (;;) {
      await renew();
      if (session && session.state === "ready") break;
      if (!session) { tag("film-state", "no answer", "bad"); }
      else if (session.state === "preparing") { tag("film-state", "cutting " + (session.percent || 0) + " %"); advise("The video is being made, a few seconds…"); }
      else { tag("film-state", session.state, "bad"); advise(session.advice || "There is no video."); }
      await wait(session && session.state === "preparing" ? 700 : 4000);
    }
    advise("");
    play();
  }
  function play() {
    if (player) { player.destroy(); player = null; }
    const address = session[title];
    tag("film-state", session.signed ? "signed" : "without signature", session.signed ? "good" : "");
    if (window.Hls && Hls.isSupported()) {
      player = new Hls({ liveSyncDurationCount: 3, liveMaxLatencyDurationCount: 6, maxLiveSyncPlaybackRate: 1.1, xhrSetup: (xhr, url) => xhr.open("GET", renewed(url), true) });
      player.on(Hls.Events.ERROR, (_, error) => {
        if (!error.fatal) return;
        const code = error.response && error.response.code;
        tag("film-state", error.details + (code ? " " + code : ""), "bad");
        setTimeout(async () => { await renew(); play(); }, 3000);
      });
      player.loadSource(address);
      player.attachMedia(video);
    } else if (video.canPlayType("application/vnd.apple.mpegurl")) {
      video.src = address;
    } else {
      advise("This browser cannot play HLS.");
      return;
    }
    video.play().catch(() => {});
  }
  for (const button of document.querySelectorAll("[data-title]")) {
    button.addEventListener("click", () => {
      title = button.dataset.title;
      for (const other of document.querySelectorAll("[data-title]")) other.setAttribute("aria-pressed", String(other === button));
      if (session && session.state === "ready") play();
    });
  }
  function clockText(seconds) {
    const s = Math.max(0, seconds), pad = (n) => String(Math.floor(n)).padStart(2, "0");
    return Math.floor(s / 3600) + ":" + pad((s / 60) % 60) + ":" + pad(s % 60) + "." + Math.floor((s * 10) % 10);
  }
  setInterval(() => {
    const clock = $("clock");
    clock.textContent = clockText(video.currentTime);
    clock.dataset.seconds = video.currentTime.toFixed(2);
    $("size").textContent = video.videoWidth ? video.videoWidth + " × " + video.videoHeight : "–";
    $("latency").textContent = title === "live" && player && player.latency ? player.latency.toFixed(1) + " s" : "–";
    const left = session ? (Date.parse(session.expires_at) - Date.now()) / 1000 : NaN;
    $("token").textContent = session && session.signed && left > 0 ? clockText(left).slice(0, -2) : "–";
    if (session && session.signed && left < 180 && !renew.running) {
      renew.running = true;
      renew().finally(() => setTimeout(() => { renew.running = false; }, 5000));
    }
  }, 200);

  /* ---- links ---- */
  $("shorten").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, async () => {
      clear("links-out");
      const body = { url: $("url").value };
      if ($("alias").value) body.alias = $("alias").value;
      const response = await ask("/shorten", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      if (!response.ok) { say("links-out", response.status + " " + await reason(response), "bad"); return; }
      const link = await response.json();
      // The page may be open under another name than the one that short addresses begin with.
      const anchor = document.createElement("a");
      anchor.href = "/" + link.code; anchor.textContent = link.short_url; anchor.target = "_blank"; anchor.rel = "noopener";
      say("links-out", anchor, "good");
      say("links-out", response.status + " created, leads to " + link.url);
      const visit = await ask("/" + link.code, { redirect: "manual" });
      say("links-out", visit.type === "opaqueredirect" ? "the edge redirects it already" : "visit: " + visit.status, visit.type === "opaqueredirect" ? "good" : "bad");
      figures();
    });
  });
  $("unknown").addEventListener("click", (event) => busy(event.currentTarget, async () => {
    clear("links-out");
    const code = Array.from(crypto.getRandomValues(new Uint8Array(7)), (n) => "abcdefghijklmnopqrstuvwxyz"[n % 26]).join("");
    const response = await ask("/" + code);
    say("links-out", "/" + code + " → " + response.status + " " + await reason(response), response.status === 404 ? "good" : "bad");
    figures();
  }));

  /* ---- tokens ---- */
  $("try-tokens").addEventListener("click", (event) => busy(event.currentTarget, async () => {
    clear("tokens-out");
    const now = await (await ask("/demo/session")).json();
    const brief = await (await ask("/demo/session?seconds=1")).json();
    await show("with its token", now.segment);
    await show("without a token", now.segment_unsigned);
    const line = say("tokens-out", "a token of one second is running out…");
    await wait(2200);
    line.remove();
    await show("after its end", brief.segment);
  }));
  async function show(what, path) {
    const response = await ask(path);
    const text = response.ok ? (await response.arrayBuffer()).byteLength + " bytes" : await reason(response);
    say("tokens-out", what + " → " + response.status + " " + text, response.ok ? "good" : "bad");
  }

  /* ---- limit ---- */
  $("burst").addEventListener("click", (event) => busy(event.currentTarget, async () => {
    clear("limit-out");
    const answers = await Promise.all(Array.from({ length: 80 }, () => ask("/limited")));
    const passed = answers.filter((a) => a.ok).length;
    const denied = answers.filter((a) => a.status === 429);
    const bar = document.createElement("div");
    bar.className = "bar";
    for (const [kind, share] of [["good", passed], ["bad", denied.length]]) {
      const part = document.createElement("i"); part.className = kind; part.style.flexGrow = share; bar.append(part);
    }
    say("limit-out", bar);
    say("limit-out", passed + " passed, " + denied.length + " answered 429", denied.length ? "good" : "bad");
    if (!denied.length) return;
    for (const name of ["retry-after", "ratelimit", "ratelimit-policy"]) {
      const value = denied[denied.length - 1].headers.get(name);
      if (value) say("limit-out", name + ": " + value);
    }
    const pause = Math.min(10, Number(denied[denied.length - 1].headers.get("retry-after")) || 1);
    await wait(pause * 1000);
    const later = await ask("/limited");
    say("limit-out", pause + " s later: " + later.status, later.ok ? "good" : "bad");
    figures();
  }));

  /* ---- plugin ---- */
  async function knock(headers, expected) {
    clear("bot-out");
    const response = await ask("/hello", { headers });
    const text = response.ok ? (await response.text()).trim() : await reason(response);
    say("bot-out", response.status + " " + text, response.status === expected ? "good" : "bad");
    figures();
  }
  $("bad").addEventListener("click", (event) => busy(event.currentTarget, () => knock({ "x-bad-bot": "1" }, 403)));
  $("good").addEventListener("click", (event) => busy(event.currentTarget, () => knock({}, 200)));

  /* ---- figures ---- */
  const NAMES = {
    requests: "requests answered", connections: "connections open", bytes_sent: "bytes sent", cache_objects: "objects cached",
    cache_bytes: "bytes cached", upstream_requests: "requests upstream", link_hits: "links answered here", link_asked: "links asked for",
    link_filtered: "unknown codes refused", limited: "over the limit", unsigned: "without good token", plugin_answers: "refused by plugin", revision: "configuration",
  };
  const number = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
  async function figures() {
    let seen = { reachable: false, figures: {} };
    try { seen = await (await ask("/demo/edge")).json(); } catch { /* shown as out of reach */ }
    tag("edge-state", seen.reachable ? "in reach" : "out of reach", seen.reachable ? "good" : "");
    const list = [];
    for (const [name, text] of Object.entries(NAMES)) {
      if (!(name in seen.figures)) continue;
      const box = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = text;
      dd.textContent = number.format(seen.figures[name]);
      box.append(dt, dd);
      list.push(box);
    }
    $("figures").replaceChildren(...list);
  }

  begin();
  figures();
  setInterval(() => { if (!document.hidden) figures(); }, 2000);
})();
