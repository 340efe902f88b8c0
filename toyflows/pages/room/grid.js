// The exact law: fixed nodes with moving weights (toyflows/backends/grid.py, kernels/banded.py).

const REACH = 9, WIDE = 6;  // deviations of a Gaussian that count; nodes in one, above which it is split

// N(kΔ; 0, 2τ)Δ for |k| ≤ K.
function gauss(τ, dx) {
  const K = Math.ceil(REACH * Math.sqrt(2 * τ) / dx) + 1;
  return Float64Array.from({ length: 2 * K + 1 },
    (_, k) => Math.exp(-(((k - K) * dx) ** 2) / (4 * τ)) * (dx / Math.sqrt(4 * π * τ)));
}

// A step's Gaussian of variance 2h: one of three half nodes, then the rest if that is wide.
function gaussians(h, dx) {
  const split = 2 * h > (WIDE * dx) ** 2, share = split ? (1.5 * dx) ** 2 / (2 * h) : 1;
  return { half: h * share, near: gauss(h * share, dx), far: split ? gauss(h * (1 - share), dx) : null };
}

// out[centre + k] += w q^k gauss[k]: a row of the kernel, whose source the drift takes beside `centre`.
function addRow(out, centre, start, q, near) {
  let p = start;
  for (let k = 0; k < near.length; k++) {
    out[centre + k] += p * near[k];
    p *= q;
  }
}

// Weights w, pushed to the places `to` in units of nodes, after the narrow Gaussian.
function spreadNear(w, to, n, dx, half, near) {
  const K = near.length >> 1, out = new Float64Array(n + 2 * K);
  for (let i = 0; i < w.length; i++) {
    const centre = Math.round(to[i]);
    if (!(w[i] > 0) || centre < 0 || centre >= n) continue;
    const δ = (to[i] - centre) * dx, log_q = dx * δ / (2 * half);
    addRow(out, centre, w[i] * Math.exp(-δ * δ / (4 * half) - K * log_q), Math.exp(log_q), near);
  }
  return out;
}

// Σ_i u_i far[· − i] for the even Gaussian `far`: four places at a time, from the middle outwards, so
// that each number is read once for four products of two.
function convolve(u, far) {
  const L = far.length >> 1, n = u.length + 2 * L, v = new Float64Array(n + 2 * L + 8);
  const out = new Float64Array(n + 3);
  v.set(u, 2 * L);
  for (let j = 0, p = L; j < n; j += 4, p += 4) {
    let g = far[L], left0 = v[p], left1 = v[p + 1], left2 = v[p + 2];
    let right0 = left1, right1 = left2, right2 = v[p + 3];
    let a = g * left0, b = g * left1, c = g * left2, d = g * right2;
    for (let k = 1; k <= L; k++) {
      const left = v[p - k], right = v[p + 3 + k];
      g = far[L + k];
      a += g * (left + right0);
      b += g * (left0 + right1);
      c += g * (left1 + right2);
      d += g * (left2 + right);
      left2 = left1; left1 = left0; left0 = left;
      right0 = right1; right1 = right2; right2 = right;
    }
    out[j] = a; out[j + 1] = b; out[j + 2] = c; out[j + 3] = d;
  }
  return out.subarray(0, n);
}

class Grid {
  constructor(target, h) {
    Object.assign(this, { target, mix: target.mix, h, name: "grid", kept: new Map() });
    this.dx = Math.min(Math.sqrt(2 * h) / 3, spacing(this.mix.d));
    const reach = REACH * Math.sqrt(1 / (1 - h / 2));
    this.x = nodes(this.mix.a - reach, this.mix.b + reach, this.dx, this.mix.m);
    this.gaussians = gaussians(h, this.dx);
  }
  at() { return this; }
  withStep(h) {
    if (!this.kept.has(h)) this.kept.set(h, new Grid(this.target, h));
    return this.kept.get(h);
  }
  get data() { return this.target.data; }
  dataParticles() { return this.target.data; }
  model(θ) { return law(this.mix, θ, this.x); }
  noise(spread) {
    if (this.fresh?.spread !== spread) this.fresh = { spread, law: this.gaussian(spread) };
    return this.fresh.law;
  }
  gaussian(spread) {
    const m = this.mix.m, reach = REACH * spread;
    const x = nodes(m - reach, m + reach, Math.min(this.dx, 0.6 * spread), m);
    return cloud(x, normalised(x.map(v => Math.exp(-0.5 * ((v - m) / spread) ** 2))));
  }
  // The nodes for where a cloud goes: Langevin contracts, so none beyond where it is.
  around({ x: from }) {
    const low = from[0], high = from[from.length - 1], { x, dx } = this;
    if (x[0] <= low + dx && high - dx <= x[x.length - 1]) return x;
    return nodes(Math.min(x[0], low), Math.max(x[x.length - 1], high), dx, this.mix.m);
  }
  // r_θ at the points, kept for the move that follows at the same θ.
  responsibilities(of, θ) {
    if (of.at !== θ) Object.assign(of, { at: θ, r: responsibilities(this.mix, of, θ) });
    return of.r;
  }
  move(from, θ) {
    const { half, near, far } = this.gaussians, { mix: { a, d }, h, dx } = this, y = this.around(from);
    const r = this.responsibilities(from, θ), { x } = from, to = new Float64Array(x.length);
    for (let k = 0; k < to.length; k++) to[k] = (x[k] - h * (x[k] - a - d * r[k]) - y[0]) / dx;
    let out = spreadNear(from.w, to, y.length, dx, half, near), K = near.length >> 1;
    if (far) {
      out = convolve(out, far);
      K += far.length >> 1;
    }
    return cloud(y, normalised(out.slice(K, K + y.length)));
  }
  // (1 − p) first + p second: points that are equal become one.
  blend({ x, w }, { x: z, w: v }, p) {
    const to = new Float64Array(x.length + z.length), weights = new Float64Array(to.length);
    let n = 0;
    for (let i = 0, j = 0; i < x.length || j < z.length; n++) {
      const left = i < x.length ? x[i] : Infinity, right = j < z.length ? z[j] : Infinity;
      to[n] = Math.min(left, right);
      if (left === to[n]) weights[n] += (1 - p) * w[i++];
      if (right === to[n]) weights[n] += p * v[j++];
    }
    return cloud(to.slice(0, n), normalised(weights.slice(0, n)));
  }
  pick(from) { return from; }
  crossed() { return NaN; }
  put(into, picked, oneIn) { return this.blend(into, picked, 1 / oneIn); }
  mean(of, f) { return meanOf(of, f); }
  meanOfR(of, θ) { return dot(of.w, this.responsibilities(of, θ)); }
  meanOfD(of, ...at) { return meanOfD(this.mix, of, ...at); }
  // Shares beyond the centre, which jump: known for ρ_θ, else by `half_line`'s shares of the nodes.
  inB(of) { return of.θ !== null ? this.mix.shareB(of.θ) : this.beyond(of); }
  inBCentred(of, θ) { return -this.mix.shareBSlope(θ); }  // asked of ρ_θ alone
  beyond({ x, w }) {
    const tails = constants.half_line, m = this.mix.m;
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      const k = Math.round((x[i] - m) / this.dx), far = Math.min(Math.abs(k), tails.length - 1);
      sum += w[i] * (k > 0 ? 1 - tails[far] : tails[far]);
    }
    return sum;
  }
  // Work weights keep the law at ρ_θ exactly (Jarzynski.separated, and a test): no sums are needed.
  weighted(chains, θ, θ_new) { return { ...this.model(θ_new), logZ: this.mix.logZ(θ_new) }; }
}
