// The algorithm itself: N walkers (toyflows/backends/walkers.py), with the same random bits.

const SURE = 40;  // |z| beyond which r is 0 or 1 to 4e−18, and log(1 + e^{−|z|}) is 0

class Walkers {
  constructor(target, h, n, seed) {
    Object.assign(this, { target, mix: target.mix, h, n, seed: BigInt(seed), step: 0, name: "walkers" });
    this.bits = new Uint32Array(2 * HALF);
    this.g = new Float32Array(BLOCK);
  }
  at(step) {
    this.step = step;
    return this;
  }
  withStep(h) { return Object.assign(Object.create(Walkers.prototype), this, { h }); }
  get data() { return this.target.data; }
  dataParticles() { return this.draw(this.target.θ, STREAM.data); }
  model(θ) { return this.draw(θ, STREAM.model); }
  draw(θ, stream) {
    const { a, b } = this.mix, p = this.mix.weightB(θ);
    const u = uniforms(this.n, this.seed, this.step, stream + STREAM.modes);
    const ξ = normals(this.n, this.seed, this.step, stream), x = new Float64Array(this.n);
    for (let j = 0; j < x.length; j++) x[j] = ξ[j] + (u[j] < p ? b : a);
    return cloud(x);
  }
  noise(spread, many = 1, substep = 0) {
    const ξ = normals(many * this.n, this.seed, this.step, substream(STREAM.noise, substep));
    const x = new Float64Array(ξ.length), { m } = this.mix;
    for (let j = 0; j < x.length; j++) x[j] = m + spread * ξ[j];
    return cloud(x);
  }
  // r_θ at the points, kept for the move that follows at the same θ.
  responsibilities(of, θ) {
    if (of.rθ === θ) return of.r;
    const { d, m } = this.mix, x = of.x, r = new Float64Array(x.length);
    for (let j = 0; j < r.length; j++) {
      const z = d * (x[j] - m) - θ;
      r[j] = z > SURE ? 1 : z < -SURE ? 0 : 1 / (1 + Math.exp(-z));
    }
    return Object.assign(of, { r, rθ: θ }).r;
  }
  move(from, θ, substep = 0) {
    const { h, bits, g } = this, { a, d } = this.mix, r = this.responsibilities(from, θ), x = from.x;
    const keys = streamKeys(this.seed, this.step, substream(STREAM.move, substep));
    const y = new Float64Array(x.length), scale = Math.sqrt(2 * h);
    for (let start = 0; start < x.length; start += BLOCK) {
      normalsOfBlock(bits, g, 0, start / BLOCK, keys, scale);
      const end = Math.min(start + BLOCK, x.length);
      for (let j = start; j < end; j++) y[j] = x[j] - h * (x[j] - a - d * r[j]) + g[j - start];
    }
    return cloud(y);
  }
  // How many walkers changed sides.
  crossed({ x }, { x: y }) {
    const { m } = this.mix;
    let n = 0;
    if (x !== y) for (let j = 0; j < x.length; j++) n += (x[j] > m) ^ (y[j] > m);  // no branch: half as slow
    return n;
  }
  // U_θ at the points, kept; r_θ with it, of the same exponential.
  energies(of, θ) {
    if (of.Uθ === θ) return of.U;
    const { a, d, m } = this.mix, x = of.x, n = x.length, r = new Float64Array(n), U = new Float64Array(n);
    for (let j = 0; j < n; j++) {
      const z = d * (x[j] - m) - θ, from_a = x[j] - a;
      const e = z > SURE || z < -SURE ? 0 : Math.exp(z > 0 ? -z : z);
      r[j] = z > 0 ? 1 / (1 + e) : e / (1 + e);
      U[j] = 0.5 * from_a * from_a - (z > 0 ? z : 0) - (e && Math.log1p(e));
    }
    return Object.assign(of, { r, rθ: θ, U, Uθ: θ }).U;
  }
  // A step with the work weight α_θ(x, y) − α_θ′(y, x), α = U + ½(y − x)F + ¼hF² (Mixture.work).
  weighted(from, θ, θ_new) {
    const { mix: { a, d }, h } = this, U = this.energies(from, θ), { x, r } = from;
    const moved = this.move(from, θ), y = moved.x, V = this.energies(moved, θ_new), s = moved.r;
    const logw = from.logw ? Float64Array.from(from.logw) : new Float64Array(x.length);
    for (let j = 0; j < x.length; j++) {
      const F = x[j] - a - d * r[j], G = y[j] - a - d * s[j], half = 0.5 * (y[j] - x[j]);
      logw[j] += U[j] + half * F + 0.25 * h * F * F - (V[j] - half * G + 0.25 * h * G * G);
    }
    return Object.assign(moved, { logw });
  }
  weights(of) {
    if (!of.logw) return null;
    let top = -Infinity;
    for (const v of of.logw) top = Math.max(top, v);
    if (of.w) return of.w;
    const w = new Float64Array(of.logw.length);
    for (let j = 0; j < w.length; j++) w[j] = Math.exp(of.logw[j] - top);
    return of.w = normalised(w);
  }
  // Systematic resampling where the effective size is below this share of the walkers.
  resample(of, below) {
    const w = this.weights(of), n = of.x.length;
    if (!(below > 0) || !w || 1 / w.reduce((s, v) => s + v * v, 0) >= below * n) return of;
    const [u] = uniforms(1, this.seed, this.step, substream(STREAM.resample, 0));
    const x = new Float64Array(n);
    for (let i = 0, j = 0, sum = w[0]; j < n; j++) {
      while ((j + u) / n >= sum && i < n - 1) sum += w[++i];
      x[j] = of.x[i];
    }
    return cloud(x);
  }
  blend(first, second, p) {
    const u = uniforms(first.x.length, this.seed, this.step, STREAM.coin);
    const x = Float64Array.from(first.x);
    for (let j = 0; j < x.length; j++) if (u[j] < p) x[j] = second.x[j];
    return cloud(x);
  }
  places(of, oneIn) {
    const n = Math.floor(of.x.length / oneIn);
    const u = uniforms(n, this.seed, this.step, STREAM.pick);
    for (let j = 0; j < n; j++) u[j] = oneIn * j + Math.floor(oneIn * u[j]);
    return u;
  }
  pick(from, oneIn) {
    const x = this.places(from, oneIn);
    for (let j = 0; j < x.length; j++) x[j] = from.x[x[j]];
    return cloud(x);
  }
  put(into, picked, oneIn) {
    const x = Float64Array.from(into.x), places = this.places(into, oneIn);
    for (let j = 0; j < places.length; j++) x[places[j]] = picked.x[j];
    return cloud(x);
  }
  mean(of, f) { return meanOf(of.logw ? cloud(of.x, this.weights(of)) : of, f); }
  meanOfR(of, θ) {
    if (of === this.data) return dot(of.w, responsibilities(this.mix, of, θ));
    const r = this.responsibilities(of, θ), w = this.weights(of);
    let sum = 0;
    if (w) for (let j = 0; j < r.length; j++) sum += w[j] * r[j];
    else for (let j = 0; j < r.length; j++) sum += r[j];
    return w ? sum : sum / r.length;
  }
  meanOfD(of, ...at) { return meanOfD(this.mix, of, ...at); }
  inB(of) {
    if (of === this.data) return this.mix.shareB(of.θ);
    const { m } = this.mix;
    return this.mean(of, x => (x > m ? 1 : 0));
  }
  inBCentred(of, θ) {
    const { mix } = this;
    return this.mean(of, x => (x > mix.m ? mix.centred(x, θ) : 0));
  }
}
