// The room: what is set, the run as it comes from the worker, what is seen of it, and the address.

const FRAMES = 200;
const usual = Object.fromEntries(Object.entries(settings).map(([name, s]) => [name, s.value]));
const state = {
  given: { loss: "pcd", options: {}, ...usual, separation: 6 }, code: null, frame: 0, asked: null,
  follow: true, playing: false, speed: 1, theme: "", predict: false,
};
const SHARED = [["grid", "theory"], ["walkers"]];  // what each of the two workers computes
let run = null, desks = [], judge = null, id = 0, waiting = false;

// ---- a run ----
function binsOf(d) {
  const low = -d / 2 - 5, high = d / 2 + 5;
  return { low, high, bins: 2 * clampTo(Math.ceil((high - low) / 0.7), 30, 80) };
}
const clampTo = (v, low, high) => Math.min(Math.max(v, low), high);

// An empty run of these settings, in the form in which draw.js reads one.
function emptyRun(s, method) {
  const n = Math.floor((s.steps - 1) / s.every) + 2, points = Math.max(1, Math.ceil(n / FRAMES));
  const t = Float64Array.from({ length: n }, (_, k) => Math.min(k * s.every, s.steps) * s.dt);
  const b = binsOf(s.separation), last = Math.ceil((n - 1) / points);
  const green = s.own || !core.FLOWS[s.loss].field ? "walkers" : "samples";  // those are kept, these new
  return {
    ...b, s, method, t, points, last, first: 0, judged: "grid", near: book.near, loss: s.loss ?? "own",
    green, negatives: s.loss === "nce" ? "noise" : green, theta_star: s.theta_star, a: -s.separation / 2, b: s.separation / 2, theta: {}, mode_b: {},
    velocity: {}, crossings: new Float64Array(n).fill(NaN), histogram: null, followed: null, places: 0, ...inHand(),
    histograms: 0, records: 0, seen: [0, 0], left: 2, done: false, verdict: undefined, kind: "", stopped: null, began: performance.now(),
  };
}

function begin() {
  const { given, code } = state;
  id++;
  judge?.close();
  try {
    const s = core.checked(code === null ? given : { ...given, own: true });
    run = emptyRun(s, code === null ? methodOf(given.loss) : OWN);
    const { points } = run, bins = binsOf(s.separation);
    SHARED.forEach((backends, k) => desks[k].post({ id, kind: "live", given, backends, bins, points }));
    el("refused").hidden = true;
  } catch (error) {
    refused(error.message);
  }
  state.follow = state.asked === null;
}

function refused(text) {
  el("refused").textContent = minus(text);
  el("refused").hidden = false;
}

const OWN = { name: "your own", title: "Your own method", equation: "", about: "", note: "", options: [] };

function heard(message, k) {
  if (message.id !== id || !run) return;
  if (message.piece) take(message.piece, k);
  if (message.done) {
    run.stopped ??= message.stopped;
    run.end ??= message.end;
    if (--run.left === 0) ended();
  }
  soon();
}

const rowsOfWalkers = () => new Float64Array((run.last + 1) * FOLLOWED).fill(NaN);

function take({ from, rows, crossings, histograms, places }, k) {
  for (const [name, row] of Object.entries(rows))
    for (const [column, where] of [["θ", "theta"], ["velocity", "velocity"], ["modeB", "mode_b"]]) {
      const all = run[where][name] ??= new Float64Array(run.t.length).fill(NaN);
      all.set(row[column], from);
    }
  for (const name of Object.keys(run.mode_b)) if (!Number.isFinite(run.mode_b[name][0])) delete run.mode_b[name];
  if (rows.walkers) run.crossings.set(crossings, from);
  for (const shares of histograms) {
    run.histogram ??= new Float32Array((run.last + 1) * run.bins);
    run.histogram.set(shares, run.bins * run.histograms++);
  }
  for (const { x, w } of places) {
    run.followed ??= { x: rowsOfWalkers(), w: rowsOfWalkers() };
    run.followed.x.set(x, FOLLOWED * run.places);
    run.followed.w.set(w, FOLLOWED * run.places++);
  }
  run.seen[k] = from + crossings.length;
  run.records = Math.min(...run.seen);
  if (state.follow && !state.playing) state.frame = Math.floor((run.records - 1) / run.points);
}

async function ended() {
  const judging = run, { stopped, end } = run;
  run.done = true;
  if (state.follow) state.frame = run.last;
  if (state.asked !== null) state.frame = nearest(run, state.asked);
  state.asked = null;
  write();
  const { theta: { grid: θ }, velocity: { grid: velocity }, t } = run;
  const seen = { t: Array.from(t), θ: Array.from(θ), velocity: Array.from(velocity) };
  try {
    const asked = { kind: "judge", given: state.given, seen, stopped, end };
    const told = await job(asked, state.code, desk => { judge = desk; });
    judging.verdict = told.verdict;
  } catch {
    judging.verdict = null;
  }
  judging.kind = judging.verdict?.kind ?? "";
  soon();
}

// ---- what is seen ----
function soon() {
  if (!waiting) requestAnimationFrame(() => { waiting = false; render(); });
  waiting = true;
}

function render() {
  if (!run?.records) return;
  const frame = Math.min(state.frame, Math.floor((run.records - 1) / run.points), run.last);
  const at = concealed() ? 0 : run.done ? state.frame : frame;
  const told = numbersOf(run, at), k = record(run, at);
  const seen = { t: run.t, θ: run.theta.grid, velocity: run.velocity.grid };
  const walkers = run.method.options && Number.isFinite(run.crossings[k]) ? run.s.walkers : 0;
  el("time").textContent = `densities${run.followed ? ` and ${FOLLOWED} walkers` : ""} at t = ${clock(told.t)}`;
  el("clock").textContent = `t = ${clock(told.t)}`;
  el("scrubber").max = run.last;
  el("scrubber").value = at;
  el("scrubber").setAttribute("aria-valuetext", `t = ${clock(told.t)}`);
  const finite = Number.isFinite(seen.θ[k]);
  el("now").textContent = finite ? minus(core.now(seen, k, run.theta_star, run.s.rate)) : "θ has left the finite numbers.";
  el("sofar").textContent = finite
    ? minus(core.soFar(seen, k, run.theta_star, walkers, run.crossings[k])) : "";
  const complete = run.done && at >= run.last && !concealed();
  verdictShown(complete);
  tellLesson(complete, book.question.words.findIndex(words => words.includes(run.kind)));
  drawStages(run, at);
  readout(told);
  placeGrips(drawPaths(el("paths"), concealed() ? startOf(run) : run, at));
  drawDensities(el("densities"), run, at, told);
  for (const name of ["paths", "densities"]) el(name).setAttribute("aria-label", aloud(told));
}

// The run as it is seen before it has begun.
function startOf(whole) {
  const theta = Object.entries(whole.theta).map(([name, row]) => [name, row.map((v, k) => (k ? NaN : v))]);
  return { ...whole, theta: Object.fromEntries(theta) };
}

// Of the whole run only, and no word that is not proved.
function verdictShown(complete) {
  const { verdict, method: { title } } = run;
  el("message").textContent = complete && verdict ? book.messages[verdict.kind].replace("{}", title) : title;
  let says = "at the end of the run.";
  if (complete && verdict) says = `${verdict.kind}. ${minus(verdict.says)}`;
  else if (complete && verdict === null) says = "none: it could not be computed here.";
  else if (complete) says = "the exact law is followed on …";
  el("says").textContent = says;
}

const clock = t => minus(t.toFixed(t < 10 ? 2 : t < 1000 ? 1 : 0));

function readout(told) {
  const part = textContent => element("span", { textContent });
  const cell = (name, ink, θ, q) => element("div", { className: ink },
    element("b", { textContent: name }), part(`θ = ${signed(θ)}`),
    part(`q = ${Number.isFinite(q) ? q.toFixed(3) : "–"}`));
  el("readout").replaceChildren(
    ...BACKENDS.filter(n => n in run.theta).map(n => cell(n === "walkers" ? run.green : SHORT[n], INK[n], told.theta[n], told.q[n])),
    cell("target", "data", told.theta_star, told.q_star));
}

function aloud(told) {
  const θ = BACKENDS.filter(n => n in run.theta).map(n => `${n === "walkers" ? run.green : NAMES[n]} ${signed(told.theta[n])}`);
  return `${run.method.title} at t = ${clock(told.t)}: θ is ${θ.join(", ")}; `
    + `target ${signed(told.theta_star)}.`;
}

// ---- choosing ----
function set(changed) {
  Object.assign(state.given, changed);
  if (state.predict) ask();
  begin();
  write();
  el("again").textContent = again();
}

function choose(name) {
  if (name === OWN.name) return el("own").setAttribute("open", "");
  state.given = { ...state.given, loss: name, options: {} };
  if (state.code !== null) open_desk(null);
  state.code = null;
  return shown();
}

// All controls anew: another method has other options.
function shown() {
  const { given, code } = state, method = code === null ? methodOf(given.loss) : OWN;
  const names = [...book.methods.map(m => m.name), OWN.name];
  el("axes").replaceChildren(
    menu("set-loss", "method", method.name, names, choose),
    ...MAIN.map(name => settingControl(name, given, set)));
  el("rest").replaceChildren(
    ...method.options.map(option => optionControl(option, given, set)),
    ...Object.keys(settings).filter(n => !MAIN.includes(n)).map(n =>
      settingControl(n, given, changed => { set(changed); if (n === "seed") shown(); })));
  el("formula").innerHTML = method.equation || "θ̇ as the code below says it";
  el("words").textContent = [method.about, method.note].filter(Boolean).join(" ");
  set({});
}

function again() {
  const { loss, options, ...numbers } = state.given;
  if (state.code !== null) return "Your own method runs on this page only; `toyflows new flow` begins one in Python.";
  const words = Object.entries(numbers).map(([name, v]) => `--${name.replace("_", "-")} ${v}`);
  const p = Object.entries(options).map(([name, v]) => ` -p ${name}=${v}`);
  return `toyflows flow --loss ${loss} ${words.join(" ")}${p.join("")}`;
}

function open_desk(code) {
  for (const desk of desks) desk.close();
  const fail = why => { el("fault").textContent = why; refused(why); recover(); };
  desks = SHARED.map((_, k) => new Desk(code, message => heard(message, k), fail));
}

// Where the reader's code ended its worker, the page goes on with the method before it.
function recover() {
  if (state.code === null) return;
  state.code = null;
  open_desk(null);
  shown();
}

async function adopt(code) {
  const [found, why] = await tried(code, state.given);
  if (!found) return why;
  found.close();
  state.code = code;
  open_desk(code);
  shown();
  return "It runs.";
}

// ---- time ----
function go(frame) {
  state.follow = false;
  state.frame = clampTo(Math.round(frame), 0, Math.floor((run.records - 1) / run.points));
  if (run.done && frame >= run.last) state.frame = run.last;
  soon();
  if (!state.playing) write();
}

function tick(now) {
  if (!state.playing) return;
  began ??= { now, from: state.frame };
  const seconds = (now - began.now) / 1000 * state.speed, { last } = run;
  const still = Math.max(1, Math.ceil(last / STILLS));
  const ahead = calm.matches ? Math.floor(seconds) * still : Math.floor(seconds / SECONDS * last);
  go(began.from + ahead);
  if (run.done && state.frame >= last) play(false);
  else requestAnimationFrame(tick);
}

// ---- the address ----
function write() {
  const words = new URLSearchParams(), { options, loss, ...numbers } = state.given;
  if (lesson) words.set("lesson", lesson.name);
  if (state.predict) words.set("predict", "1");
  words.set("loss", loss);
  for (const [name, v] of Object.entries(numbers)) if (v !== settings[name].value) words.set(name, v);
  for (const [name, v] of Object.entries(options)) words.set(`p.${name}`, v);
  if (run?.done && state.frame < run.last) words.set("t", Number(run.t[record(run, state.frame)].toPrecision(12)));
  if (state.theme) words.set("theme", state.theme);
  if ("#" + words === location.hash || state.code !== null) return;
  try {
    history.replaceState(null, "", "#" + words);
  } catch {
    // A course site may show the page in a frame that has no address of its own.
  }
}

// What the address says, as far as it can be run; the rest stays as it is.
function read() {
  const words = wordsOf(location.hash), given = { loss: state.given.loss, options: {}, ...usual };
  if (!location.hash) given.separation = 6;
  const good = tryOn => { try { core.checked(tryOn); return true; } catch { return false; } };
  if (methodOf(words.get("loss"))) given.loss = words.get("loss");
  for (const [name, text] of words) {
    const option = name.startsWith("p.") && methodOf(given.loss).options.find(o => `p.${o.name}` === name);
    const value = option && option.kind === "str" ? text : option && option.kind === "bool" ? text === "true" : Number(text);
    const changed = option ? { ...given, options: { ...given.options, [option.name]: value } }
      : name in settings && text.trim() ? { ...given, [name]: value } : given;
    if (good(changed)) Object.assign(given, changed);
  }
  state.given = given;
  const t = Number(words.get("t") ?? NaN);
  state.asked = Number.isFinite(t) && words.has("t") ? t : null;
  if (["dark", "light"].includes(words.get("theme"))) state.theme = words.get("theme");
  openLesson(words);
  paint();
  shown();
}

function predicting(on) {
  state.predict = on;
  lesson = null;
  ask();
  write();
  soon();
}

// What player.js asks of a page.
const lastFrame = () => run.last;
const repaint = () => soon();

function start() {
  open_desk(null);
  editor(adopt);
  wire();
  grips();
  window.addEventListener("hashchange", read);
  el("predict").addEventListener("change", event => predicting(event.target.checked));
  el("stage").addEventListener("click", nextStage);
  el("stages").addEventListener("toggle", soon);
  new ResizeObserver(soon).observe(el("panels"));
  window.toyflows = { state, core, run: runOnce, shown: () => run, numbers: () => numbersOf(run, state.frame), set, choose, go, play, adopt };
  read();
}

start();
