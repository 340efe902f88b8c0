// The law that persistent particles reach if θ is held, and the field of θ that it gives: found from
// the step itself by Anderson's acceleration (toyflows/stationary.py).

const { plain: PLAIN, most_steps: MOST_STEPS, settled: SETTLED, depth: DEPTH, tiny: TINY, alike: ALIKE,
  small: SMALL, elsewhere: ELSEWHERE } = constants.verdict;

const same = (x, y) => x === y || (x.length === y.length && x.every((v, k) => v === y[k]));

// The stationary law of the particles at θ, sought from `chains`; null if it is not found.
function held({ flow, o, ops, beat }, θ, chains) {
  const after = from => {
    beat();
    return flow.advance(o, ops, θ, θ, flow.store(o, ops, from, flow.negatives(o, ops, θ, from)));
  };
  let before = chains;
  for (let k = 0; k < PLAIN; k++) [before, chains] = [chains, after(chains)];
  if (!same(before.x, chains.x)) return null;
  const { x } = chains, law = w => cloud(x, normalised(Float64Array.from(w)));
  const found = accelerated(w => after(law(w)).w, chains.w);
  return found && law(found);
}

// g(θ) as a function, NaN where the stationary law is not found or is not one law: it is sought from
// `chains` and from the other mode, and each time from where the last search ended.
function stationaryField(run, chains) {
  const { flow, o, ops } = run, known = new Map();
  let two = [chains];
  return θ => {
    if (known.has(θ)) return known.get(θ);
    if (two.length < 2) two.push(flow.init(o, ops, θ + ELSEWHERE * positive(ops.target.θ - θ)));
    const laws = two.map(from => held(run, θ, from)).filter(Boolean);
    const v = laws.map(law => run.at({ θ, y: [], chains: law }).velocity);
    const alike = v.length === 2 && Math.abs(v[0] - v[1]) <= ALIKE * Math.max(Math.abs(v[0]), SMALL);
    if (laws.length === 2) two = laws;
    known.set(θ, alike ? v[0] : NaN);
    return known.get(θ);
  };
}

// u += share·v, in place.
function add(u, share, v) {
  for (let k = 0; k < u.length; k++) u[k] += share * v[k];
}

const minusOf = (u, v) => u.map((a, k) => a - v[k]);

// w = step(w), or null if too many steps do not lead there. Kept of each earlier step: a direction of
// w and the change of the error along it; the changes are orthonormal.
function accelerated(step, w) {
  let known = [], before = null;
  for (let k = 0; k < MOST_STEPS; k++) {
    const error = minusOf(step(w), w).map(v => (Math.abs(v) < TINY ? 0 : v));
    if (error.reduce((sum, v) => sum + Math.abs(v), 0) <= SETTLED) return w;
    if (before) {
      const [to, change] = without(minusOf(w, before.w), minusOf(error, before.error), known);
      const size = Math.sqrt(dot(change, change));
      if (size > 0 && size < Infinity) {
        known.push([to.map(v => v / size), change.map(v => v / size)]);
        if (known.length === DEPTH) known = [];  // round-off gathers in them
      }
    }
    before = { w, error };
    const [to, left] = without(w, error, known);
    w = to.map((v, j) => (v + left[j] < TINY ? 0 : v + left[j]));
  }
  return null;
}

// w, moved along the directions to where the error is as small as they can make it. Twice: once
// leaves round-off along changes that are nearly alike.
function without(w, error, known) {
  const [to, left] = [Float64Array.from(w), Float64Array.from(error)];
  for (let twice = 0; twice < 2; twice++) {
    const shares = known.map(([, change]) => dot(change, left));
    known.forEach(([direction, change], k) => {
      add(to, -shares[k], direction);
      add(left, -shares[k], change);
    });
  }
  return [to, left];
}
