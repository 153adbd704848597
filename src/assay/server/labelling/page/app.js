// The labelling page. What a labeller answers is put into the outbox (localStorage) before the next example shows, sent in
// order, and taken out when the server has acknowledged it: a reload, a lost connection or a restarted server loses nothing.
// Texts under judgement are only ever textContent.

const $ = (selector, root = document) => root.querySelector(selector);
const view = $("#view");
const AHEAD = 3;
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const FIELD_NAMES = { input: "Input", output: "Output", context: "Context", reference: "Reference", turns: "Conversation so far", output_a: "Output A", output_b: "Output B" };

let me = null; // who is signed in
let desk = null; // the open queue: {name, mode, criterion, queue, items, history, dispute, shownAt, seenMs, marks}

// ---- the server ------------------------------------------------------------------------------------------------------

async function api(method, path, body) {
  const headers = { "Content-Type": "application/json", "X-Assay": "1" };
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetch(`api/${path}`, { method, headers, body: sent, signal: AbortSignal.timeout(20000) });
  const values = await response.json().catch(() => ({}));
  if (response.ok) return values;
  throw Object.assign(new Error(values.detail || response.statusText), { status: response.status, problem: values });
}

const queuePath = (name, rest) => `queues/${encodeURIComponent(name)}/${rest}`;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const unreachable = (error) => error.status === undefined || error.status >= 500 || error.status === 429;

// ---- what is kept on this device -------------------------------------------------------------------------------------

const unkept = new Map(); // where localStorage refuses, the answers live as long as the page

function kept(name, otherwise) {
  try {
    const text = localStorage.getItem(name);
    if (text !== null) return JSON.parse(text);
  } catch { /* not readable: as if absent */ }
  return unkept.get(name) ?? otherwise;
}

function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
    unkept.delete(name);
  } catch {
    unkept.set(name, value);
    say("This browser keeps nothing for this page: leave it open until everything is sent.");
  }
}

const outboxName = () => `assay.outbox.${me?.name}`;
const draftName = () => `assay.draft.${me?.name}`;
const outbox = () => kept(outboxName(), []);

// ---- sending ---------------------------------------------------------------------------------------------------------

let draining = null;
let lost = false; // the connection

function send() {
  draining ??= drain().finally(() => { draining = null; });
  return draining;
}

async function drain() {
  let failures = 0;
  for (let entry = outbox()[0]; entry; entry = outbox()[0]) {
    showState(failures);
    try {
      const answered = await api("POST", queuePath(entry.queue, entry.route), { ...entry.body, ...(entry.route === "answers" ? { have: atHand() } : {}) });
      failures = 0;
      taken(entry);
      received(entry, answered);
    } catch (error) {
      if (error.status === 401) { askToSignIn(); return; }
      if (unreachable(error)) {
        failures += 1;
        showState(failures);
        await Promise.race([pause(RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]), new Promise((done) => addEventListener("online", done, { once: true }))]);
      } else {
        taken(entry);
        keep(`assay.refused.${me.name}`, [...kept(`assay.refused.${me.name}`, []), { ...entry, why: error.message }]);
        say(`The server refused an answer: ${error.message} ${error.problem?.required ?? ""}`, 8000);
      }
    }
  }
  showState(0);
}

const taken = (entry) => keep(outboxName(), outbox().filter((other) => other.body.key !== entry.body.key));
const atHand = () => [...new Set([...desk?.items.map((item) => item.position) ?? [], ...pending()])];
const pending = () => outbox().filter((entry) => entry.queue === desk?.name && entry.body.kind !== "undo").map((entry) => entry.body.position);

function enqueue(route, body) {
  keep(outboxName(), [...outbox(), { queue: desk.name, route, body }]);
  return send();
}

function received(entry, answered) {
  if (!desk || entry.queue !== desk.name) return;
  if (entry.route === "decisions") { desk.docket = answered; return; }
  takeIn(answered);
}

// Whatever came later than what is at hand goes behind it; what was answered meanwhile does not come back.
function takeIn(hand) {
  desk.queue = hand.queue;
  const known = new Set([...desk.items.map((item) => item.position), ...pending()]);
  const wasEmpty = desk.items.length === 0;
  desk.items.push(...hand.items.filter((item) => !known.has(item.position)));
  showProgress();
  if (wasEmpty && desk.mode === "label") showDesk();
}

// ---- moving around ---------------------------------------------------------------------------------------------------

async function route() {
  const [kind, name] = location.hash.replace(/^#/, "").split("/");
  desk = null;
  $("#mark").hidden = true;
  try {
    if (!me) me = await api("GET", "session");
    $("#sign-out").hidden = false;
    if (outbox().length) await Promise.race([send(), pause(1500)]);
    if (!me) return;
    if (kind === "q") await openQueue(decodeURIComponent(name), "label");
    else if (kind === "d") await openQueue(decodeURIComponent(name), "settle");
    else await showQueues(kind === undefined || location.hash === "");
  } catch (error) {
    if (error.status === 401) showSignIn();
    else if (unreachable(error)) { showState(1); await pause(1500); route(); }
    else { say(error.message, 6000); if (location.hash.length > 1) location.hash = "#"; }
  }
}

function show(template) {
  view.replaceChildren($(template).content.cloneNode(true));
}

function showSignIn(resume = route) {
  me = null;
  $("#sign-out").hidden = true;
  header("");
  show("#t-sign-in");
  const form = $("#sign-in");
  form.elements.name.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = { name: form.elements.name.value.trim(), secret: form.elements.secret.value.trim() };
    try {
      me = await api("POST", "session", given);
      resume();
    } catch (error) {
      $(".problem", form).textContent = error.status ? `${error.message} ${error.problem.next_step ?? ""}` : "The server cannot be reached.";
      form.elements.secret.select();
    }
  });
}

function askToSignIn() {
  say("Your session has ended. Your answers are kept here; sign in and they are sent.", 6000);
  showSignIn();
}

let firstLook = true;

async function showQueues(mayEnter) {
  header("");
  const { queues } = await api("GET", "queues");
  if (mayEnter && firstLook && queues.length === 1 && !me.adjudicates) { firstLook = false; location.hash = `#q/${encodeURIComponent(queues[0].name)}`; return; }
  firstLook = false;
  show("#t-queues");
  $("#no-queues").hidden = queues.length > 0;
  for (const queue of queues) $("#queues").append(queueCard(queue));
}

// Of those that can be answered: where a text was deleted by age, there is nothing to answer any more.
function answerable(queue) { return queue.size - queue.expired; }

function doneOf(queue) {
  const gone = queue.expired ? ` (${count(queue.expired)} more were too old; their text is gone)` : "";
  return `${count(queue.finished)} of ${count(answerable(queue))}${gone}`;
}

function queueCard(queue) {
  const card = element("li", "card");
  const open = element("a", "open", queue.question);
  open.href = `#q/${encodeURIComponent(queue.name)}`;
  const bar = element("progress");
  bar.max = Math.max(1, answerable(queue));
  bar.value = queue.finished;
  card.append(open, element("span", "muted", `${queue.name} · ${doneOf(queue)} done · you answered ${count(queue.mine.labelled)}`));
  if (me.adjudicates && queue.disputed) {
    const settle = element("a", "settle", `${count(queue.disputed)} to settle`);
    settle.href = `#d/${encodeURIComponent(queue.name)}`;
    card.append(" · ", settle);
  }
  card.append(bar);
  return card;
}

async function openQueue(name, mode) {
  const criterion = await api("GET", queuePath(name, "criterion"));
  const opened = { name, mode, criterion, queue: null, items: [], history: [], docket: null, marks: [], seenMs: 0, shownAt: 0 };
  if (mode === "settle") {
    opened.docket = await api("GET", queuePath(name, "disputes"));
    desk = opened;
    showDispute();
    return;
  }
  const hand = await api("POST", queuePath(name, "hand"), {});
  desk = opened;
  takeIn(hand);
  if (!desk.items.length) showDesk();
}

// ---- the desk --------------------------------------------------------------------------------------------------------

function showDesk() {
  if (!desk.items.length) { showDone(); return; }
  const item = desk.items[0];
  const draft = kept(draftName(), null);
  const mine = draft && draft.queue === desk.name && draft.position === item.position ? draft : item.previous;
  desk.marks = [...(mine?.highlights ?? [])];
  showPanel({ note: mine?.note ?? "", before: item.previous?.value });
  showExample(item.fields, item.hint);
  startClock();
  showProgress();
}

function showPanel({ note, before }) {
  if (!$("#answers", view) || $("#panel").dataset.mode !== desk.mode + desk.name) buildPanel();
  $("#note").value = note;
  $("#panel").classList.toggle("noted", note !== "");
  $("#filter").value = "";
  filterAnswers();
  for (const button of view.querySelectorAll(".answer")) {
    const was = button.dataset.value === before;
    button.classList.toggle("before", was);
    $(".tag", button).textContent = was ? "your answer before" : "";
  }
  const last = desk.history.at(-1)?.body;
  $("#last").textContent = last ? `Last: ${last.kind === "skip" ? "skipped" : last.value}` : "";
}

function buildPanel() {
  show("#t-desk");
  const { criterion } = desk;
  $("#panel").dataset.mode = desk.mode + desk.name;
  $("#question").textContent = criterion.question;
  $("#description").textContent = criterion.description;
  $("#more").hidden = !criterion.description;
  $("#answers").classList.toggle("few", criterion.levels.length <= 4);
  $("#filter").hidden = criterion.levels.length <= 9;
  for (const level of criterion.levels) {
    const button = element("button", "answer");
    button.type = "button";
    button.dataset.value = level.label;
    button.append(element("kbd", ""), element("span", "", level.label), element("span", "tag"));
    button.addEventListener("click", () => answer(level.label));
    $("#answers").append(button);
    if (level.guidance) {
      const words = element("section");
      words.dataset.value = level.label;
      words.append(element("h2", "", level.label), element("p", "", unwrapped(level.guidance)));
      $("#guidance").append(words);
    }
  }
  $("#guiding").hidden = !$("#guidance").childElementCount && !criterion.description;
  $("#skip").addEventListener("click", skip);
  $("#undo").addEventListener("click", undo);
  $("#filter").addEventListener("input", filterAnswers);
  $("#note").addEventListener("input", keepDraft);
  toggle("#noting", "noted", () => $("#note").focus());
  toggle("#guiding", "guided");
  new ResizeObserver(() => $("#example")?.style.setProperty("--panel-height", `${$("#panel").offsetHeight + 16}px`)).observe($("#panel"));
}

function toggle(button, name, then = () => {}) {
  $(button).addEventListener("click", () => {
    const on = $("#panel").classList.toggle(name);
    $(button).setAttribute("aria-expanded", on);
    if (on) then();
  });
}

function filterAnswers() {
  const words = $("#filter").value.toLowerCase();
  let number = 0;
  for (const words_of of view.querySelectorAll("#guidance section")) words_of.hidden = !words_of.dataset.value.toLowerCase().includes(words);
  for (const button of view.querySelectorAll(".answer")) {
    button.hidden = !button.dataset.value.toLowerCase().includes(words);
    const key = button.hidden ? "" : String(++number);
    $("kbd", button).textContent = number <= 9 ? key : "";
    $("kbd", button).hidden = number > 9;
    if (key && number <= 9) button.setAttribute("aria-keyshortcuts", key);
    else button.removeAttribute("aria-keyshortcuts");
  }
}

const offered = () => [...view.querySelectorAll(".answer:not([hidden])")];

function answer(value) {
  if (desk.mode === "settle") { decide(value); return; }
  if (!desk.items.length) return;
  finish({ kind: "label", value });
}

function skip() {
  if (desk.mode === "settle") { leaveDispute(); return; }
  if (desk.items.length) finish({ kind: "skip" });
}

function finish(given) {
  const item = desk.items.shift();
  const skipped = given.kind === "skip";
  const body = { key: newKey(), position: item.position, ...given, note: $("#note").value.trim(), highlights: skipped ? [] : desk.marks, took_s: seconds() };
  desk.history = [...desk.history.slice(-199), { item, body }];
  enqueue("answers", body);
  keep(draftName(), null);
  showDesk();
}

async function undo() {
  if (desk.mode === "settle") { undoDecision(); return; }
  const done = desk.history.pop();
  if (done) {
    const { item, body } = done;
    desk.items.unshift({ ...item, previous: { value: body.value, note: body.note, highlights: body.highlights } });
    enqueue("answers", { key: newKey(), position: item.position, kind: "undo" });
    showDesk();
    return;
  }
  try {
    await send();
    const hand = await api("POST", queuePath(desk.name, "undo"), { key: newKey() });
    const item = hand.items.find((one) => one.position === hand.positions[0]);
    desk.items = [item, ...desk.items.filter((one) => one.position !== item.position)];
    desk.queue = hand.queue;
    showDesk();
  } catch (error) {
    say(error.status === 403 ? "There is no answer to take back." : error.status ? error.message : "The server cannot be reached just now.");
  }
}

function keepDraft() {
  if (desk?.mode !== "label" || !desk.items.length) return;
  keep(draftName(), { queue: desk.name, position: desk.items[0].position, note: $("#note").value, highlights: desk.marks });
}

function showDone() {
  show("#t-done");
  const { queue } = desk;
  const waits = outbox().length;
  $("#done-title").textContent = waits ? (lost ? "Nothing more at hand" : "One moment") : queue?.closed ? "This queue is closed" : "Nothing left for you here";
  $("#done-text").textContent = waits
    ? `${count(waits)} ${waits === 1 ? "answer is" : "answers are"} kept here and on the way; new examples come with the connection.`
    : `You answered ${count(queue.mine.labelled)}; ${doneOf(queue)} examples are done.` + (queue.finished < answerable(queue) ? " The rest waits for other labellers." : "");
  const skipped = queue?.mine.skipped ?? 0;
  $("#again").textContent = skipped ? `Show me the ${count(skipped)} I skipped` : "Look again";
  $("#again").addEventListener("click", async () => {
    try {
      takeIn(await api("POST", queuePath(desk.name, skipped ? "skipped" : "hand"), {}));
      if (!desk.items.length) showDone();
    } catch (error) { say(error.status ? error.message : "The server cannot be reached just now."); }
  });
  $("#back").addEventListener("click", undo);
  showProgress();
}

// ---- adjudication ----------------------------------------------------------------------------------------------------

function showDispute() {
  const { dispute, queue } = desk.docket;
  header(`${desk.name}: ${count(queue.disputed)} to settle`);
  $("#show-help").hidden = false;
  if (!dispute) {
    show("#t-done");
    $("#done-title").textContent = "All settled";
    $("#done-text").textContent = "No example of this queue has answers that disagree.";
    $("#again").textContent = "Look again";
    $("#again").addEventListener("click", nextDispute);
    $("#back").addEventListener("click", undo);
    return;
  }
  desk.marks = [];
  showPanel({ note: "" });
  $("#skip").firstChild.textContent = "Leave it ";
  $("#opinions").hidden = false;
  $("#opinions").replaceChildren(...dispute.opinions.map(opinionCard));
  showExample(dispute.fields, null, dispute.opinions);
  startClock();
}

function opinionCard(opinion, place) {
  const card = element("div", `opinion ${place === 1 ? "b" : ""}`);
  card.append(element("span", "who", opinion.mine ? `${opinion.who} (you)` : opinion.who), element("b", "", opinion.value));
  if (opinion.note) card.append(element("p", "", opinion.note));
  card.append(element("p", "muted", opinion.highlights.length ? `${opinion.highlights.length} highlighted` : "nothing highlighted"));
  return card;
}

async function decide(value) {
  const { dispute } = desk.docket;
  if (!dispute || draining) return;
  const body = { key: newKey(), position: dispute.position, kind: "adjudicate", value, note: $("#note").value.trim(), took_s: seconds() };
  desk.history.push({ body });
  await enqueue("decisions", body);
  if (me && desk) showDispute();
}

async function undoDecision() {
  const done = desk.history.pop();
  if (done) {
    await enqueue("decisions", { key: newKey(), position: done.body.position, kind: "undo" });
    if (me && desk) showDispute();
    return;
  }
  try {
    await send();
    desk.docket = await api("POST", queuePath(desk.name, "decisions/undo"), { key: newKey() });
    showDispute();
  } catch (error) {
    say(error.status === 403 ? "There is no decision to take back." : error.status ? error.message : "The server cannot be reached just now.");
  }
}

const leaveDispute = () => nextDispute(desk.docket.dispute?.position ?? -1);

async function nextDispute(after) {
  try {
    desk.docket = await api("GET", queuePath(desk.name, `disputes?after=${Number.isInteger(after) ? after : -1}`));
    showDispute();
  } catch (error) { say(error.status ? error.message : "The server cannot be reached just now."); }
}

// ---- the example and its highlights ----------------------------------------------------------------------------------

function showExample(fields, hint, opinions = null) {
  const example = $("#example");
  const main = fields.filter((field) => field.read).map(fieldCard);
  const rest = fields.filter((field) => !field.read).map(fieldCard);
  const pair = main.filter((card) => card.matches(".output_a, .output_b"));
  if (pair.length === 2) {
    const beside = element("div", "pair");
    pair[0].before(beside);
    main.splice(main.indexOf(pair[0]), 2, beside);
    beside.append(...pair);
  }
  example.replaceChildren(...main);
  if (hint) example.append(element("p", "hint", hint));
  if (rest.length) {
    const more = element("details", "rest");
    const inside = element("div");
    inside.append(...rest);
    more.append(element("summary", "", "Also there, not judged"), inside);
    example.append(more);
  }
  desk.opinions = opinions;
  paintAll();
  scrollTo(0, 0);
  example.focus({ preventScroll: true });
}

function fieldCard(field) {
  const card = element("section", `field ${field.name}`);
  card.append(element("h2", "", FIELD_NAMES[field.name] ?? field.name));
  if (field.turns) {
    field.turns.forEach((turn, place) => {
      const box = element("div", `turn ${turn.role}`);
      box.append(element("b", "", turn.role), textBox(field.name, turn.text, place));
      card.append(box);
    });
    return card;
  }
  card.append(textBox(field.name, field.text, null));
  if (field.images) card.append(element("p", "muted", `${field.images} image${field.images > 1 ? "s" : ""}, not shown here`));
  return card;
}

const wholes = new WeakMap(); // the text of each box, whatever is marked in it

function textBox(field, text, turn) {
  const box = element("div", "text");
  box.dir = "auto";
  box.dataset.field = field;
  if (turn !== null) box.dataset.turn = turn;
  wholes.set(box, text);
  return box;
}

const turnOf = (box) => (box.dataset.turn === undefined ? null : Number(box.dataset.turn));
const isIn = (mark, box) => mark.field === box.dataset.field && (mark.turn ?? null) === turnOf(box);

function paintAll() {
  for (const box of view.querySelectorAll(".text")) paint(box);
}

// Marks count Unicode code points, as the server does; the DOM counts UTF-16 units.
function paint(box) {
  const chars = Array.from(wholes.get(box));
  const layers = desk.opinions ? desk.opinions.map((opinion) => opinion.highlights) : [desk.marks];
  const edges = new Set([0, chars.length]);
  const here = layers.map((marks) => marks.filter((mark) => isIn(mark, box)));
  here.flat().forEach((mark) => edges.add(mark.start).add(mark.end));
  const stops = [...edges].sort((a, b) => a - b);
  const pieces = stops.slice(0, -1).map((start, place) => {
    const text = chars.slice(start, stops[place + 1]).join("");
    const on = here.flatMap((marks, layer) => (marks.some((mark) => mark.start <= start && mark.end > start) ? [layer] : []));
    if (!on.length) return document.createTextNode(text);
    const span = element("mark", on.length > 1 ? "both" : on[0] === 1 ? "b" : "", text);
    span.dataset.start = start;
    return span;
  });
  box.replaceChildren(...pieces);
}

function selectedSpan() {
  const selection = getSelection();
  if (!desk || desk.opinions || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  const boxes = [range.startContainer, range.endContainer].map((node) => (node.nodeType === 1 ? node : node.parentElement)?.closest(".text"));
  const box = boxes[0] ?? boxes[1];
  if (!box) return null;
  const clipped = range.cloneRange();
  if (boxes[0] !== box) clipped.setStart(box, 0);
  if (boxes[1] !== box) clipped.setEnd(box, box.childNodes.length);
  const before = document.createRange();
  before.setStart(box, 0);
  before.setEnd(clipped.startContainer, clipped.startOffset);
  const start = Array.from(before.toString()).length;
  const end = start + Array.from(clipped.toString()).length;
  return end > start ? { box, start, end, rect: clipped.getBoundingClientRect() } : null;
}

function highlight() {
  const span = selectedSpan();
  if (!span) { say("Select some text first, then press h."); return; }
  const touching = desk.marks.filter((mark) => isIn(mark, span.box) && mark.start <= span.end && mark.end >= span.start);
  const joined = {
    field: span.box.dataset.field,
    turn: turnOf(span.box),
    start: Math.min(span.start, ...touching.map((mark) => mark.start)),
    end: Math.max(span.end, ...touching.map((mark) => mark.end)),
  };
  desk.marks = [...desk.marks.filter((mark) => !touching.includes(mark)), joined];
  getSelection().removeAllRanges();
  marksChanged();
}

function unhighlight(gone = desk.marks.at(-1)) {
  if (!gone) return;
  desk.marks = desk.marks.filter((mark) => mark !== gone);
  marksChanged();
}

function marksChanged() {
  paintAll();
  keepDraft();
}

view.addEventListener("click", (event) => {
  const span = event.target.closest("mark");
  if (!span || !desk || desk.opinions || !getSelection().isCollapsed) return;
  const box = span.closest(".text");
  unhighlight(desk.marks.find((mark) => isIn(mark, box) && mark.start <= Number(span.dataset.start) && mark.end > Number(span.dataset.start)));
});

document.addEventListener("selectionchange", () => {
  const span = selectedSpan();
  const button = $("#mark");
  button.hidden = !span;
  if (!span) return;
  const narrow = innerWidth < 900;
  button.style.left = narrow ? "auto" : `${Math.max(8, Math.min(span.rect.left, innerWidth - 150))}px`;
  button.style.right = narrow ? "1rem" : "auto";
  button.style.top = narrow ? "auto" : `${Math.max(50, span.rect.top - 44)}px`;
  button.style.bottom = narrow ? `${($("#panel")?.offsetHeight ?? 0) + 12}px` : "auto";
});
$("#mark").addEventListener("pointerdown", (event) => { event.preventDefault(); highlight(); });

// ---- time, progress, words -------------------------------------------------------------------------------------------

function startClock() {
  desk.seenMs = 0;
  desk.shownAt = document.hidden ? 0 : performance.now();
}

const seconds = () => Math.round((desk.seenMs + (desk.shownAt ? performance.now() - desk.shownAt : 0)) / 100) / 10;

document.addEventListener("visibilitychange", () => {
  if (!desk) return;
  if (document.hidden && desk.shownAt) { desk.seenMs += performance.now() - desk.shownAt; desk.shownAt = 0; }
  else if (!document.hidden && !desk.shownAt) desk.shownAt = performance.now();
});

function showProgress() {
  const { queue } = desk;
  if (!queue) return;
  const { labelled, seconds: spent } = queue.mine;
  const each = labelled >= 3 ? spent / labelled : null;
  const left = Math.max(0, answerable(queue) - queue.finished);
  const words = [`${count(queue.finished)} of ${count(answerable(queue))} done`, `you ${count(labelled)}`];
  if (each !== null) words.push(`${each < 10 ? each.toFixed(1) : Math.round(each)} s each`);
  if (each !== null && left) words.push(`about ${duration(each * left)} left`);
  header(desk.name, words.join(" · "), queue.finished / Math.max(1, answerable(queue)));
  if (!lost) showState(0);
  $("#show-help").hidden = false;
}

function header(where, pace = "", share = null) {
  $("#where").textContent = where;
  $("#pace").textContent = pace;
  $("#progress").hidden = share === null;
  $("#progress").value = share ?? 0;
  $("#show-help").hidden = true;
}

function showState(failures) {
  const waiting = me ? outbox().length : 0;
  lost = failures > 0;
  $("#state").classList.toggle("waiting", lost);
  if (lost) $("#state").textContent = waiting ? `No connection: ${count(waiting)} kept here, sent when it is back` : "No connection";
  else if (desk && !waiting) $("#state").textContent = "Saved";
  else if (!desk || $("#state").textContent.startsWith("No")) $("#state").textContent = "";
}

let sayTimer = 0;

function say(text, ms = 3000) {
  $("#say").textContent = text;
  $("#say").classList.add("shown");
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => $("#say").classList.remove("shown"), ms);
}

function element(tag, classes = "", text = "") {
  const made = document.createElement(tag);
  if (classes.trim()) made.className = classes.trim();
  made.textContent = text;
  return made;
}

const count = (number) => number.toLocaleString("en");
const unwrapped = (text) => text.replace(/([^\n])\n(?!\n|\s*[-*•\d])/g, "$1 ");

function duration(s) {
  const minutes = Math.max(1, Math.round(s / 60));
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

// ---- keys ------------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (!desk || event.repeat || $("dialog[open]")) return;
  const typing = event.target.matches?.("input, textarea");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter" && event.target.id === "filter" && offered().length) { event.preventDefault(); event.target.blur(); offered()[0].click(); }
    return;
  }
  const undoing = (event.ctrlKey || event.metaKey) && event.key === "z";
  if (!undoing && (event.ctrlKey || event.metaKey || event.altKey)) return;
  const number = /^[1-9]$/.test(event.key) ? Number(event.key) : 0;
  const act = undoing ? undo : number ? () => press(offered()[number - 1]) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

const KEYS = {
  s: () => $("#skip") && skip(),
  u: undo,
  Backspace: undo,
  n: () => { $("#panel")?.classList.add("noted"); $("#note")?.focus(); },
  h: () => $("#example") && highlight(),
  x: () => $("#example") && !desk.opinions && unhighlight(),
  "/": () => $("#filter") && !$("#filter").hidden && $("#filter").focus(),
  "?": () => $("#help").showModal(),
};

function press(button) {
  if (!button) return;
  button.classList.add("chosen"); // outlives the example by a blink: one sees what one pressed
  setTimeout(() => button.classList.remove("chosen"), 150);
  button.click();
}

$("#show-help").addEventListener("click", () => $("#help").showModal());
$("#sign-out").addEventListener("click", async () => {
  await Promise.race([send(), pause(1500)]);
  await api("DELETE", "session").catch(() => {});
  const waiting = me ? outbox().length : 0;
  location.hash = "#";
  desk = null;
  showSignIn();
  if (waiting) say(`${count(waiting)} answers are kept here until you sign in again.`, 6000);
});
addEventListener("hashchange", route);
addEventListener("online", () => me && send());
route();
