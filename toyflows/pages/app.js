// The controls: what is chosen stands in `state`, and in the address after #.

const el = id => document.getElementById(id);
const state = { choice: book.axes.map(() => 0), frame: 0, playing: false, speed: 1, theme: "" };

// Place in book.runs of what is chosen: the last axis moves fastest.
const place = () => book.axes.reduce((n, axis, i) => n * axis.values.length + state.choice[i], 0);
const current = () => open(place());
const numbers = () => numbersOf(current(), state.frame);

// ---- what is seen ----
function render() {
  const run = current(), told = numbers();
  // Verdict and alarms are on the whole run: until its end only what is seen, and what was.
  const ended = state.frame >= run.last;
  el("message").textContent = ended ? run.message : run.title;
  for (const name of ["whole", "alarms"])  // their room is kept: nothing jumps at the end
    el(name).style.visibility = ended ? "visible" : "hidden";
  el("time").textContent = `densities at t = ${clock(told.t)}`;
  el("clock").textContent = `t = ${clock(told.t)}`;
  el("scrubber").max = run.last;
  el("scrubber").value = state.frame;
  el("scrubber").setAttribute("aria-valuetext", `t = ${clock(told.t)}`);
  el("phase").textContent = told.phase;
  el("says").textContent = minus(run.says);
  el("alarms").replaceChildren(...run.alarms.map(text => element("li", { textContent: minus(text) })));
  el("equation").textContent = run.equation;
  el("again").textContent = run.again;
  readout(run, told);
  drawPaths(el("paths"), run, state.frame);
  drawDensities(el("densities"), run, state.frame, told);
  for (const name of ["paths", "densities"]) el(name).setAttribute("aria-label", aloud(run, told));
}

const clock = t => minus(t.toFixed(t < 10 ? 2 : t < 1000 ? 1 : 0));

function readout(run, told) {
  const part = textContent => element("span", { textContent });
  const cell = (name, ink, θ, q) => element("div", { className: ink },
    element("b", { textContent: name }), part(`θ = ${signed(θ)}`),
    part(`q = ${Number.isFinite(q) ? q.toFixed(3) : "–"}`));
  el("readout").replaceChildren(
    ...BACKENDS.filter(n => n in run.theta).map(
      n => cell(SHORT[n], INK[n], told.theta[n], told.q[n])),
    cell("target", "data", told.theta_star, told.q_star));
}

function aloud(run, told) {
  const θ = BACKENDS.filter(n => n in run.theta).map(n => `${NAMES[n]} ${signed(told.theta[n])}`);
  return `${run.title} at t = ${clock(told.t)}: θ is ${θ.join(", ")}; ` +
    `target ${signed(told.theta_star)}. ${told.phase}`;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// ---- choosing ----
function controls() {
  book.axes.forEach((axis, i) => {
    if (axis.values.length < 2 && axis.name !== "loss") return;
    const listed = axis.name === "loss" || axis.name === "run";
    el("axes").append(listed ? menu(axis, i) : slider(axis, i));
  });
}

function menu(axis, i) {
  const options = axis.values.map((value, k) => element("option", { value: k, textContent: value }));
  const select = element("select", { id: `axis-${axis.name}` }, ...options);
  select.addEventListener("change", () => choose(i, Number(select.value)));
  return element("label", {}, `${axis.symbol} `, select);
}

function slider(axis, i) {
  const input = element("input", {
    type: "range", id: `axis-${axis.name}`, min: 0, max: axis.values.length - 1, step: 1, value: 0,
  });
  input.addEventListener("input", () => choose(i, Number(input.value)));
  return element("label", {}, element("output", { id: `value-${axis.name}` }), input);
}

// Another run at the same time.
function choose(axis, value) {
  const t = current().t[record(current(), state.frame)];
  state.choice[axis] = Math.max(0, Math.min(book.axes[axis].values.length - 1, value));
  state.frame = nearest(current(), t);
  shown();
}

function go(frame) {
  state.frame = Math.max(0, Math.min(current().last, Math.round(frame)));
  shown();
}

// The controls follow the state, the page is drawn, and the address says so.
function shown() {
  book.axes.forEach((axis, i) => {
    const input = el(`axis-${axis.name}`), value = axis.values[state.choice[i]];
    if (!input) return;
    input.value = state.choice[i];
    input.setAttribute("aria-valuetext", minus(value));
    if (el(`value-${axis.name}`))
      el(`value-${axis.name}`).textContent = `${axis.symbol} = ${minus(value)}`;
  });
  render();
  if (!state.playing) write();
}

// ---- playing ----
function tick(now) {
  if (!state.playing) return;
  const last = current().last;
  if (began === null || began.place !== place() || began.frame !== state.frame)
    began = { now, from: state.frame, frame: state.frame, place: place() };
  const seconds = (now - began.now) / 1000 * state.speed;
  const still = Math.max(1, Math.ceil(last / STILLS));
  const ahead = calm.matches ? Math.floor(seconds) * still : Math.floor(seconds / SECONDS * last);
  if (began.from + ahead !== state.frame) {
    go(began.from + ahead);
    began.frame = state.frame;
  }
  if (state.frame >= last) play(false);
  else requestAnimationFrame(tick);
}

// ---- the address ----
function write() {
  const words = new URLSearchParams();
  book.axes.forEach((axis, i) => words.set(axis.name, axis.values[state.choice[i]]));
  words.set("t", Number(numbers().t.toPrecision(12)));
  if (state.theme) words.set("theme", state.theme);
  if ("#" + words === location.hash) return;
  try {
    history.replaceState(null, "", "#" + words);
  } catch {
    // A course site may show the page in a frame that has no address of its own.
  }
}

function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  book.axes.forEach((axis, i) => {
    const k = axis.values.indexOf(words.get(axis.name));
    if (k >= 0) state.choice[i] = k;
  });
  const t = Number(words.get("t") || 0);
  state.frame = Number.isFinite(t) ? nearest(current(), t) : 0;
  if (["dark", "light"].includes(words.get("theme"))) state.theme = words.get("theme");
  paint();
}

// What player.js asks of a page.
const lastFrame = () => current().last;
const repaint = () => shown();

function start() {
  controls();
  wire();
  window.addEventListener("hashchange", read);
  new ResizeObserver(render).observe(el("panels"));
  window.toyflows = { state, numbers, density, run: current, go, choose, play };
  read();
}

start();
