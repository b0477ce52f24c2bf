// Drives the players, one case after the other, and prints the table. Started by bench/players/run.
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const puppeteer = require("puppeteer-core");

const { WORK, EDGE, ONLY = "" } = process.env;
const seconds = Number(process.env.SECONDS_EACH || 20);
const modules = path.join(WORK, "npm/node_modules");
const scripts = {
  "/hls.js": "hls.js/dist/hls.min.js",
  "/dash.js": "dashjs/dist/modern/umd/dash.all.min.js",
  "/shaka.js": "shaka-player/dist/shaka-player.compiled.js",
};

// name of the player, its protocol, and what it plays; `latency` is the most that the median may be.
const players = [["hls.js", "hls"], ["shaka", "hls"], ["dash.js", "dash"], ["shaka", "dash"]];
const titles = [["vod", {}], ["live", { live: true }], ["low_latency", { live: true, latency: 3 }]];
const cases = [];
for (const [player, protocol] of players) {
  for (const [title, more] of titles) cases.push({ player, protocol, title, tokens: "renewed", ...more });
}
// What a token protects: without a new one playing ends.
cases.push({ player: "hls.js", protocol: "hls", title: "vod", tokens: "ends", fails: 410 });
cases.push({ player: "shaka", protocol: "dash", title: "low_latency", tokens: "ends", fails: 410, live: true });
// The edge puts tokens into manifests; the player does nothing.
for (const [player, protocol] of players) cases.push({ player, protocol, title: "live", live: true, tokens: "minted" });

// What is buffered plays on for a while after a token's end.
const length = (c) => (c.fails ? Math.max(seconds, 30) : seconds);
const name = (c) => `${c.player} ${c.protocol} ${c.title} ${c.tokens}`;

async function serve() {
  const server = http.createServer((request, response) => {
    const file = scripts[request.url] ? path.join(modules, scripts[request.url]) : path.join(__dirname, "page.html");
    response.setHeader("Content-Type", scripts[request.url] ? "text/javascript" : "text/html");
    fs.createReadStream(file).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

async function play(browser, origin, wanted) {
  const page = await browser.newPage();
  const refused = {};
  const log = [];
  const at = Date.now();
  page.on("response", (response) => {
    const status = response.status();
    if (process.env.TRACE) log.push(`${Date.now() - at} ${status} ${response.url().replace(/tg=[^/&?]+/g, "tg")}`);
    if (status >= 400) refused[status] = (refused[status] || 0) + 1;
  });
  page.on("console", (message) => { if (process.env.TRACE) log.push(`${Date.now() - at} console ${message.text()}`); });
  try {
    await page.goto(`${origin}/`);
    const result = await page.evaluate((wanted, edge, seconds) => run(wanted, edge, seconds), wanted, EDGE, length(wanted));
    return { ...result, refused };
  } catch (error) {
    return { errors: [String(error.message).split("\n")[0]], refused, stalls: 0, stallS: 0, played: 0 };
  } finally {
    if (process.env.TRACE) fs.writeFileSync(path.join(WORK, `trace-${name(wanted).replaceAll(" ", "-")}.txt`), log.join("\n"));
    await page.close();
  }
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

function judge(wanted, result) {
  if (wanted.fails) return result.refused[wanted.fails] && result.played < length(wanted) - 5 ? "ends, as it must" : "**did not end**";
  const bad = [];
  if (result.errors.length) bad.push(result.errors.slice(0, 2).join("; "));
  if (result.played < seconds * 0.8) bad.push(`played ${result.played.toFixed(1)} s`);
  if (wanted.latency && !(quantile(result.latencies, 0.5) < wanted.latency)) bad.push(`more than ${wanted.latency} s behind`);
  return bad.length ? `**${bad.join("; ")}**` : "plays";
}

async function main() {
  const server = await serve();
  const origin = `http://127.0.0.1:${server.address().port}`;
  const browser = await puppeteer.launch({
    executablePath: "/usr/bin/chromium",
    userDataDir: fs.mkdtempSync(path.join(WORK, "chromium-")),
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--ignore-certificate-errors", "--mute-audio"],
  });
  console.log("| player | protocol | title | tokens | start, ms | stalls | stalled, s | behind live p50, s | largest, s | 4xx, 5xx | result |");
  console.log("|---|---|---|---|---|---|---|---|---|---|---|");
  let failed = 0;
  for (const wanted of cases.filter((one) => name(one).includes(ONLY))) {
    const result = await play(browser, origin, wanted);
    const behind = (result.latencies || []).sort((a, b) => a - b);
    result.latencies = behind;
    const verdict = judge(wanted, result);
    failed += verdict.startsWith("**");
    const figure = (q) => (wanted.live && behind.length ? quantile(behind, q).toFixed(2) : "");
    const statuses = Object.entries(result.refused).map(([status, count]) => `${status}: ${count}`).join(", ") || "none";
    console.log(`| ${wanted.player} | ${wanted.protocol.toUpperCase()} | ${wanted.title.replace("_", " ")} | ${wanted.tokens} | ${result.startMs ?? ""} | ${result.stalls} | ${result.stallS.toFixed(2)} | ${figure(0.5)} | ${figure(1)} | ${statuses} | ${verdict} |`);
  }
  await browser.close();
  server.close();
  process.exitCode = failed ? 1 : 0;
}

main();
