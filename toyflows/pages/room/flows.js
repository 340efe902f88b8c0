// The methods, each as its file in toyflows/flows/ has it: what its particles are, θ̇, the lecture's
// closed form for separated modes. `o` are the method's options, `y` the coordinates beyond θ.

const normal = x => Math.exp(-Math.min(x * x / 2, 700)) / Math.sqrt(2 * π);
const likelihood = (ops, θ, negatives) =>
  [ops.meanOfR(negatives, θ) - ops.meanOfR(ops.data, θ)];

// `kept`: its walkers stay, and move.
const base = {
  negative: true, field: true, kept: false, extra: () => ({}), rest: () => [], init: () => null,
  negatives: (o, ops, θ, chains) => chains, store: (o, ops, chains) => chains,
  advance: (o, ops, θ, θ_new, chains) => chains, separated: null, check: () => "",
};

const ml = {
  ...base,
  negatives: (o, ops, θ) => ops.model(θ),
  velocity: (o, ops, θ, negatives) => likelihood(ops, θ, negatives),
  separated: (o, { mix, q }, θ) => [mix.weightB(θ) - q],
};

const scoreMatching = {
  ...base, negative: false,
  init: (o, ops) => ops.dataParticles(),
  velocity: (o, ops, θ, points) => [2 * ops.mean(points, x => ops.mix.hyvärinen(x, θ))],
  separated(o, { mix, q }, θ) {
    const x = mix.ridge(θ);
    return [π * mix.d / 4 * ((1 - q) * normal(x - mix.a) - q * normal(mix.b - x))];
  },
};

const nce = {
  ...base,
  extra: o => (o.learn_c ? { c: 0 } : {}),
  rest: (o, { mix, θ }) => (o.learn_c ? [mix.logZ(θ) - mix.logZ(o.mu)] : []),
  check: o => (o.normalised && o.learn_c ? "normalised and learn_c: must be one cure at a time" : ""),
  negatives: (o, ops) => ops.model(o.mu),
  c: (o, mix, θ, y) => (o.normalised ? mix.logZ(θ) - mix.logZ(o.mu) : o.learn_c ? y[0] : 0),
  rates: (o, mix, θ, dθ, dc) =>
    o.normalised ? [dθ - mix.weightB(θ) * dc] : o.learn_c ? [dθ, dc] : [dθ],
  velocity(o, ops, θ, negatives, y) {
    const at = [θ, o.mu, nce.c(o, ops.mix, θ, y)];
    const [D_noise, Dr_noise] = ops.meanOfD(negatives, ...at);
    const [D_data, Dr_data, r_data] = ops.meanOfD(ops.data, ...at);
    return nce.rates(o, ops.mix, θ, Dr_noise - (r_data - Dr_data), D_noise - (1 - D_data));
  },
  separated(o, { mix, q }, θ, θ0, y) {
    const p = mix.weightB(o.mu), c = nce.c(o, mix, θ, y);
    const D_a = mix.weightB(c), D_b = mix.weightB(θ + c - o.mu);
    const in_b = p * D_b - q * (1 - D_b);
    return nce.rates(o, mix, θ, in_b, in_b + (1 - p) * D_a - (1 - q) * (1 - D_a));
  },
};

const pcd = {
  ...ml, field: false, kept: true,
  init: (o, ops, θ0) => (o.start === "data" ? ops.dataParticles() : ops.model(θ0)),
  negatives: base.negatives,
  advance: (o, ops, θ, θ_new, chains) => ops.move(chains, θ),
  separated: (o, { mix, q }, θ, θ0) => [(o.start === "data" ? q : mix.weightB(θ0)) - q],
};

// `k` steps at θ, with the chain's own step `h`.
function moved(o, ops, θ, from) {
  const chain = o.h ? ops.withStep(o.h) : ops;
  for (let j = 0; j < o.k; j++) from = chain.move(from, θ, j);
  return from;
}

const cd = {
  ...base,
  negatives: (o, ops, θ) => moved(o, ops, θ, ops.dataParticles()),
  velocity: (o, ops, θ, negatives) =>
    [ops.meanOfR(negatives, θ) - ops.meanOfR(ops.dataParticles(), θ)],
};

const shortRun = {
  ...cd,
  negatives: (o, ops, θ) => moved(o, ops, θ, ops.noise(o.noise)),
  velocity: ml.velocity,
  separated: (o, { mix, q }, θ) => [0.5 * erfc(θ / (mix.d * o.noise) / Math.sqrt(2)) - q],
};

const replayBuffer = {
  ...shortRun, field: false, separated: null,
  init: (o, ops) => ops.noise(o.noise, o.buffer, 1),
  negatives: (o, ops, θ, chains) =>
    moved(o, ops, θ, ops.blend(ops.pick(chains, o.buffer), ops.noise(o.noise), o.fresh)),
  store: (o, ops, chains, negatives) => ops.put(chains, negatives, o.buffer),
};

const jarzynski = {
  ...pcd,
  init: (o, ops, θ0) => ops.model(θ0),
  check: o => (o.start === "model" ? "" : `start=${o.start}: must be model: the weights are those `
    + "of chains that start in ρ_θ0"),
  advance(o, ops, θ, θ_new, chains) {
    const moved = ops.weighted(chains, θ, θ_new);
    return ops.resample ? ops.resample(moved, o.resample) : moved;
  },
  separated: ml.separated,
};

const logSigmoid = t => Math.min(t, 0) - Math.log1p(Math.exp(-Math.abs(t)));
const identity = { f: t => t, df: () => 1 };
const logistic = { f: logSigmoid, df: t => Math.exp(logSigmoid(-t)) };

const gan = {
  ...base,
  unbiased: o => o.dirac || o.loss === "wasserstein",
  extra: o => (gan.unbiased(o) ? { w: 0 } : { w: 0, c: 0 }),
  rest: o => Object.values(gan.extra(o)),
  negatives: (o, ops, θ) => ops.model(θ),
  velocity: (o, ops, θ, negatives, y) =>
    gan.rates(o, ops.inB(ops.data), ops.inB(negatives), -ops.inBCentred(negatives, θ), y),
  separated(o, { mix, q }, θ, θ0, y) {
    const p = mix.weightB(θ);
    return gan.rates(o, q, p, -p * (1 - p), y);
  },
  rates(o, Q, B, dB, [w, c = 0]) {
    const { f, df } = o.loss === "wasserstein" ? identity : logistic;
    const sign = o.loss === "non-saturating" ? 1 : -1, γ = o.penalty;
    if (o.dirac) {
      const u = w * (B - Q);
      return [w * dB * df(sign * u), (Q - B) * df(-u) - γ * w];
    }
    const dθ = sign * dB * (f(sign * (w + c)) - f(sign * c));
    const in_b = Q * df(w + c) - B * df(-w - c), in_a = (1 - Q) * df(c) - (1 - B) * df(-c);
    return gan.unbiased(o) ? [dθ, in_b - γ * w] : [dθ, in_b - γ * w, in_b + in_a];
  },
};

const FLOWS = {
  ml, "score-matching": scoreMatching, nce, pcd, cd, "short-run": shortRun,
  "replay-buffer": replayBuffer, jarzynski, gan,
};
