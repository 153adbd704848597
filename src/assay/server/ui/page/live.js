"use strict";
// The live page: asks /ui/live.json every two seconds and shows it. Everything is set as text, nothing as HTML.

const EVERY_MS = 2000;
const WIDTH = 560, HEIGHT = 130, LEFT = 44, BOTTOM = 18;
const at = (id) => document.getElementById(id);
let key = sessionStorage.getItem("assay-key") || "";

function made(name, text = "", className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function drawn(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.textContent = text;
  return element;
}

const short = (value) => value === null || value === undefined ? "–" : value >= 100 ? Math.round(value).toString() : value.toPrecision(2);
const many = (value) => value.toLocaleString("en");

function figures(traffic, server) {
  const recent = traffic.series.slice(-7, -1); // the last whole minute
  const rate = recent.reduce((sum, bin) => sum + bin.verdicts, 0) / (recent.length * traffic.bin_s);
  const acted = traffic.verdicts - (traffic.actions.allow || 0);
  const shown = [
    ["verdicts in 15 minutes", many(traffic.verdicts)],
    ["a second, last minute", short(rate)],
    ["not allowed", traffic.verdicts ? `${(100 * acted / traffic.verdicts).toFixed(1)} %` : "–"],
    ["median, ms", short(traffic.latency_ms.p50)],
    ["99 of 100 within, ms", short(traffic.latency_ms.p99)],
    ["tokens in flight", many(server.tokens_in_flight)],
  ];
  at("figures").replaceChildren(...shown.map(([what, value]) => {
    const box = made("div", "", "figure");
    box.append(made("b", value), made("span", what));
    return box;
  }));
}

function chart(id, series, of) {
  const svg = at(id);
  const top = Math.max(1e-9, ...series.flatMap((bin) => of(bin).map((value) => value || 0)));
  const x = (place) => LEFT + (WIDTH - LEFT) * place / (series.length - 1);
  const y = (value) => (HEIGHT - BOTTOM) * (1 - value / top) + 4;
  const parts = [0, top / 2, top].flatMap((value) => [
    drawn("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
    drawn("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, top < 1e-6 ? (value ? "" : "0") : value ? short(value) : "0"),
  ]);
  ["all", "acted"].forEach((name, which) => {
    let points = [];
    const end = () => { if (points.length === 1) points.push(points[0]); if (points.length) parts.push(drawn("polyline", { class: name, points: points.join(" ") })); points = []; };
    series.forEach((bin, place) => {
      const value = of(bin)[which];
      if (value === null) end(); else points.push(`${x(place).toFixed(1)},${y(value).toFixed(1)}`);
    });
    end();
  });
  parts.push(drawn("text", { x: LEFT, y: HEIGHT }, "15 minutes ago"), drawn("text", { x: WIDTH, y: HEIGHT, "text-anchor": "end" }, "now"));
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.replaceChildren(...parts);
}

function shares(id, counts) {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const rows = Object.entries(counts).map(([name, count]) => {
    const row = made("div"), meter = made("meter");
    meter.max = total;
    meter.value = count;
    row.append(made("dt", name), made("dd", `${many(count)} (${(100 * count / total).toFixed(1)} %)`), meter);
    return row;
  });
  at(id).replaceChildren(...(rows.length ? rows : [made("div", "nothing yet")]));
}

function aliases(judges) {
  const rows = judges.map((judge) => {
    const row = made("div");
    row.append(made("dt", `${judge.name}@${judge.alias}`), made("dd", judge.version + (judge.loaded ? "" : " (not in memory)")));
    return row;
  });
  at("aliases").replaceChildren(...(rows.length ? rows : [made("div", "no judge has an alias")]));
}

function newest(verdicts) {
  at("newest").replaceChildren(...verdicts.map((verdict) => {
    const row = made("tr");
    row.append(
      made("td", verdict.at.slice(11, 19)),
      made("td", verdict.judge + (verdict.role === "shadow" ? " (shadow)" : "")),
      made("td", verdict.label || verdict.kind),
      made("td", verdict.probability === null ? "–" : verdict.probability.toFixed(3), "number"),
      made("td", verdict.action, verdict.action),
      made("td", verdict.route + (verdict.reason_code === "judged" ? "" : `: ${verdict.reason_code}`)),
      made("td", verdict.service_ms.toFixed(1), "number"),
    );
    return row;
  }));
  at("empty").hidden = verdicts.length > 0;
}

function problems(live) {
  const lines = Object.entries(live.problems).map(([judge, problem]) => `${judge} is not served: ${problem}`);
  if (live.server.recorder_problem) lines.push(`${live.server.verdicts_waiting} verdicts wait for the database: ${live.server.recorder_problem}`);
  at("problems").replaceChildren(...lines.map((line) => made("li", line)));
  at("problems").hidden = !lines.length;
}

function show(live) {
  figures(live.traffic, live.server);
  chart("rate", live.traffic.series, (bin) => [bin.verdicts / live.traffic.bin_s, bin.not_allowed / live.traffic.bin_s]);
  chart("times", live.traffic.series, (bin) => [bin.p50_ms, bin.p99_ms]);
  shares("routes", live.traffic.routes);
  shares("actions", live.traffic.actions);
  shares("judges", live.traffic.judges);
  aliases(live.judges);
  newest(live.traffic.newest);
  problems(live);
}

async function ask() {
  const answer = await fetch("/ui/live.json", { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  const refused = answer.status === 401 || answer.status === 403;
  at("sign-in").hidden = !refused;
  document.querySelector("main").hidden = !answer.ok;
  if (!answer.ok) throw new Error(refused ? (key ? "this key does not open the page" : "an API key is needed") : `the server says ${answer.status}`);
  show(await answer.json());
}

async function tick() {
  const state = at("state");
  try {
    await ask();
    state.textContent = `live, ${new Date().toLocaleTimeString("en-GB")}`;
    state.className = "";
  } catch (error) {
    state.textContent = error instanceof TypeError ? "the server does not answer" : error.message;
    state.className = "bad";
  }
}

at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  sessionStorage.setItem("assay-key", key);
  tick();
});
tick();
setInterval(tick, EVERY_MS);
