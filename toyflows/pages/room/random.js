// Random numbers as a function of (seed, step, stream, walker): the bits of toyflows/kernels/random.py.
// A 64-bit word is two of 32 bits, the lower one first; coefficients come from Python (`constants`).

const BLOCK = 1024, HALF = 512, WORD = (1n << 64n) - 1n;
const { streams: STREAM, purposes: PURPOSES } = constants.random;
const wide = text => BigInt(text);
const [GOLDEN, MIX_1, MIX_2] = constants.random.mixers.map(wide);
const halves = v => [Number(v & 0xffffffffn) | 0, Number(v >> 32n & 0xffffffffn) | 0];
const [GOLDEN_LO, GOLDEN_HI] = halves(GOLDEN), [M1_LO, M1_HI] = halves(MIX_1);
const [M2_LO, M2_HI] = halves(MIX_2);
const LOG = constants.random.log, SIN = constants.random.sin, COS = constants.random.cos;
const LN2_32 = Math.fround(Math.LN2), fround = Math.fround;

const substream = (purpose, substep) => purpose + PURPOSES * substep;

function mix64(z) {
  z = (z ^ z >> 30n) * MIX_1 & WORD;
  z = (z ^ z >> 27n) * MIX_2 & WORD;
  return z ^ z >> 31n;
}

// Two keys of 64 bits for (seed, step, stream).
function streamKeys(seed, step, stream) {
  let k = mix64(BigInt(seed) + 0xD1B54A32D192ED03n & WORD);
  k = mix64(k + BigInt(step) * 0x8CB92BA72F3D8DD7n & WORD);
  k = mix64(k ^ (BigInt(stream) * 0xE7037ED1A0B428DBn & WORD));
  return [k, mix64(k ^ 0xA0761D6478BD642Fn)];
}

// The upper 32 bits of a·b, both unsigned: by halves of 16 bits none of which overflows a float.
function high(a, b) {
  a >>>= 0;
  const low = a * (b & 0xffff) / 65536;
  return (a * (b >>> 16) + Math.floor(low)) / 65536 >>> 0;
}

// bits[2j], bits[2j + 1] = the lower and upper half of the word of counter first + j.
function fillBits(bits, first, [k1, k2]) {
  let [lo, hi] = halves(k1 + BigInt(first) * GOLDEN & WORD);
  const [key_lo, key_hi] = halves(k2);
  for (let j = 0; j < bits.length; j += 2) {
    let x = lo ^ (lo >>> 30 | hi << 2), y = hi ^ hi >>> 30;
    y = high(x, M1_LO) + Math.imul(x, M1_HI) + Math.imul(y, M1_LO) | 0;
    x = Math.imul(x, M1_LO);
    x ^= key_lo;
    y ^= key_hi;
    x ^= x >>> 27 | y << 5;
    y ^= y >>> 27;
    const z = Math.imul(x, M2_LO);
    y = high(x, M2_LO) + Math.imul(x, M2_HI) + Math.imul(y, M2_LO) | 0;
    bits[j] = z ^ (z >>> 31 | y << 1);
    bits[j + 1] = y ^ y >>> 31;
    lo = (lo >>> 0) + (GOLDEN_LO >>> 0);
    hi = hi + GOLDEN_HI + (lo > 0xffffffff ? 1 : 0) | 0;
    lo |= 0;
  }
}

const us = new Float32Array(HALF), asInt = new Int32Array(us.buffer), radii = new Float32Array(HALF);
const SQRT_HALF_BITS = 0x3F3504F3;

// radii (512,) = scale·√(−2 log u), u from the upper 31 bits of each word, with float32's roundings: a
// product of two of them is exact in a float64. Loops apart, so that their waits overlap.
function radiiOf(bits, scale) {
  const [L0, L1, L2, L3, L4, L5, L6, L7, L8] = LOG;
  for (let j = 0; j < HALF; j++) us[j] = fround(bits[j] >>> 1) * 2 ** -31 + 2 ** -33;
  for (let j = 0; j < HALF; j++) {
    const b = asInt[j], e = b - SQRT_HALF_BITS >> 23;
    asInt[j] = b - (e << 23);
    radii[j] = fround(e) * LN2_32;
  }
  for (let j = 0; j < HALF; j++) {
    const m = fround(us[j] - 1);
    let p = fround(L8 * m + L7);
    p = fround(p * m + L6); p = fround(p * m + L5); p = fround(p * m + L4); p = fround(p * m + L3);
    p = fround(p * m + L2); p = fround(p * m + L1); p = fround(p * m + L0);
    const log = fround(p * m + radii[j]);
    radii[j] = fround(Math.sqrt(log < 0 ? -2 * log : 0)) * scale;
  }
}

// g[at … at + 1023] = scale × the unit normals of one block, by Box and Muller.
function normalsOfBlock(bits, g, at, block, keys, scale) {
  const [S0, S1, S2, S3, S4] = SIN, [C0, C1, C2, C3, C4, C5] = COS;
  fillBits(bits, block * HALF, keys);
  radiiOf(bits, fround(scale));
  for (let j = 0; j < HALF; j++) {
    const y = fround(fround(bits[HALF + j] | 0) * 2 ** -31), v = fround(y * y);
    let s = fround(S4 * v + S3), c = fround(C5 * v + C4);
    s = fround(s * v + S2); s = fround(s * v + S1); s = fround(s * v + S0);
    c = fround(c * v + C3); c = fround(c * v + C2); c = fround(c * v + C1); c = fround(c * v + C0);
    g[at + j] = radii[j] * fround(s * y);
    c = fround(radii[j] * c);
    g[at + HALF + j] = c * (1 - 2 * (bits[j] & 1));  // a branch would be guessed wrong half the time
  }
}

// Unit normals (n,) times scale, of (seed, step, stream).
function normals(n, seed, step, stream, scale = 1) {
  const whole = Math.ceil(n / BLOCK) * BLOCK, g = new Float32Array(whole);
  const bits = new Uint32Array(2 * HALF), keys = streamKeys(seed, step, stream);
  for (let block = 0; block * BLOCK < n; block++)
    normalsOfBlock(bits, g, block * BLOCK, block, keys, scale);
  return g.subarray(0, n);
}

// Uniform numbers (n,) in [0, 1), of 53 bits.
function uniforms(n, seed, step, stream) {
  const bits = new Uint32Array(2 * n), u = new Float64Array(n);
  fillBits(bits, 0, streamKeys(seed, step, stream));
  for (let j = 0; j < n; j++) u[j] = (bits[2 * j + 1] * 2 ** 21 + (bits[2 * j] >>> 11)) * 2 ** -53;
  return u;
}
