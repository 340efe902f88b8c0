// What a path of θ does that goes on where a run stopped (toyflows/path_ahead.py, of one coordinate).
// A line is {t, gap}: θ − θ* at the times t.

const { runs: RUNS, bent: BENT, nearly: NEARLY, swings: SWINGS, damped: DAMPED, farther: FARTHER } = constants.verdict;
const last = values => values[values.length - 1];
const most = values => values.reduce((a, b) => Math.max(a, b), -Infinity);
const least = values => values.reduce((a, b) => Math.min(a, b), Infinity);
const largest = values => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
const differences = values => Array.from(values.slice(1), (v, k) => v - values[k]);
const changesOfSign = values => values.slice(1).filter((v, k) => Math.sign(v) !== Math.sign(values[k])).length;

// Σ v over the number of them.
const average = values => values.reduce((a, b) => a + b, 0) / values.length;

// The first place of the rising times t that is not before `time`.
function placeOf(t, time) {
  const k = t.findIndex(v => v >= time);
  return k < 0 ? t.length : k;
}

// d at these times, straight between its own.
function between(times, t, d) {
  return times.map(time => {
    const k = Math.min(Math.max(placeOf(t, time), 1), t.length - 1);
    return d[k - 1] + (d[k] - d[k - 1]) * (time - t[k - 1]) / (t[k] - t[k - 1]);
  });
}

// The times at which a line crosses θ*, hesitations within ±near not counted.
function crossings({ t, gap }, near) {
  const found = [];
  let side = 0;
  gap.forEach((g, k) => {
    if (Math.abs(g) <= near) return;
    if (side * g < 0) found.push(t[k]);
    side = Math.sign(g);
  });
  return found;
}

const then = (line, { t, gap }) => ({
  t: line.t.concat(t.slice(1).map(v => last(line.t) + v)), gap: line.gap.concat(gap.slice(1)),
});

// When the distance d is 0 or less first; NaN where it never is.
function firstAt(d, t) {
  const k = d.findIndex(v => v <= 0);
  return k < 0 ? NaN : t[k];
}

// Is the last speed less than half of the largest? Then it may come to rest.
function slows({ t, gap }) {
  const speed = differences(gap).map((v, k) => Math.abs(v) / (t[k + 1] - t[k]));
  return last(speed) < 0.5 * most(speed);
}

// Mean speed over the last twentieth.
function driftOf({ t, gap }) {
  const k = Math.max(0, t.length - Math.max(2, Math.floor(t.length / 20)));
  return (last(gap) - gap[k]) / Math.max(last(t) - t[k], 1e-300);
}

const periodOf = crossed => (crossed.length > 1 ? 2 * average(differences(crossed)) : NaN);

// The last whole swing as a share of the one before; 1 where there are no two.
function damping({ t, gap }, crossed) {
  const ends = [0, ...crossed.map(time => placeOf(t, time)), t.length];
  const swings = ends.slice(1).map((end, k) => gap.slice(ends[k], end)).filter(g => g.length).map(largest);
  return swings.length < 3 ? 1 : Math.max(swings.at(-2) / swings.at(-3), 1e-300);
}

// Does a path that goes away all the time end at its limit?
const comesToRest = (d, limit) => Math.abs(limit - last(d)) < NEARLY * Math.abs(limit)
  && Number.isFinite(limit) && last(d) >= most(d) - 1e-9;

// Does it still go away at twice the time of the run?
function gone(d, t, lasted) {
  const again = d.filter((_, k) => t[k] <= Math.max(lasted, t[1]));
  return last(again) > d[0] + NEAR && last(again) >= most(again) - 1e-9;
}

// What a path does that goes on where `past` ends. `there`: it began at θ*, was moved by two
// tolerances, and is asked whether it comes back; `settled`: it ends at a rest that was found. "?": it
// heads straight for θ*, unseen.
function read(past, ahead, near, lasted, there, settled = false) {
  const { t, gap } = ahead, n = t.length, span = last(t), sign = positive(gap[0]);
  const d = gap.map(v => v * sign), off = gap.map(v => Math.abs(v) / near);
  const crossed = past ? crossings(past, near) : [];
  const whole = past && !there ? then(past, ahead) : ahead, swings = crossings(whole, near);
  const out = { goes: "away", rest: NaN, needs: Infinity, exact: false, passed: NaN,
    drift: driftOf(ahead), period: periodOf(swings), followed: span };
  if (last(off) <= 1 && (settled || most(off.slice(placeOf(t, 0.75 * span))) <= 2))
    return ended(out, { d, t, off, near, there, sign, settled });
  if (settled) return { ...out, goes: "rest", rest: last(gap), needs: span, exact: true };
  if (crossed.length === 1 && gone(d, t, lasted) && !comesToRest(d, limitOf(d, t))) {
    const k = Math.max(2, placeOf(t, lasted));
    return { ...out, drift: driftOf({ t: t.slice(0, k), gap: gap.slice(0, k) }) };
  }
  const late = most(off.slice(Math.floor(n / 2)));
  if ((swings.length >= 3 || crossed.length >= 2) && late > 1) {
    const ratio = damping(whole, swings);
    const seen = swings.length >= 3 && last(swings) > last(whole.t) - 0.5 * span;
    if (ratio > (seen && crossed.length < 2 ? DAMPED : SWINGS)) return { ...out, goes: "swings" };
    if (seen) {
      const left = Math.log(Math.max(late, 1)) / -Math.log(ratio);
      return { ...out, goes: there ? "stays" : "star", needs: span + 0.5 * out.period * left };
    }
  }
  if (largest(d.map(v => v - d[0])) <= near * Math.max(span, 1e-300) / (RUNS * Math.max(lasted, 1e-300)))
    return { ...out, goes: "still", rest: last(gap), needs: 0 };
  const back = crossed.length > 0 || most(d) > d[0] + near;
  let found = straight(out, d, t, near, lasted, there, back);
  if (there) {
    const held = found.goes === "?" || (found.goes === "star" && most(off) <= FARTHER);
    found = { ...found, goes: held ? "stays" : found.goes };
  } else found = firstTurn(found, d, t, off, lasted, crossed.length > 0);
  return { ...found, rest: found.rest * sign };
}

// The same of a path that ends at θ*: it stays, or passes slowly.
function ended(out, { d, t, off, near, there, sign, settled }) {
  const limit = settled ? Infinity : limitOf(d, t);
  if (Number.isFinite(limit) && Math.abs(limit) > near && (!there || limit > 0))
    return { ...out, goes: "rest", rest: sign * limit, needs: last(t) };
  const inside = off.findLastIndex(v => v > 1) + 1, held = there && most(off) <= FARTHER;
  return { ...out, goes: held ? "stays" : "star", needs: t[Math.min(inside, t.length - 1)] };
}

// What an overshoot is called: on the way back if that is where it begins, gone if it still goes
// away at twice the time of the run and is not seen at θ* again.
function firstTurn(out, d, t, off, lasted, crossed) {
  const n = t.length, soon = d.slice(0, Math.max(2, Math.floor(n / 50)));
  if (out.goes === "away" && crossed && last(soon) < soon[0]) {
    const at = off.findIndex(v => v <= 1);
    return { ...out, goes: "star", needs: t[at > 0 ? at : n - 1], passed: NaN };
  }
  if (gone(d, t, lasted) && ["star", "?"].includes(out.goes)) return { ...out, goes: "away", passed: NaN };
  const again = d.filter((_, k) => t[k] <= Math.max(lasted, t[1]));
  const beyond = last(again) < -d[0] && last(again) <= least(again) + 1e-9;
  const once = changesOfSign(d.filter((_, k) => off[k] > 1)) === 1;
  return beyond && once && out.goes === "star" ? { ...out, goes: "away" } : out;
}

const tenths = t => [0.7, 0.8, 0.9, 1].map(part => part * last(t));

// Where a path tends to that falls as e^{−λt} in its last three tenths; Infinity where it does not.
function limitOf(d, t) {
  const x = between(tenths(t), t, d), end = x[3], [first, second, third] = differences(x);
  if (second === 0 || Math.abs(third) < 1e-12 * (1 + Math.abs(end)))
    return Math.abs(third) < 1e-12 * (1 + Math.abs(end)) ? end : Infinity;
  const earlier = first ? second / first : 0, ratio = third / second;
  const falls = third * end > 0 ? 0.97 : 0.8;  // going away, a turn is the likelier
  if (!(ratio > 0 && ratio < 1 && earlier > 0 && ratio >= falls * earlier)) return Infinity;
  return end + third * ratio / (1 - ratio);
}

// A path that neither settled nor swings, from its last half: x0, x1, x2 at even times. `back`: it
// has been farther from θ*, or beyond it, so that it is on the way back.
function straight(out, d, t, near, lasted, there, back) {
  const span = last(t), [x0, x1, x2] = between([0.5 * span, 0.75 * span, span], t, d);
  const before = x1 - x0, step = x2 - x1, quarter = 0.25 * span;
  const close = limitOf(d, t), elsewhere = near < Math.abs(close) && Number.isFinite(close);
  if (there && elsewhere && close > 0) return { ...out, goes: "rest", rest: close, needs: span };
  if (there && x2 >= 0 && x2 < d[0] && step <= 0) return { ...out, goes: "stays" };
  const side = positive(x2), gap = Math.abs(x2), towards = step * side < 0;
  const needs = span + gap / Math.max(Math.abs(step), 1e-300) * quarter;
  out = { ...out, passed: side < 0 ? firstAt(d, t) : NaN };
  const rest = (at, since = span) => ({ ...out, goes: "rest", rest: at, needs: since });
  if (Math.abs(step) * RUNS * lasted <= near * quarter) return rest(x2, sinceWhen(d, t, x2, near));
  if (side * (side > 0 ? least(d) : most(d)) > near && turns(d, t) >= 2)
    return rest(average(d.slice(Math.floor(d.length / 2))));  // it swings about a place that is not θ*
  if (!Number.isFinite(close) && gap < 0.5 * largest(d) && hovers(d, t) && gap > near) return rest(x2);
  if (before * step <= 0) return towards ? { ...out, goes: "star", needs } : out;  // it has just turned
  const ratio = step / before;
  if (ratio < 1) {
    const limit = x2 + step * ratio / (1 - ratio), slow = quarter / -Math.log(ratio);
    if (Math.abs(limit) <= Math.max(near, BENT * gap))
      return { ...out, goes: "star", needs: span + slow * Math.log(Math.max(gap / near, 1)) };
    if (elsewhere && close * x2 > 0 && Math.abs(close - x2) < NEARLY * Math.abs(close))
      return rest(close, sinceWhen(d, t, close, near));
  }
  return towards ? { ...out, goes: side < 0 || back ? "star" : "?", needs } : out;
}

// From when on the distance d is within `near` of a level; the end where it is not.
function sinceWhen(d, t, level, near) {
  const beyond = d.findLastIndex(v => Math.abs(v - level) > near);
  return beyond < 0 ? 0 : t[Math.min(beyond + 1, t.length - 1)];
}

// Has the path slowed down, in its last three tenths, beside where it is?
function hovers(d, t) {
  const x = between(tenths(t), t, d), steps = differences(x).map(Math.abs);
  return steps[0] + steps[1] + steps[2] < NEARLY * Math.abs(x[3]) && steps[2] < 0.5 * steps[0];
}

// How often the path turns round, as seen at 64 times.
function turns(d, t) {
  const even = Array.from({ length: 64 }, (_, k) => last(t) * k / 63);
  const steps = differences(between(even, t, d));
  return steps.slice(1).filter((v, k) => v * steps[k] < 0).length;
}
