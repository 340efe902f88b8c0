// The Ising lattice (toyflows/lattice/ising.py, kernels/ising.py) by heat bath or Metropolis in two
// colours, with the same random bits. A sub-lattice x[a, b] holds the sites s[2i + a][2j + b].

const NEIGHBOURS = [-4, -2, 0, 2, 4];

// P(new spin = +1) for the old spins −1 and +1, a place for each sum of neighbours: [p, 1 − p].
function ruleOf(sampler, T, h) {
  const climb = NEIGHBOURS.map(n => 2 / T * (n + h));
  const expit = z => 1 / (1 + Math.exp(-z));
  if (sampler === "heat-bath") {
    const both = climb.map(z => [expit(z), expit(-z)]);
    return [both, both];
  }
  const up = climb.map(z => Math.exp(Math.min(0, z))), down = climb.map(z => Math.exp(Math.min(0, -z)));
  return [up.map(p => [p, 1 - p]), down.map(p => [1 - p, p])];
}

// A probability in units of 2^−64, from the smaller of the two, as its upper and lower 32 bits.
function unitsOf([p, q]) {
  const scaled = v => BigInt(Math.floor(v * 2 ** 32)) * 2n ** 32n
    + BigInt(Math.floor((v * 2 ** 32 % 1) * 2 ** 32));
  const whole = p < q ? scaled(p) : 2n ** 64n - scaled(q), most = 2n ** 64n - 1n;
  const cut = whole < most ? whole : most;
  return [Number(cut >> 32n), Number(cut & 0xffffffffn)];
}

// The new spin for a sum of neighbours and 64 random bits.
function spin(units, around, hi, lo) {
  const [high, low] = units[(around + 4) / 2];
  return hi < high || (hi === high && lo < low) ? 1 : -1;
}

// All sites of x[a, b], given the other colour.
function updateColour(x, L, a, b, rule, keys) {
  const half = L / 2, bits = new Uint32Array(2 * half * half);
  fillBits(bits, 0, keys);
  for (let i = 0; i < half; i++) for (let j = 0; j < half; j++) {
    const row = 2 * i + a, column = 2 * j + b, at = row * L + column, k = 2 * (i * half + j);
    const around = x[(row + 1) % L * L + column] + x[(row + L - 1) % L * L + column]
      + x[row * L + (column + 1) % L] + x[row * L + (column + L - 1) % L];
    x[at] = spin(rule[x[at] > 0 ? 1 : 0], around, bits[k + 1], bits[k]);
  }
}

function sweepOf(x, L, rule, seed, sweep) {
  for (let colour = 0; colour < 2; colour++)
    for (let a = 0; a < 2; a++) {
      const b = a ^ colour;
      updateColour(x, L, a, b, rule, streamKeys(seed, sweep, STREAM.accept + PURPOSES * (2 * a + b)));
    }
}

function bonds(x, L) {
  let sum = 0;
  for (let i = 0; i < L; i++) for (let j = 0; j < L; j++)
    sum += x[i * L + j] * (x[(i + 1) % L * L + j] + x[i * L + (j + 1) % L]);
  return sum;
}

// From all spins up, or as a coin has them.
function beginning({ L, begin, seed }) {
  if (begin === "ordered") return new Int8Array(L * L).fill(1);
  return Int8Array.from(uniforms(L * L, seed, 0, STREAM.coin), u => (u < 0.5 ? 1 : -1));
}

const total = ({ sweeps }) => sweeps + 1;

// A frame a sweep: the spins, m and e per spin.
function* run(s) {
  const { L, T, h, sampler, seed, sweeps } = s, x = beginning(s), N = L * L;
  const rule = ruleOf(sampler, T, h).map(row => row.map(unitsOf));
  const frame = () => {
    const M = x.reduce((sum, v) => sum + v, 0);
    return { x: x.slice(), m: M / N, e: (-bonds(x, L) - h * M) / N };
  };
  yield frame();
  for (let k = 0; k < sweeps; k++) {
    sweepOf(x, L, rule, seed, k);
    yield frame();
  }
}

// |m| of the infinite lattice without a field (Onsager, Yang).
const onsager = T => (T >= constants.T_c ? 0 : (1 - Math.sinh(2 / T) ** -4) ** 0.125);

// The exact mean energy a spin of this very lattice without a field.
const finite = ({ L, T }) => constants.energies[L][Math.round(100 * T) - 100];

return { run, total, onsager, finite };
