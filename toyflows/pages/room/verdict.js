// The verdict of methods whose θ̇ is a function of θ alone (toyflows/field.py, outlook.py, verdict.py).
// Persistent particles and several coordinates have none here: null, and the page says so.

const { learned: LEARNED, runs: RUNS, round_off: ROUND_OFF, first: FIRST, widest: WIDEST,
  grows: GROWS, largest_theta: LARGEST_THETA, slope: SLOPE,
  level: LEVEL, apart: APART, finest: FINEST } = constants.verdict;
const positive = v => (v < 0 || Object.is(v, -0) ? -1 : 1);

// Where θ̇ = v(θ) takes θ: to the first change of sign of v ahead of it.
function walk(v, θ, star, near) {
  const begin = v(θ), side = positive(begin);
  if (Math.abs(begin) < ROUND_OFF) {
    const low = v(θ - near), high = v(θ + near);
    if (low > ROUND_OFF && high < -ROUND_OFF)
      return { end: "zero", at: zero(v, θ - near, θ + near, 1), time: 0, passed: NaN };
    if (!wakes(v, θ, star, near)) return { end: "still", at: θ, time: Infinity, passed: NaN };
  }
  const seen = [[θ, begin]], until = place => timeUntil(v, seen, place, side);
  for (;;) {
    const [here, speed] = seen[seen.length - 1];
    if (!(Math.abs(here) <= LARGEST_THETA)) break;
    const far = side * (here + side * stride(side * (here - θ)));
    const marks = [star - near, star, star + near].filter(m => side * (m - here) > 1e-12);
    let to = side * Math.min(far, ...marks.map(m => side * m)), next = v(to);
    if (!Number.isFinite(next)) break;
    if (Math.abs(next) < ROUND_OFF && v(to + side * near) * side < -ROUND_OFF) {
      to += side * near;
      next = -side;
    }
    if (next * side <= 0 && Math.abs(next) > ROUND_OFF) {
      const at = zero(v, here, to, side);
      return { end: "zero", at, time: until(at - side * near), passed: until(star) };
    }
    seen.push([to, next]);
    if (Math.abs(next) < ROUND_OFF && (Math.abs(speed) < ROUND_OFF || next * side <= 0)) {
      const at = seen[seen.length - 2][0];
      return { end: "still", at, time: until(at), passed: until(star) };
    }
  }
  const here = seen[seen.length - 1][0];
  return { end: "away", at: here, time: until(here), passed: until(star) };
}

function timeUntil(v, seen, place, side) {
  let time = 0, [here, speed] = seen[0];
  if (side * (place - here) <= 0) return 0;
  for (const [to, next] of seen.slice(1)) {
    if (side * (to - place) >= 0) return time + timeBetween(v, here, speed, place, v(place));
    time += timeBetween(v, here, speed, to, next);
    [here, speed] = [to, next];
  }
  return time + timeBetween(v, here, speed, place, v(place));
}

function wakes(v, θ, star, near) {
  const side = positive(star - θ);
  return Math.abs(star - θ) > near && v(θ) * side > 0 && Math.abs(v(star - side * near)) > ROUND_OFF;
}

const stride = gone => Math.max(Math.min(FIRST + gone, WIDEST), GROWS * gone);

// ∫_a^b dθ/v where v(a) = u and v(b) = w, of one sign: as if v were linear, on halves where these
// say something else.
function timeBetween(v, a, u, b, w) {
  const whole = linear(a, u, b, w);
  if (whole === Infinity || Math.abs(w - u) < LEVEL * Math.abs(u) || Math.abs(b - a) < FINEST)
    return whole;
  const middle = 0.5 * (a + b), speed = v(middle);
  const halves = linear(a, u, middle, speed) + linear(middle, speed, b, w);
  if (!(Math.abs(halves - whole) > APART * halves)) return halves;
  return timeBetween(v, a, u, middle, speed) + timeBetween(v, middle, speed, b, w);
}

function linear(a, u, b, w) {
  [u, w] = [Math.abs(u), Math.abs(w)];
  if (u === 0 || w === 0) return Infinity;
  const same = Math.abs(w - u) < 1e-6 * u;
  return Math.abs(b - a) * (same ? 1 / u : (Math.log(w) - Math.log(u)) / (w - u));
}

function zero(v, a, b, side) {
  for (let k = 0; k < 80; k++) {
    const middle = 0.5 * (a + b);
    if (middle === a || middle === b) break;
    if (v(middle) * side > 0) a = middle;
    else b = middle;
  }
  return b;
}

// What comes after the run's last record, of the exact law; null where that is not known here.
function outlook(v, θ, star, { rate, dt }, lasted) {
  const near = NEAR, η = rate * dt, drift = v(θ), there = Math.abs(θ - star) <= near;
  const none = { rest: NaN, needs: Infinity, passed: NaN, drift };
  const back = a => a.end === "zero" && Math.abs(a.at - star) <= near
    && a.time <= rate * RUNS * Math.max(lasted, dt);
  if (there && back(walk(v, star - 2 * near, star, near)) && back(walk(v, star + 2 * near, star, near)))
    return { ...none, goes: "stays", needs: 0 };
  const ahead = walk(v, θ, star, near);
  const passed = (ahead.at - star) * (θ - star) < 0 ? ahead.passed / rate : NaN;
  if (ahead.end === "zero") {
    const slope = (v(ahead.at + SLOPE) - v(ahead.at - SLOPE)) / (2 * SLOPE);
    if (Math.abs(slope) * η >= 2) return null;  // Euler's steps are unstable there
    if (there && Math.abs(ahead.at - star) <= near) return { ...none, goes: "still" };
    const goes = Math.abs(ahead.at - star) <= near ? "star" : "rest";
    return { ...none, goes, passed, rest: ahead.at, needs: ahead.time / rate };
  }
  if (ahead.end === "still" && Math.abs(ahead.at - θ) <= NEAR) return { ...none, goes: "still" };
  return { ...none, goes: "away", passed };
}

// The decision table of verdict.py.
function word(ahead, there, moved, speed, lasted) {
  if (ahead.goes === "stays") return "converges";
  if (ahead.goes === "still" && there) return "no learning";
  if (tooSlow(ahead, speed, RUNS * lasted) && !moved) return "no learning";
  return { star: "on its way", rest: "biased", still: "biased", away: "mode collapse" }[ahead.goes];
}

function tooSlow({ goes, passed, needs }, speed, runs) {
  if (goes === "away") return Number.isFinite(passed) ? passed > runs : speed * runs < 1;
  const first = Number.isFinite(passed) ? passed : needs;
  return goes === "still" || Math.min(first, needs) > runs;
}

const largest = values => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

// The verdict on a whole recorded run of the exact law, as {kind, number, says}; null: none here.
function judged(run, seen) {
  const { s, flow, ops } = run, { θ, velocity, t } = seen, star = s.theta_star;
  if (run.stopped) return { kind: "diverges", number: NaN, says: `The run ${run.stopped}.` };
  if (!flow.field || run.names.length) return null;
  const chains = flow.init(s.options, ops, s.theta0), last = θ[θ.length - 1];
  const v = at => flow.velocity(s.options, ops, at, flow.negatives(s.options, ops, at, chains, []), [])[0];
  const lasted = t[t.length - 1] - t[0], ahead = outlook(v, last, star, s, lasted);
  if (!ahead) return null;
  const gap = last - star, to = ahead.goes === "rest" ? ahead.rest : star, way = Math.abs(θ[0] - to);
  const heads = ["star", "rest"].includes(ahead.goes);
  const moved = heads ? way - θ.reduce((least, u) => Math.min(least, Math.abs(u - to)), Infinity)
    : largest(θ.map(u => u - θ[0]));
  const start = θ[0] - star, passed = Math.abs(start) > NEAR && θ.some(u => (u - star) * start < 0);
  const slower = Math.min(Math.abs(velocity[velocity.length - 1]), Math.abs(ahead.drift));
  const speed = s.rate * slower / Math.max(Math.abs(gap), NEAR);
  const done = passed || moved > Math.max(LEARNED * way, NEAR);
  const kind = word(ahead, Math.abs(gap) <= NEAR, done, speed, lasted);
  if (!(kind in SAYS)) return null;
  const [number, says] = SAYS[kind]({ run, seen, ahead, gap, star, last, fastest: largest(velocity) });
  return { kind, number, says };
}

const SAYS = {
  converges({ gap, star, last }) {
    return [Math.abs(gap), `θ ends at ${pyFormat(last, 6)}, ${pyScience(Math.abs(gap), 1)} from `
      + `θ* = ${pyFormat(star, 6)}: the method learns the weight, and holds it.`];
  },
  "on its way"({ seen, ahead, gap, star }) {
    const start = seen.θ[0] - star, done = 1 - Math.abs(gap) / Math.max(Math.abs(start), 1e-300);
    const time = Number.isFinite(ahead.needs)
      ? `; it needs a time of about ${pyFormat(ahead.needs, 2)} more` : "";
    if (done > 0 && gap * start > 0)
      return [done, `θ has done ${share(done)} of the way to θ* = ${pyFormat(star, 4)}${time}.`];
    const side = gap * start < 0 ? "beyond" : "from";
    const back = gap * seen.velocity[seen.velocity.length - 1] <= 0;
    return [Math.max(done, 0), `θ is ${pyFormat(Math.abs(gap), 3)} ${side} θ* = ${pyFormat(star, 4)}, `
      + `${back ? "on the way back" : "and turns back to it"}${time}.`];
  },
  "no learning"({ run, ahead, gap, fastest }) {
    const speed = run.s.rate * fastest, way = Math.max(Math.abs(gap), NEAR);
    const known = [ahead.needs, ahead.passed].filter(t => Number.isFinite(t) && t > 0);
    const needs = known.length ? Math.min(...known) : speed > 0 ? way / speed : Infinity;
    const long = Number.isFinite(needs) ? `a time of ${pyScience(needs, 1)}` : "for ever";
    const most = `|θ̇| ≤ ${pyScience(fastest, 1)}`;
    if (Math.abs(gap) <= NEAR) return [fastest, `${most}: θ is beside θ* since the start, and if it `
      + "were not, this method would not bring it there."];
    return [fastest, `${most}: the way to ${ahead.goes === "rest" ? "its rest" : "θ*"} would take `
      + `${long}; this run does not learn the weight.`];
  },
  biased({ run, ahead, star, last, fastest }) {
    const exact = ahead.goes === "rest", at = Number.isFinite(ahead.rest) ? ahead.rest : last;
    const p = run.ops.mix.weightB(at).toFixed(3), q = run.ops.target.q.toFixed(3);
    const learns = `the method learns the weight ${p} in place of ${q}`;
    if (!exact) return [at, `θ draws near to about ${pyFormat(at, 3)}, not to θ* = `
      + `${pyFormat(star, 6)}: ${learns}, as far as it was followed.`];
    const digits = Math.min(15, Math.max(4, Math.ceil(6 - Math.log10(Math.max(fastest, 1e-9)))));
    const rest = at.toFixed(digits), not = `θ* = ${pyFormat(star, 6)}: ${learns}.`;
    if (Math.abs(last - at) <= NEAR) return [at, `θ comes to rest at ${rest}, not at ${not}`];
    const time = Number.isFinite(ahead.needs) ? ` (in a time of about ${pyFormat(ahead.needs, 2)})` : "";
    return [at, `θ heads for its rest at ${rest}${time}, not for ${not}`];
  },
};
