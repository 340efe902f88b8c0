// A vector field θ̇ = v(θ) looked at ahead of where a run stopped (toyflows/field.py).

const { round_off: ROUND_OFF, first: FIRST, widest: WIDEST, grows: GROWS, level: LEVEL, apart: APART,
  finest: FINEST, largest_theta: LARGEST_THETA, chatter: CHATTER } = constants.verdict;
const positive = v => (v < 0 || Object.is(v, -0) ? -1 : 1);

// Where θ̇ = v(θ) takes θ: to the first change of sign of v ahead of it, found to `fine`.
function walk(v, θ, star, near, fine = 0) {
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
      const at = zero(v, here, to, side, fine);
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

// Where v, of the sign `side` at a and not at b, changes it: by halving, which finds the last bit; to
// `fine` by Brent's method, where a v costs more than that is worth.
function zero(v, a, b, side, fine = 0) {
  if (fine > 0) return brent(v, a, b, fine);
  for (let k = 0; k < 80; k++) {
    const middle = 0.5 * (a + b);
    if (middle === a || middle === b) break;
    if (v(middle) * side > 0) a = middle;
    else b = middle;
  }
  return b;
}

// A zero of v between a and b by Brent's steps (scipy's brentq); NaN where v is not a number.
function brent(v, a, b, fine) {
  let x = [a, b, 0], f = [v(a), v(b), 0], before = 0, step = 0;  // earlier, now, across the zero
  for (let k = 0; k < 100; k++) {
    if (!f.every(Number.isFinite)) return NaN;
    if (f[0] * f[1] < 0) {
      [x[2], f[2]] = [x[0], f[0]];
      before = step = x[1] - x[0];
    }
    if (Math.abs(f[2]) < Math.abs(f[1])) {
      x = [x[1], x[2], x[1]];
      f = [f[1], f[2], f[1]];
    }
    const δ = 0.5 * (fine + 4 * Number.EPSILON * Math.abs(x[1])), half = 0.5 * (x[2] - x[1]);
    if (f[1] === 0 || Math.abs(half) < δ) break;
    const to = Math.abs(before) > δ && Math.abs(f[1]) < Math.abs(f[0]) ? secant(x, f) : Infinity;
    const good = 2 * Math.abs(to) < Math.min(Math.abs(before), 3 * Math.abs(half) - δ);
    [before, step] = good ? [step, to] : [half, half];
    [x[0], f[0]] = [x[1], f[1]];
    x[1] += Math.abs(step) > δ ? step : δ * positive(half);
    f[1] = v(x[1]);
  }
  return x[1];
}

// The step to where a line through two points, or the inverse parabola of three, is 0.
function secant([x0, x1, x2], [f0, f1, f2]) {
  if (x0 === x2) return -f1 * (x1 - x0) / (f1 - f0);
  const slope = (f0 - f1) / (x0 - x1), across = (f2 - f1) / (x2 - x1);
  return -f1 * (f2 * across - f0 * slope) / (across * slope * (f2 - f0));
}

// How far Euler's steps θ + ηv(θ) end up from a zero of v, begun beside it: 0 where they are stable.
function chatter(v, at, η) {
  let θ = at + 1e-3, far = 0;
  for (let k = 0; k < CHATTER; k++) {
    θ += η * v(θ);
    if (!(Math.abs(θ) <= LARGEST_THETA)) return Infinity;
    far = k > CHATTER / 2 ? Math.max(far, Math.abs(θ - at)) : 0;
  }
  return far;
}
