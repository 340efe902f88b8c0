// Hopfield's network (toyflows/lattice/hopfield.py, kernels/hopfield.py), with the same random numbers.

const LARGEST = 500, patterns = constants.patterns;

// A number in (0, 1) of 53 bits.
function uniform([k1, k2], counter) {
  const z = mix64(k1 + BigInt(counter) * GOLDEN & WORD) ^ k2;
  return (Number(mix64(z) >> 11n) + 0.5) * 2 ** -53;
}

// Hebb's rule: W = Σ x xᵀ without its diagonal.
function hebb(rows) {
  const n = rows[0].length;
  return Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) =>
    (i === j ? 0 : rows.reduce((sum, x) => sum + x[i] * x[j], 0))));
}

const activation = (W, s, i) => W[i].reduce((sum, w, j) => sum + w * s[j], 0);
const energyOf = (W, s) => -0.5 * s.reduce((sum, v, i) => sum + v * activation(W, s, i), 0);
const overlap = (s, x) => s.reduce((sum, v, i) => sum + v * x[i], 0) / x.length;

// The spin after an update at activation a.
function newSpin(s, a, T, u) {
  if (T > 0) return u * (1 + Math.exp(Math.min(-2 * a / T, LARGEST))) < 1 ? 1 : -1;
  return a === 0 ? (s || 1) : a > 0 ? 1 : -1;
}

// The order of a sweep: Fisher and Yates.
function shuffled(n, keys) {
  const order = Array.from({ length: n }, (_, k) => k);
  for (let k = n - 1; k > 0; k--) {
    const j = Math.floor(uniform(keys, k) * (k + 1));
    [order[k], order[j]] = [order[j], order[k]];
  }
  return order;
}

// The letter with `flips` units turned: those that come first in an order of this seed.
function damaged(s) {
  const letter = patterns.rows[patterns.names.indexOf(s.letter)], state = Float64Array.from(letter);
  const order = shuffled(state.length, streamKeys(s.seed, 0, STREAM.coin));
  for (const i of order.slice(0, s.flips)) state[i] = -state[i];
  return state;
}

const SWEEPS = 12;
const n_units = patterns.rows[0].length;
const total = () => 1 + SWEEPS * n_units;

// A frame after each look at a unit: the state, its energy, and the unit.
function* run(s) {
  const stored = patterns.rows.slice(0, s.stored), W = hebb(stored), state = damaged(s);
  const letter = patterns.rows[patterns.names.indexOf(s.letter)];
  const frame = unit => ({ s: Int8Array.from(state), E: energyOf(W, state), unit, m: overlap(state, letter) });
  yield frame(-1);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const order = shuffled(n_units, streamKeys(s.seed, sweep, STREAM.pick));
    const keys = streamKeys(s.seed, sweep, STREAM.move);
    for (let k = 0; k < n_units; k++) {
      const i = order[k];
      state[i] = newSpin(state[i], activation(W, state, i), s.T, s.T > 0 ? uniform(keys, k) : 0);
      yield frame(i);
    }
  }
}

return { run, total, damaged, hebb, overlap };
