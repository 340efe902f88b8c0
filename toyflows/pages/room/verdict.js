// The verdict on a run of the exact law (toyflows/verdict.py).

const { learned: LEARNED, turning: TURNING } = constants.verdict;

// The decision table.
function word(ahead, there, moved, speed, lasted) {
  if (ahead.goes === "stays") return "converges";
  if (ahead.goes === "swings") return "oscillates";
  if (ahead.goes === "still" && there) return "no learning";
  if (tooSlow(ahead, speed, RUNS * lasted) && !moved) return "no learning";
  return { star: "on its way", rest: "biased", still: "biased", away: "mode collapse" }[ahead.goes];
}

function tooSlow({ goes, passed, needs }, speed, runs) {
  if (goes === "away") return Number.isFinite(passed) ? passed > runs : speed * runs < 1;
  const first = Number.isFinite(passed) ? passed : needs;
  return goes === "still" || Math.min(first, needs) > runs;
}

// The verdict on a whole recorded run of the exact law, as {kind, number, says}.
function judged(run, seen, beat) {
  const { s } = run, { θ, velocity } = seen, star = s.theta_star;
  if (run.stopped) return { kind: "diverges", number: NaN, says: `The run ${run.stopped}.` };
  const end = new RunEnd(run, seen, beat), ahead = outlook(end), gap = last(θ) - star;
  const began = Math.abs(θ[0] - star), to = ahead.goes === "rest" ? ahead.rest : star;
  const goal = began > NEAR && ["star", "rest"].includes(ahead.goes); // the other way is no part of it
  const way = goal ? Math.min(Math.abs(θ[0] - to), began) : began;
  const moved = goal ? Math.abs(θ[0] - to) - least(θ.map(u => Math.abs(u - to)))
    : largest(θ.map(u => u - θ[0]));
  const passed = began > NEAR && beyond(θ, star) >= 0;
  const slower = Math.min(Math.abs(last(velocity)), Math.abs(ahead.drift));
  const speed = s.rate * slower / Math.max(Math.abs(gap), NEAR);
  const done = passed || moved > Math.max(LEARNED * way, NEAR);
  const kind = word(ahead, Math.abs(gap) <= NEAR, done, speed, end.lasted);
  const [number, says] = SAYS[kind]({ run, seen, ahead, gap, star, final: last(θ), fastest: largest(velocity) });
  const turning = run.names.length && TURNING.includes(kind) ? motion(eigenvalues(end) ?? [], s.rate) : "";
  return { kind, number, says: `${says} ${turning}`.trimEnd() };
}

// The first record at which θ is on the other side of θ* than at the start, −1 where none is.
const beyond = (θ, star) => θ.findIndex(u => Math.sign(u - star) * Math.sign(θ[0] - star) < 0);

// The lecture's constant drift, of a method whose closed form it is.
function drifts({ run: { s, flow, ops }, seen: { θ } }, speed) {
  const p = ops.mix.weightB(θ[0]) - ops.target.q;
  const constant = u => flow.separated && flow.separated(s.options, ops.target, u, θ[0], [])[0] === p;
  if (![θ[0], last(θ)].every(constant)) return " a unit of time";
  const when = Math.abs(speed - p) <= 0.02 * Math.abs(p) ? "" : "at the start ";
  return ` a unit of time (${when}p_b(θ0) − q* = ${fixedSigned(p)})`;
}
const fixedSigned = v => (v < 0 ? "" : "+") + v.toFixed(4);

const SAYS = {
  converges({ gap, star, final }) {
    return [Math.abs(gap), `θ ends at ${pyFormat(final, 6)}, ${pyScience(Math.abs(gap), 1)} from `
      + `θ* = ${pyFormat(star, 6)}: the method learns the weight, and holds it.`];
  },
  "on its way"({ seen, ahead, gap, star }) {
    const start = seen.θ[0] - star, done = 1 - Math.abs(gap) / Math.max(Math.abs(start), 1e-300);
    const time = Number.isFinite(ahead.needs)
      ? `; it needs a time of about ${pyFormat(ahead.needs, 2)} more` : "";
    if (done > 0 && gap * start > 0)
      return [done, `θ has done ${share(done)} of the way to θ* = ${pyFormat(star, 4)}${time}.`];
    const side = gap * start < 0 ? "beyond" : "from";
    const back = gap * last(seen.velocity) <= 0;
    return [Math.max(done, 0), `θ is ${pyFormat(Math.abs(gap), 3)} ${side} θ* = ${pyFormat(star, 4)}, `
      + `${back ? "on the way back" : "and turns back to it"}${time}.`];
  },
  "no learning"({ run, ahead, gap, fastest }) {
    const speed = run.s.rate * fastest, way = Math.max(Math.abs(gap), NEAR);
    const known = [ahead.needs, ahead.passed].filter(t => Number.isFinite(t) && t > 0);
    const needs = known.length ? Math.min(...known) : speed > 0 ? way / speed : Infinity;
    const long = Number.isFinite(needs) ? `a time of ${pyScience(needs, 1)}` : "for ever";
    const most = `|θ̇| ≤ ${pyScience(fastest, 1)}`;
    if (Math.abs(gap) <= NEAR && ahead.goes !== "star") return [fastest, `${most}: θ is beside θ* since the start, and if it `
      + "were not, this method would not bring it there."];
    return [fastest, `${most}: the way to ${ahead.goes === "rest" ? "its rest" : "θ*"} would take `
      + `${long}; this run does not learn the weight.`];
  },
  biased({ run, ahead, star, final, fastest }) {
    const { exact } = ahead, at = Number.isFinite(ahead.rest) ? ahead.rest : final;
    const p = run.ops.mix.weightB(at).toFixed(3), q = run.ops.target.q.toFixed(3);
    const learns = `the method learns the weight ${p} in place of ${q}`;
    if (!exact) return [at, `θ draws near to about ${pyFormat(at, 3)}, not to θ* = `
      + `${pyFormat(star, 6)}: ${learns}, as far as it was followed.`];
    const digits = Math.min(15, Math.max(4, Math.ceil(6 - Math.log10(Math.max(fastest, 1e-9)))));
    const rest = at.toFixed(digits), not = `θ* = ${pyFormat(star, 6)}: ${learns}.`;
    if (Math.abs(final - at) <= NEAR) return [at, `θ comes to rest at ${rest}, not at ${not}`];
    const time = Number.isFinite(ahead.needs) ? ` (in a time of about ${pyFormat(ahead.needs, 2)})` : "";
    return [at, `θ heads for its rest at ${rest}${time}, not for ${not}`];
  },
  "mode collapse"({ run, seen, ahead, gap, star }) {
    const { θ, t, velocity: v } = seen, at = beyond(θ, star), target = `θ* = ${pyFormat(star, 4)}`;
    const speed = average(v.slice(-Math.max(2, Math.floor(t.length / 20))));
    let where = `, away from ${target}`;
    if (at >= 0) where = `, past ${target} since t = ${pyFormat(t[at], 3)}`;
    else if (gap * speed < 0 && Number.isFinite(ahead.passed))
      where = `; it passes ${target} at about t = ${pyFormat(last(t) + ahead.passed, 3)} and goes on`;
    return [speed, `θ drifts on at ${fixedSigned(speed)}${drifts({ run, seen }, speed)}${where}.`];
  },
  oscillates({ seen: { θ, t }, ahead, star }) {
    const times = crossings({ t, gap: θ.map(u => u - star) }, NEAR), target = `θ* = ${pyFormat(star, 4)}`;
    if (times.length < 2) return [ahead.period, `θ swings about ${target} undamped, with a period of `
      + `about ${pyFormat(ahead.period, 3)}, longer than was seen of it.`];
    const period = periodOf(times), low = pyFormat(least(θ), 4), high = pyFormat(most(θ), 4);
    return [period, `θ swings between ${low} and ${high}, crossing ${target} ${times.length} times, `
      + `with a period of ${pyFormat(period, 4)}.`];
  },
};
