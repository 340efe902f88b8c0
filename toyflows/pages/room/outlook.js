// Where a method takes θ from where a run of the exact law stopped (toyflows/outlook.py, followed.py):
// a field θ̇ = v(θ) is walked along, or the equation of several coordinates followed; persistent
// particles are followed on, for as long again.

const { slope: SLOPE, least: LEAST, work: WORK, first_piece: FIRST_PIECE, onwards: ONWARDS,
  stops: STOPS, follows: FOLLOWS, fine: FINE, lasts: LASTS,
  at_rest: AT_REST } = constants.verdict;
const AWAY = { goes: "away", rest: NaN, needs: Infinity, exact: false, passed: NaN, drift: 0,
  period: NaN, followed: 0 };

class Diverged extends Error {}

// A run at its last record. `beat()` is called now and then: what is followed may take seconds.
class RunEnd {
  constructor({ s, flow, ops, θ, y, chains }, { t, θ: path }, beat = () => {}) {
    const star = s.theta_star, lasted = last(t) - t[0];
    Object.assign(this, { s, o: s.options, flow, ops, star, lasted, beat, state: { θ, y, chains } });
    this.past = { t: Array.from(t), gap: Array.from(path, v => v - star) };
    const n = ops.x.length, work = n * Math.max(chains ? chains.x.length : 0, 1) * (s.options.k ?? 1);
    this.steps = Math.max(Math.round(lasted / s.dt), Math.min(Math.round(LEAST / s.dt), Math.floor(WORK / work)));
  }
  get θ() { return this.state.θ; }
  // The course that goes on from a state.
  at(state) { return new Course(this.s, this.flow, this.ops, state); }
  // A state with another θ, as after a step of the method: its weights know of it.
  displaced({ θ, y, chains }, to) {
    return { θ: to, y, chains: chains && this.flow.advance(this.o, this.ops, θ, to, chains) };
  }
  aside(state, near) { return this.displaced(state, state.θ + 2 * near * positive(this.θ - this.star)); }
  // Up to `steps` steps on from the state, in pieces that double; it ends early where θ* holds θ.
  continued(from, near) {
    const run = this.at(from), gap = [run.θ - this.star];
    for (let left = this.steps, part = FIRST_PIECE; left > 0; part = gap.length - 1) {
      const began = gap.length - 1;
      part = Math.min(part, left);
      for (let k = 0; k < part; k++) {
        run.advance();
        this.beat();
        if (run.stopped) throw new Diverged(run.stopped);
        gap.push(run.θ - this.star);
      }
      left -= part;
      const piece = gap.slice(began);
      if (largest(piece) <= near && most(piece) - least(piece) <= BENT * near) break;
    }
    return [{ t: gap.map((_, k) => k * this.s.dt), gap }, run];
  }
  read(ahead, near, there, settled = false) {
    const out = read(this.past, ahead, near, this.lasted, there, settled), { rate } = this.s;
    const d = ahead.gap.map(v => v * positive(ahead.gap[0]));
    const passed = ["star", "rest"].includes(out.goes) && !there ? firstAt(d, ahead.t) : out.passed;
    return { ...out, passed, rest: this.star + out.rest, drift: out.drift / rate };
  }
  // What it does, and the state in which that was last seen.
  followed(near = NEAR) {
    let state = this.state, there = Math.abs(this.θ - this.star) <= near, ahead;
    try {
      let after;
      [ahead, after] = this.continued(state, near);
      there &&= largest(ahead.gap) <= near;
      if (there) [ahead, after] = this.continued(this.aside(state, near), near);
      state = after;
    } catch (error) {
      if (!(error instanceof Diverged)) throw error;
      return [{ ...AWAY, needs: 0 }, state];
    }
    return this.onwards(ahead, state, near, there);
  }
  // The same, farther where the path heads for θ* or may come to rest.
  onwards(ahead, state, near, there) {
    let out = this.read(ahead, near, there), more;
    for (let k = 0; k < ONWARDS; k++) {
      const heads = out.goes === "?" && !this.stops(state);
      if (!heads && !(out.goes === "away" && slows(ahead))) break;
      [more, state] = this.continued(state, near);
      ahead = then(ahead, more);
      out = this.read(ahead, near, there);
    }
    if (out.goes !== "?") return [out, state];
    const held = this.stops(state) || this.isHeld(near);  // as a straight line does: but at θ*?
    return [held ? { ...out, goes: "star", passed: NaN }
      : { ...out, goes: "away", passed: out.needs, needs: Infinity }, state];
  }
  // Would θ stop at θ* if it were there now, the particles where they are?
  stops(state) {
    const there = this.at(this.displaced(state, this.star)).velocity;
    return Math.abs(there) <= STOPS * Math.abs(this.at(state).velocity);
  }
  // Does θ come back to θ* from beside it, the particles in the law of θ*?
  isHeld(near) {
    const { flow, o, ops, star } = this;
    try {
      const begin = { θ: star, y: Object.values(flow.extra(o)), chains: flow.init(o, ops, star) };
      const [ahead] = this.continued(this.aside(begin, near), near);
      return read(null, ahead, near, this.lasted, true).goes === "stays";
    } catch (error) {
      if (error instanceof Diverged) return false;
      throw error;
    }
  }
}

function outlook(end) {
  if (!end.flow.field) return particles(end);
  return end.state.y.length ? together(end) : alone(end);
}

// θ̇ is a function of θ alone.
function alone(end) {
  const { star, lasted, flow, o, ops, s: { rate, dt }, state: { chains } } = end, near = NEAR;
  const v = θ => flow.velocity(o, ops, θ, flow.negatives(o, ops, θ, chains, []), [])[0];
  const drift = v(end.θ), there = Math.abs(end.θ - star) <= near, out = { ...AWAY, drift };
  const back = a => a.end === "zero" && Math.abs(a.at - star) <= near
    && a.time <= rate * RUNS * Math.max(lasted, dt);
  if (there && [-2, 2].every(side => back(walk(v, star + side * near, star, near))))
    return { ...out, goes: "stays", needs: 0 };
  const ahead = walk(v, end.θ, star, near), at = Math.abs(ahead.at - star) <= near;
  const passed = (ahead.at - star) * (end.θ - star) < 0 ? ahead.passed / rate : NaN;
  if (ahead.end === "zero") {
    const slope = (v(ahead.at + SLOPE) - v(ahead.at - SLOPE)) / (2 * SLOPE);
    if (Math.abs(slope) * rate * dt >= 2 && chatter(v, ahead.at, rate * dt) > NEAR)
      return end.followed()[0];  // Euler's steps are unstable there: what they do is what is seen
    if (there && at) return { ...out, goes: "still" };
    return { ...out, goes: at ? "star" : "rest", passed, rest: ahead.at, needs: ahead.time / rate, exact: true };
  }
  if (ahead.end === "still" && Math.abs(ahead.at - end.θ) <= NEAR) return { ...out, goes: "still" };
  return { ...out, passed };
}

// θ and further coordinates, whose rates are a function of these.
function together(end) {
  const { star, lasted, s: { rate, dt } } = end, near = NEAR, λ = eigenvalues(end);
  const stable = λ ? largestStep(λ) : Infinity, far = RUNS * Math.max(lasted, dt);
  const y = [end.θ, ...end.state.y];
  if ((rate * dt > stable && stable > 0) || alternates(ratesOf(end), y, rate * dt, near)) return bySteps(end);
  if (λ && circles(λ)) return { ...AWAY, goes: "swings", period: 2 * π / (rate * largest(λ.map(z => z.im))) };
  const aside = y.map((v, k) => (k ? v : v + 2 * near * positive(v - star)));
  let there = Math.abs(end.θ - star) <= near, [ahead, settled] = byEquation(end, y, far, near);
  there &&= largest(ahead.gap) <= near;
  if (there) [ahead, settled] = byEquation(end, aside, far, near);
  let out = end.read(ahead, near, there, settled);
  if (out.goes === "?") out = { ...out, goes: "star" };
  if (out.goes === "away" && λ?.every(z => z.re < 0)) out = { ...out, goes: "star", needs: 1.01 * far };
  const late = last(ahead.t) >= far && Math.abs(last(ahead.gap)) > near && !settled;
  return late ? { ...out, needs: Math.max(out.needs, 1.01 * far) } : out;
}

// Followed by the method's own steps. Of what goes to θ* it is asked whether these hold it there.
function bySteps(end) {
  const [out, state] = end.followed();
  if (out.goes !== "star") return out;
  const beyond = end.star - 2 * NEAR * positive(end.θ - end.star);
  const y = end.flow.rest(end.o, end.ops.target);
  const [ahead] = end.continued({ ...state, θ: beyond, y: y.length ? y : state.y }, NEAR);
  const held = end.read(ahead, NEAR, true);
  return ["stays", "star", "still"].includes(held.goes) ? out : { ...held, passed: out.needs, needs: Infinity };
}

// Do Euler's steps from y throw a coordinate to and fro, by more than `near`, undamped?
function alternates(rates, y, η, near) {
  const first = rates(y).map(v => η * v), second = rates(plus(y, first)).map(v => η * v);
  return first.some((v, j) => Math.abs(v) > near && second[j] * v <= -LASTS * v * v);
}

// θ − θ* of the path of the equation, for a time `far`, or to a stable rest that it falls to: does it?
function byEquation(end, y, far, near) {
  const { star, s: { rate } } = end, rates = ratesOf(end);
  let asked = 0, rest = null;
  const settled = z => {
    end.beat();
    if (++asked % 8) return false;
    const found = atRest(rates, z, 2 * near), stable = found && largest(plus(found.y, z, -1)) <= near
      && rootsOf(found.J).every(({ re }) => re < 0);
    if (stable) rest = found.y[0];
    return stable;
  };
  const { t, places } = follow(z => rates(z).map(v => rate * v), y, far, settled);
  const gap = places.map(([θ]) => θ - star);
  return rest === null ? [{ t, gap }, false] : [{ t: [...t, far], gap: [...gap, rest - star] }, true];
}

// Particles that persist.
function particles(end) {
  const [out, state] = end.followed();
  if (out.followed === 0 || out.goes === "still") return out;
  return out.goes === "stays" ? staysAtLast(end, out, state) : atLast(end, out, state);
}

// The same of a θ that stayed at θ* as long as it was followed: does the field of held particles take
// it away within RUNS runs, to a rest beside θ*?
function staysAtLast(end, out, state) {
  const { star, lasted, s: { rate } } = end, g = stationaryField(end, state.chains), low = g(star - NEAR);
  const [side, speed] = low < 0 ? [-1, -low] : [1, g(star + NEAR)];
  const leaves = speed > 0 ? NEAR / (rate * speed) : Infinity;
  if (!(leaves <= RUNS * lasted)) return out;
  const ahead = walk(g, star + side * NEAR, star, NEAR, FINE);
  if (ahead.end !== "zero") return out;
  return { ...out, goes: "rest", rest: ahead.at, needs: out.followed + ahead.time / rate, exact: true, passed: leaves };
}

// The same, where the field of held particles knows more: θ follows it, or will rest beside θ*.
function atLast(end, out, state) {
  const { star, s: { rate } } = end, near = NEAR, there = Math.abs(end.θ - star) <= near;
  const g = stationaryField(end, state.chains), v = end.at(state).velocity, slow = g(state.θ);
  const follows = Number.isNaN(out.period) && Math.abs(v - slow) <= FOLLOWS * Math.abs(slow);
  const aside = g(star - near) < 0 ? -1 : g(star + near) > 0 ? 1 : 0;
  let begin = null;
  if (follows || out.goes === "swings") begin = state.θ;
  else if (out.goes === "rest") begin = out.rest;
  else if (out.goes === "star" && aside && !there) begin = star + aside * near;
  const ahead = begin !== null && walk(g, begin, star, near, FINE);
  if (!ahead || ahead.end !== "zero" || !Number.isFinite(ahead.at)) {
    const beyond = ahead && follows && out.goes === "away" && (ahead.at - star) * (state.θ - star) < 0;
    return beyond ? { ...out, passed: out.followed + ahead.passed / rate } : out;
  }
  if (out.goes === "swings" && Math.abs(ahead.at - state.θ) > AT_REST * near) return out;
  const goes = Math.abs(ahead.at - star) > near ? "rest" : there ? "stays" : "star";
  let { needs, passed } = out;
  const same = goes === "star" || Math.abs(out.rest - ahead.at) <= near;
  const arrived = goes === out.goes && same && needs <= out.followed;  // and was seen to
  if ((follows || out.goes === "rest") && !arrived) {
    const known = follows || (Math.abs(v) >= 0.5 * Math.abs(slow) && Math.abs(v) <= 2 * Math.abs(slow));
    needs = known ? out.followed + ahead.time / rate : Infinity;  // else the particles decide
  }
  if (goes === "rest" && out.goes === "star" && !follows) [needs, passed] = [Infinity, out.needs]; // how often is not known
  if (follows && Number.isNaN(passed) && (ahead.at - star) * (state.θ - star) < 0)
    passed = out.followed + ahead.passed / rate;
  return { ...out, goes, rest: ahead.at, needs, exact: true, passed };
}
