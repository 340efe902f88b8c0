// What the rooms share: settings, the run as it comes from the worker, time, and the address. `VIEW` is
// the room's: draw(frames, k, s), now(frames, k, s), titles(s), numbers(frames, k, s).

const core = engine(book), controls = book.controls;
const usual = Object.fromEntries(controls.map(c => [c.name, c.value]));
const state = { given: { ...usual }, frame: 0, asked: null, follow: true, playing: false, speed: 1, theme: "" };
let frames = [], total = 0, done = false, id = 0, waiting = false, worker = null;

function begin() {
  id++;
  [frames, done, total] = [[], false, core.total(state.given)];
  state.follow = true;
  worker.postMessage({ id, given: state.given });
}

function heard({ data }) {
  if (data.id !== id) return;
  frames.push(...data.frames);
  done = Boolean(data.done);
  if (state.follow && !state.playing) state.frame = frames.length - 1;
  if (done && state.asked !== null) state.frame = Math.min(state.asked, lastFrame());
  if (done) state.asked = null;
  soon();
}

function soon() {
  if (!waiting) requestAnimationFrame(() => { waiting = false; render(); });
  waiting = true;
}

function render() {
  if (!frames.length) return;
  const k = concealed() ? 0 : Math.min(state.frame, frames.length - 1), s = state.given;
  const [left, right] = VIEW.titles(frames, k, s), said = minus(VIEW.now(frames, k, s));
  el("left-title").textContent = left;
  el("right-title").textContent = right;
  el("clock").textContent = VIEW.clock(frames, k, s);
  el("scrubber").max = Math.max(total - 1, 1);
  el("scrubber").value = k;
  el("scrubber").setAttribute("aria-valuetext", el("clock").textContent);
  el("now").textContent = said;
  for (const name of ["left", "right"]) el(name).setAttribute("aria-label", said);
  const seen = concealed() ? frames.slice(0, 1) : frames;
  VIEW.draw(el("left"), el("right"), seen, k, s);
  tellLesson(done && k >= lastFrame() && !concealed(), -1);
}

function set(changed) {
  Object.assign(state.given, changed);
  begin();
  write();
}

function control({ name, label, kind, value, values, least, most, step, help }) {
  const now = state.given[name], changed = v => set({ [name]: v });
  if (kind === "menu") return menu(`set-${name}`, label, now, values, changed);
  if (kind === "range") return slider(`set-${name}`, label, now, { offered: [least, most, step], help }, changed);
  const another = element("button", { type: "button", id: `set-${name}`, textContent: "another seed" });
  another.addEventListener("click", () => set({ [name]: (state.given[name] * 48271 + 11) % 1000003 }));
  return another;
}

function shown() {
  el("axes").replaceChildren(...controls.map(control));
  set({});
}

// ---- time ----
const lastFrame = () => total - 1;
const repaint = () => soon();

function go(frame) {
  state.follow = false;
  state.frame = Math.min(Math.max(Math.round(frame), 0), frames.length - 1);
  soon();
  if (!state.playing) write();
}

let from = null;
function tick(now) {
  if (!state.playing) return;
  from ??= { now, frame: state.frame };
  const seconds = (now - from.now) / 1000 * state.speed, length = calm.matches ? 4 * SECONDS : SECONDS;
  go(from.frame + Math.floor(seconds / length * lastFrame()));
  if (done && state.frame >= lastFrame()) play(false);
  if (state.playing) requestAnimationFrame(tick);
  else from = null;
}

// ---- the address ----
function write() {
  const words = new URLSearchParams();
  if (lesson) words.set("lesson", lesson.name);
  for (const [name, v] of Object.entries(state.given)) if (v !== usual[name]) words.set(name, v);
  if (done && state.frame < lastFrame()) words.set("k", state.frame);
  if (state.theme) words.set("theme", state.theme);
  if ("#" + words === (location.hash || "#")) return;
  try {
    history.replaceState(null, "", "#" + words);
  } catch {
    // A course site may show the page in a frame that has no address of its own.
  }
}

// The value that a control can take, or undefined.
function good({ kind, values, least, most, step }, text) {
  if (kind === "menu") return values.find(v => String(v) === text);
  const v = Number(text);
  if (!text.trim() || !Number.isFinite(v)) return undefined;
  if (kind === "seed") return Number.isInteger(v) && v >= 0 && v <= 2 ** 53 - 1 ? v : undefined;
  const whole = Number.isInteger(step) ? Number.isInteger(v) : true;
  return whole && v >= least && v <= most ? v : undefined;
}

function read() {
  const words = wordsOf(location.hash);
  state.given = { ...usual };
  for (const c of controls) {
    const v = words.has(c.name) ? good(c, words.get(c.name)) : undefined;
    if (v !== undefined) state.given[c.name] = v;
  }
  const k = Number(words.get("k") ?? NaN);
  state.asked = words.has("k") && Number.isInteger(k) && k >= 0 ? k : null;
  if (["dark", "light"].includes(words.get("theme"))) state.theme = words.get("theme");
  openLesson(words);
  paint();
  shown();
}

function start() {
  const text = [`const constants = ${el("data").textContent};`, el("engine").textContent, el("worker").textContent];
  worker = new Worker(URL.createObjectURL(new Blob([text.join("\n")], { type: "text/javascript" })));
  worker.onmessage = heard;
  el("message").textContent = book.title;
  wire();
  window.addEventListener("hashchange", read);
  new ResizeObserver(soon).observe(el("panels"));
  window.toyflows = { state, core, set, go, play, done: () => done, frames: () => frames,
    run: given => [...core.run({ ...usual, ...given })],
    numbers: () => VIEW.numbers(frames, Math.min(state.frame, frames.length - 1), state.given) };
  read();
}

start();
