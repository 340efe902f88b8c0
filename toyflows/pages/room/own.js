// A method of the reader's own, in the words of the lecture: E.data, E.model, E.negatives, r, p_b.

const OWN_WORDS = ["velocity", "start", "negatives", "move"];

// What the reader's code may use. `now` is where the run is: its backend, θ and negatives.
function tools(now) {
  const r = x => now.ops.mix.r(x, now.θ);
  const mean = (of, f) => (f === r ? now.ops.meanOfR(of, now.θ) : now.ops.mean(of, f));
  return {
    r,
    p_b: (θ = now.θ) => now.ops.mix.weightB(θ),
    score: x => -now.ops.mix.slope(x, now.θ),
    hyvärinen: x => now.ops.mix.hyvärinen(x, now.θ),
    E: {
      data: f => mean(now.ops.data, f),
      model: f => mean(now.ops.model(now.θ), f),
      negatives: f => mean(now.negatives, f),
    },
    model: (θ = now.θ) => now.ops.model(θ),
    data: () => now.ops.dataParticles(),
    noise: (spread = 1) => now.ops.noise(spread),
    langevin: (x, k = 1) => Array.from({ length: k }, (_, j) => j)
      .reduce((from, j) => now.ops.move(from, now.θ, j), x),
  };
}

const isCloud = v => v && v.x instanceof Float64Array;
const needsCloud = (v, name) => {
  if (!isCloud(v)) throw new Refused(`${name} must return points: model(), data(), noise(s) or langevin(x)`);
  return v;
};

// The method as a flow. `build(tools)` runs the reader's code and returns what it defines.
function ownFlow(build) {
  const now = { ops: null, θ: 0, negatives: null }, found = build(tools(now));
  if (typeof found.velocity !== "function")
    throw new Refused("velocity must be a function: const velocity = θ => E.model(r) - E.data(r)");
  for (const name of OWN_WORDS)
    if (found[name] !== undefined && typeof found[name] !== "function")
      throw new Refused(`${name} must be a function`);
  const at = (ops, θ) => Object.assign(now, { ops, θ });
  return {
    ...base, field: !found.start, kept: Boolean(found.start && found.move),
    negative: Boolean(found.start || found.negatives),
    init: (o, ops, θ0) => (at(ops, θ0), found.start ? needsCloud(found.start(), "start") : null),
    negatives(o, ops, θ, chains) {
      at(ops, θ);
      now.negatives = found.negatives ? needsCloud(found.negatives(chains), "negatives") : chains;
      now.negatives ??= ops.model(θ);
      return now.negatives;
    },
    velocity(o, ops, θ) {
      at(ops, θ);
      const v = found.velocity(θ);
      if (typeof v !== "number" || Number.isNaN(v))
        throw new Refused(`velocity must return a number; at θ = ${pyFormat(θ, 4)} it is ${v}`);
      return [v];
    },
    advance(o, ops, θ, θ_new, chains) {
      at(ops, θ);
      return found.move ? needsCloud(found.move(chains), "move") : chains;
    },
  };
}
