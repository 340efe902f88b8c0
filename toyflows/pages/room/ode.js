// ẏ = f(y) by linearly implicit steps (toyflows/ode.py, step for step).

const { gamma: GAMMA, a: STAGES, c: CARRIED, beside: BESIDE, tolerance: TOLERANCE, steps: STEPS,
  begins: BEGINS, safe: SAFE, least: LEAST_GROWTH, most: MOST_GROWTH, lost: LOST } = constants.ode;

const unit = (n, k, size = 1) => Array.from({ length: n }, (_, j) => (j === k ? size : 0));
const plus = (u, v, share = 1) => u.map((a, j) => a + share * v[j]);
const times = (rows, v) => rows.map(row => dot(row, v));
const transposed = rows => rows[0].map((_, j) => rows.map(row => row[j]));
// Σ_j shares_j k_j
const mixed = (shares, k) => shares.reduce((sum, share, j) => plus(sum, k[j], share), k[0].map(() => 0));

// ẏ = rates(y) from t = 0 to `until`, or till done(y): the times and the places.
function follow(rates, y, until, done) {
  let f = rates(y), h = begin(y, f, until), t = 0;
  const out = { t: [0], places: [y] };
  while (t < until && out.t.length < STEPS && !done(y)) {
    const J = slopes(rates, y, f);
    let to, error, ends, took;
    do {
      h = Math.min(h, until - t);
      [to, error] = stepOf(rates, y, f, J, h);
      ends = h === until - t;
      took = h;
      h *= growth(error);
    } while (error > 1 && h > LOST * until);
    if (error > 1) break;
    [y, f, t] = [to, rates(to), ends ? until : t + took];
    out.t.push(t);
    out.places.push(y);
  }
  return out;
}

function begin(y, f, until) {
  const size = most(f.map((v, j) => Math.abs(v) / (1 + Math.abs(y[j]))));
  return Math.min(until, size > 0 ? BEGINS / size : until);
}

function growth(error) {
  if (error === 0) return MOST_GROWTH;
  return clamp(error < Infinity ? SAFE * error ** -0.25 : LEAST_GROWTH, LEAST_GROWTH, MOST_GROWTH);
}

// Where a step goes, and its error in tolerances; Infinity where it is not a number.
function stepOf(rates, y, f, J, h) {
  const W = J.map((row, i) => row.map((v, j) => (i === j ? 1 / (GAMMA * h) : 0) - v));
  const inverse = inverted(W), k = [];
  let at = y;
  for (let s = 0; s < STAGES.length; s++) {
    if (s > 0) {
      at = plus(y, mixed(STAGES[s], k));
      f = rates(at);
    }
    const told = s > 0 ? plus(f, mixed(CARRIED[s], k), 1 / h) : f;
    if (!told.every(Number.isFinite)) return [y, Infinity];
    k.push(times(inverse, told));
  }
  const last = k[k.length - 1], to = plus(at, last);
  const off = last.map((e, j) => Math.abs(e) / (TOLERANCE * (1 + Math.max(Math.abs(y[j]), Math.abs(to[j])))));
  return [to, off.every(Number.isFinite) ? most(off) : Infinity];
}

// The Jacobian by differences to one side, as rows.
function slopes(rates, y, f) {
  return transposed(y.map((v, k) => {
    const e = BESIDE * (1 + Math.abs(v));
    return plus(rates(plus(y, unit(y.length, k, e))), f, -1).map(d => d / e);
  }));
}

// By Gauss and Jordan's elimination, the largest pivot of each column first.
function inverted(rows) {
  const n = rows.length, m = rows.map((row, i) => [...row, ...unit(n, i)]);
  for (let j = 0; j < n; j++) {
    let best = j;
    for (let i = j; i < n; i++) if (Math.abs(m[i][j]) > Math.abs(m[best][j])) best = i;
    [m[j], m[best]] = [m[best], m[j]];
    m[j] = m[j].map(v => v / m[j][j]);
    for (let i = 0; i < n; i++) if (i !== j) m[i] = plus(m[i], m[j], -m[i][j]);
  }
  return m.map(row => row.slice(n));
}
