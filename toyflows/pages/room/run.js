// A run: θ ← θ + rate·dt·θ̇, and the particles after it (toyflows/solve.py); what it records; what may
// be asked of it (toyflows/settings.py).

const RUNAWAY = 1e8;
const METHODS = Object.fromEntries(constants.methods.map(m => [m.name, m]));

class Refused extends Error {}
const refuse = (name, value, why) => { throw new Refused(`${name} = ${value}: ${why}`); };

// The settings with their defaults, or Refused with what must hold.
function checked(given) {
  const known = constants.settings, s = {};
  for (const name of Object.keys(given))
    if (!(name in known) && !["loss", "options", "backend", "own"].includes(name))
      refuse(name, given[name], `unknown; choose from ${Object.keys(known).join(", ")}`);
  for (const [name, { value, least, most, above, below, whole, must }] of Object.entries(known)) {
    const v = s[name] = given[name] ?? value;
    const inside = v >= least && v <= most && !(v <= above) && !(v >= below);
    if (typeof v !== "number" || !Number.isFinite(v) || !inside || (whole && !Number.isInteger(v)))
      refuse(name, v, must);
  }
  if (!(s.time >= s.dt)) refuse("time", s.time, `must be at least one step, dt = ${s.dt}`);
  if (!(s.rate * s.dt < 8)) refuse("rate", s.rate, `must be 0 < rate < ${pyFormat(8 / s.dt, 6)}`);
  s.steps = Math.round(s.time / s.dt);
  if (s.steps > constants.most_steps)
    refuse("time", s.time, `must be at most ${constants.most_steps} steps of dt in a browser`);
  s.loss = given.loss;
  s.own = given.own;
  if (!s.own && !(s.loss in METHODS))
    refuse("loss", s.loss, `unknown; choose from ${Object.keys(METHODS).join(", ")}`);
  s.options = s.own ? {} : checkedOptions(METHODS[s.loss], given.options ?? {});
  s.every = Math.max(1, Math.floor(s.steps / constants.records));
  return s;
}

function checkedOptions({ name, options }, given) {
  const o = Object.fromEntries(options.map(option => [option.name, option.value]));
  for (const [key, value] of Object.entries(given)) {
    const found = options.find(option => option.name === key);
    if (!found) refuse("options", key, options.length
      ? `unknown option here; choose from ${Object.keys(o).join(", ")}` : `${name} has none here`);
    const { kind, words, least, most, above, must } = found;
    const good = kind === "bool" ? typeof value === "boolean" : kind === "str" ? words.includes(value)
      : typeof value === "number" && value >= least && value <= most && !(value <= above)
        && (kind !== "int" || Number.isInteger(value));
    if (!good) refuse("options", `${key}=${value}`, must);
    o[key] = value;
  }
  const wrong = FLOWS[name].check(o);
  if (wrong) throw new Refused(`options = ${wrong}`);
  return o;
}

// One method on one backend, a step at a time.
class Course {
  // From the start, or from the θ, y and chains of a state.
  constructor(s, flow, ops, { θ, y, chains } = {}) {
    const extra = flow.extra(s.options);
    Object.assign(this, { s, flow, ops, θ: θ ?? s.theta0, step: 0, names: Object.keys(extra) });
    this.y = y ?? Object.values(extra);
    this.chains = chains ?? flow.init(s.options, ops.at(0), s.theta0);
    this.crossings = this.chains && flow.negative ? ops.crossed(this.chains, this.chains) : NaN;
    this.stopped = null;
    this.look();
  }
  // What is seen before the step: the negatives, θ̇ and the further rates.
  look() {
    const { flow, ops, s: { options }, θ, chains, y } = this;
    this.negatives = flow.negatives(options, ops.at(this.step), θ, chains, y);
    this.rates = flow.velocity(options, ops, θ, this.negatives, y);
  }
  get velocity() { return this.rates[0]; }
  get modeB() {
    return this.flow.negative && this.negatives ? this.ops.inB(this.negatives) : NaN;
  }
  advance() {
    const { flow, ops, s, θ, negatives } = this, η = s.rate * s.dt;
    ops.at(this.step);
    this.θ = θ + η * this.rates[0];
    this.y = this.y.map((v, i) => v + η * this.rates[i + 1]);
    const stored = flow.store(s.options, ops, this.chains, negatives);
    const before = this.chains;
    this.chains = flow.advance(s.options, ops, θ, this.θ, stored);
    if (before && flow.negative) this.crossings += ops.crossed(before, this.chains);
    this.step++;
    ["θ", ...this.names].forEach((name, i) => this.check(name, [this.θ, ...this.y][i]));
    if (!this.stopped) this.look();
  }
  check(name, value) {
    if (Math.abs(value) <= RUNAWAY || this.stopped) return;
    const t = pyFormat(this.step * this.s.dt, 6);
    this.stopped = `diverged at step ${this.step} (t = ${t}): ${name} = ${pyFormat(value, 6)}`;
  }
  get ended() { return this.stopped !== null || this.step >= this.s.steps; }
}

// The lecture's closed form, by Runge and Kutta's steps (toyflows/backends/theory.py).
class Formula {
  constructor(s, flow, target) {
    this.y = [s.theta0, ...Object.values(flow.extra(s.options))];
    this.rates = y => flow.separated(s.options, target, y[0], s.theta0, y.slice(1));
    Object.assign(this, { s, step: 0, stopped: null });
  }
  get θ() { return this.y[0]; }
  get velocity() { return this.rates(this.y)[0]; }
  get modeB() { return NaN; }
  advance() {
    const { dt, rate } = this.s, along = (h, k) => this.y.map((v, i) => v + h * k[i]);
    const v = y => this.rates(y).map(u => rate * u);
    const k1 = v(this.y), k2 = v(along(dt / 2, k1)), k3 = v(along(dt / 2, k2)), k4 = v(along(dt, k3));
    this.y = along(dt, k1.map((a, i) => (a + 2 * k2[i] + 2 * k3[i] + k4[i]) / 6));
    this.step++;
  }
  get ended() { return this.step >= this.s.steps; }
}

// The course of the settings on a backend; null where the method has none there.
function course(s, backend, own = null) {
  const flow = own ?? FLOWS[s.loss], target = new Target(s.theta_star, s.separation);
  if (backend === "theory") return flow.separated ? new Formula(s, flow, target) : null;
  const ops = backend === "grid" ? new Grid(target, s.dt) : new Walkers(target, s.dt, s.walkers, s.seed);
  return new Course(s, flow, ops);
}

// What a run records, at every `every`-th step and at its end.
class Recorder {
  constructor() {
    for (const name of ["t", "θ", "velocity", "modeB"]) this[name] = [];
  }
  see(run) {
    this.t.push(run.step * run.s.dt);
    this.θ.push(run.θ);
    this.velocity.push(run.velocity);
    this.modeB.push(run.modeB);
  }
}

// All of it at once.
function whole(run) {
  const seen = new Recorder();
  for (; !run.ended; run.advance()) if (run.step % run.s.every === 0) seen.see(run);
  if (!run.stopped) seen.see(run);
  return seen;
}
