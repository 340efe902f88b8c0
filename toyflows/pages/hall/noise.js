// Scores of a mixture of round Gaussians under noise (toyflows/diffusion/gaussians.py), and samplers that
// follow them (toyflows/diffusion/methods/): the variance-exploding process, X_t = X_0 + σ(t)Z.

const TARGETS = constants.targets, VE = constants.ve, ε = constants.annealed.epsilon;
const rateVE = Math.log(VE.sigma_max / VE.sigma_min);
const σOf = t => VE.sigma_min * Math.exp(rateVE * t);
const g2Of = t => 2 * rateVE * σOf(t) ** 2;

// ∇ log p at the points x (x0, y0, x1, y1, …) of the mixture with noise σ: Σ_k r_k (μ_k − x)/v_k.
function score({ weights, means, spreads }, x, σ) {
  const K = weights.length, v = spreads.map(s => s * s + σ * σ), out = new Float64Array(x.length);
  const log_w = weights.map((w, k) => Math.log(w) - Math.log(v[k])), r = new Float64Array(K);
  for (let j = 0; j < x.length; j += 2) {
    let top = -Infinity, sum = 0;
    for (let k = 0; k < K; k++) {
      const dx = x[j] - means[k][0], dy = x[j + 1] - means[k][1];
      r[k] = log_w[k] - 0.5 / v[k] * (dx * dx + dy * dy);
      top = Math.max(top, r[k]);
    }
    for (let k = 0; k < K; k++) sum += r[k] = Math.exp(r[k] - top);
    for (let k = 0; k < K; k++) {
      const part = r[k] / sum / v[k];
      out[j] += part * (means[k][0] - x[j]);
      out[j + 1] += part * (means[k][1] - x[j + 1]);
    }
  }
  return out;
}

// The noise of the n-th call, as long as x.
const noiseOf = (x, seed, call) => normals(x.length, seed, call, STREAM.noise);

// x + h score + √(2h) z, `count` times at one noise; `calls` counts the draws.
function langevin(law, x, σ, h, count, seed, calls) {
  for (let j = 0; j < count; j++) {
    const s = score(law, x, σ), z = noiseOf(x, seed, calls.n++);
    x = x.map((v, i) => v + h * s[i] + Math.sqrt(2 * h) * z[i]);
  }
  return x;
}

const along = (x, by, v) => x.map((p, i) => p + by * v[i]);
const drift = (law, x, t, part) => score(law, x, σOf(t)).map(v => v * part * g2Of(t));

const STEPS_OF = {
  // Plain Langevin on the data's own score.
  langevin: (law, x, t, s, seed, calls) => langevin(law, x, σOf(0), constants.h, 1, seed, calls),
  // From much noise to little: α_i = ε σ_i²/σ_L².
  "annealed-langevin": (law, x, t, s, seed, calls) =>
    langevin(law, x, σOf(s), ε / 2 * (σOf(s) / σOf(0)) ** 2, constants.annealed.steps, seed, calls),
  // The reverse SDE by Euler and Maruyama.
  "euler-maruyama": (law, x, t, s, seed, calls) => {
    const z = noiseOf(x, seed, calls.n++), g = Math.sqrt((t - s) * g2Of(t));
    const v = drift(law, x, t, 1);
    return x.map((p, i) => p + (t - s) * v[i] + g * z[i]);
  },
  // The probability-flow ODE by Heun.
  "ode-heun": (law, x, t, s) => {
    const v = drift(law, x, t, 0.5), w = drift(law, along(x, t - s, v), s, 0.5);
    return x.map((p, i) => p + (t - s) / 2 * (v[i] + w[i]));
  },
};

const total = ({ steps }) => steps + 1;
const timeOf = (s, k) => (s.sampler === "langevin" ? 0 : 1 - k / s.steps);

// Points of N(0, σ_max²), or of a wide square's middle for plain Langevin.
function beginning(s) {
  const scale = s.sampler === "langevin" ? constants.spread : VE.sigma_max;
  return Float64Array.from(normals(2 * s.points, s.seed, 0, STREAM.model), z => scale * z);
}

// A frame a step: the points, and the share in each part (the nearest centre).
function* run(s) {
  const law = TARGETS[s.target], step = STEPS_OF[s.sampler], calls = { n: 0 };
  let x = beginning(s);
  yield { x, t: timeOf(s, 0) };
  for (let k = 1; k <= s.steps; k++) {
    x = step(law, x, 1 - (k - 1) / s.steps, 1 - k / s.steps, s.seed, calls);
    yield { x, t: timeOf(s, k) };
  }
}

// The share of the points that are nearest to the centre k.
function shares({ means }, x) {
  const counts = means.map(() => 0);
  for (let j = 0; j < x.length; j += 2) {
    let best = 0, least = Infinity;
    means.forEach(([a, b], k) => {
      const far = (x[j] - a) ** 2 + (x[j + 1] - b) ** 2;
      if (far < least) [best, least] = [k, far];
    });
    counts[best]++;
  }
  return counts.map(n => 2 * n / x.length);
}

return { run, total, score, shares, σOf, TARGETS };
