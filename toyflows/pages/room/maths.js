// The two-mode mixture (toyflows/mixture.py) and its laws on nodes. Symbols: docs/notation.md.

const { π, PEAK_LOG } = { π: Math.PI, PEAK_LOG: 0.5 * Math.log(2 * Math.PI) };
const FLOOR = 1e-290;  // a weight below is none: its products would be slow, below the smallest float

const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
const sigmoid = z => 1 / (1 + Math.exp(-clamp(z, -700, 700)));
const softplus = z => Math.max(z, 0) + Math.log1p(Math.exp(-Math.min(Math.abs(z), 700)));

// erf by its series of positive terms, erfc by its continued fraction where erf is near 1.
function erf(x) {
  if (Math.abs(x) > 2.5) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= 2 * x * x / (2 * n + 1);
  return 2 / Math.sqrt(π) * Math.exp(-x * x) * sum;
}

function erfc(x) {
  if (x < 2.5) return 1 - erf(x);
  let tail = x;
  for (let n = 80; n > 0; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / Math.sqrt(π) / tail;
}

class Mixture {
  constructor(d) {
    Object.assign(this, { d, a: -d / 2, b: d / 2, m: 0 });
  }
  weightB(θ) {
    const e = Math.exp(-Math.min(Math.abs(θ), 700));
    return (θ >= 0 ? e : 1) / (1 + e);
  }
  logZ(θ) { return softplus(-θ) + PEAK_LOG; }
  logit(x, θ) { return this.d * (x - this.m) - θ; }
  energy(x, θ) { return 0.5 * (x - this.a) ** 2 - softplus(this.logit(x, θ)); }
  r(x, θ) { return sigmoid(this.logit(x, θ)); }
  slope(x, θ) { return x - this.a - this.d * this.r(x, θ); }
  overlap(x, θ) {
    const e = Math.exp(-Math.min(Math.abs(this.logit(x, θ)), 700));
    return e / (1 + e) ** 2;
  }
  hyvärinen(x, θ) {
    const notR = sigmoid(-this.logit(x, θ));
    return this.d * this.overlap(x, θ) * (this.d * notR - (x - this.a));
  }
  shareB(θ) {
    const beyond = 0.5 * erfc(this.d / Math.sqrt(8));
    return this.weightB(θ) * (1 - beyond) + this.weightB(-θ) * beyond;
  }
  shareBSlope(θ) { return -this.weightB(θ) * this.weightB(-θ) * erf(this.d / Math.sqrt(8)); }
  centred(x, θ) {
    return this.weightB(-θ) * this.r(x, θ) - this.weightB(θ) * sigmoid(-this.logit(x, θ));
  }
  ridge(θ) { return this.m + θ / this.d; }
}

const spacing = d => Math.min(0.6, 0.5 / d);

// Equidistant nodes that cover [low, high], one of them at m.
function nodes(low, high, dx, m) {
  const first = -Math.ceil((m - low) / dx), last = Math.ceil((high - m) / dx);
  return Float64Array.from({ length: last - first + 1 }, (_, k) => m + dx * (first + k));
}

// A measure: points x with normalised weights w, or equal ones where w is null; `θ` if it is ρ_θ.
const cloud = (x, w = null, θ = null) => ({ x, w, θ });

function normalised(w) {
  let total = 0;
  for (const v of w) total += v;
  for (let k = 0; k < w.length; k++) w[k] = w[k] > FLOOR * total ? w[k] / total : 0;
  return w;
}

// ρ_θ on nodes.
function law(mix, θ, x) {
  const U = x.map(v => mix.energy(v, θ)), least = U.reduce((a, b) => Math.min(a, b));
  return cloud(x, normalised(U.map(u => Math.exp(least - u))), θ);
}

// What is to be learned, its data law on nodes.
class Target {
  constructor(θ, d) {
    this.mix = new Mixture(d);
    this.θ = θ;
    this.q = this.mix.weightB(θ);
    this.x = nodes(this.mix.a - 9, this.mix.b + 9, spacing(d), this.mix.m);
    this.data = law(this.mix, θ, this.x);
  }
}

// E[f] over weighted points.
function meanOf({ x, w }, f) {
  let sum = 0;
  if (w) for (let k = 0; k < x.length; k++) sum += w[k] && w[k] * f(x[k]);
  else for (let k = 0; k < x.length; k++) sum += f(x[k]);
  return w ? sum : sum / x.length;
}

// Σ u v.
function dot(u, v) {
  let sum = 0;
  for (let k = 0; k < u.length; k++) sum += u[k] * v[k];
  return sum;
}

// r_θ at the points of positive weight: the mean that most methods ask for, and what moves them.
function responsibilities({ d, m }, { x, w }, θ) {
  const r = new Float64Array(x.length);
  for (let k = 0; k < x.length; k++)
    if (w[k] > 0) r[k] = 1 / (1 + Math.exp(clamp(θ - d * (x[k] - m), -700, 700)));
  return r;
}

// E[(D, D r_θ, r_θ)] of noise-contrastive estimation: D = A/(A + e^c B) with A = 1 + e^{y−θ} and
// B = 1 + e^{y−μ}, y = d(x − m), both times e^−top.
function meanOfD({ d, m }, { x, w }, θ, μ, c) {
  const least = Math.min(θ, μ), odds = Math.exp(c);
  let sum = 0, sum_r = 0, r_alone = 0;
  for (let k = 0; k < x.length; k++) {
    const weight = w ? w[k] : 1, y = d * (x[k] - m), top = Math.max(y - least, 0);
    if (weight === 0) continue;
    const one = Math.exp(-Math.min(top, 700)), model = Math.exp(Math.max(y - θ - top, -700));
    const A = one + model, D = A / (A + odds * (one + Math.exp(Math.max(y - μ - top, -700))));
    sum += weight * D;
    sum_r += weight * D * model / A;
    r_alone += weight * model / A;
  }
  return (w ? [sum, sum_r, r_alone] : [sum, sum_r, r_alone].map(v => v / x.length));
}
