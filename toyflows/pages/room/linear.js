// A flow of several coordinates linearised where it rests (toyflows/linear.py). A complex number is
// {re, im}.

const { step: STEP, round_off: NO_PART, newton: NEWTON, lost: NO_DAMPING } = constants.linear;

// (θ, the further coordinates) ↦ their rates, before `rate`, the particles as they are.
const ratesOf = ({ flow, o, ops, state: { chains } }) => ([θ, ...y]) =>
  flow.velocity(o, ops, θ, flow.negatives(o, ops, θ, chains, y), y);

// Of the Jacobian at the method's own rest, the slowest to decay first; null where it has none.
function eigenvalues(end) {
  const { flow, o, ops } = end, found = atRest(ratesOf(end), [end.star, ...flow.rest(o, ops.target)]);
  if (!found) return null;
  return rootsOf(found.J).map(({ re, im }) => {
    const size = Math.hypot(re, im), none = v => (Math.abs(v) < NO_PART * size ? 0 : v);
    return { re: none(im) !== 0 && Math.abs(re) < NO_DAMPING ? 0 : none(re), im: none(im) };
  }).sort((u, v) => v.re - u.re || v.im - u.im);
}

// The largest rate·dt at which Euler's steps damp what the flow damps; Infinity if all of them do.
const largestStep = λ => least(λ.filter(z => z.re < 0).map(z => 2 * -z.re / Math.hypot(z.re, z.im) ** 2));
// Does the linearised flow turn for ever: some λ imaginary, none growing?
const circles = λ => λ.some(z => z.re === 0 && z.im !== 0) && λ.every(z => z.re <= 0);

// What the slowest pair of eigenvalues does, as a sentence; "" where all are real.
function motion(λ, rate) {
  const z = λ.find(({ im }) => im > 0);
  if (!z) return "";
  const spiral = z.re < 0 ? "a damped spiral" : "a growing spiral";
  const period = pyFormat(2 * π / (rate * z.im), 3);
  return `Small motions about the rest: ${z.re ? spiral : "an undamped circle"} of period ${period}.`;
}

// {J, y} where the rates are 0, by Newton's steps; null: none within `reach`, or a jump there.
function atRest(rates, y, reach = 10) {
  for (let k = 0; k < NEWTON; k++) {
    const { J, smooth } = jacobian(rates, y), step = leastSquares(J, rates(y).map(v => -v));
    if (step.every((v, j) => Math.abs(v) < 1e-9 * (1 + Math.abs(y[j]))))
      return smooth ? { J, y: plus(y, step) } : null;
    if (!step.every(v => Math.abs(v) < reach)) return null;
    y = plus(y, step);
  }
  return null;
}

// By differences of order four; smooth: those of order two, with one step and with two, agree.
function jacobian(rates, y) {
  const by = k => y.map((_, j) => {
    const e = unit(y.length, j, k * STEP);
    return plus(rates(plus(y, e)), rates(plus(y, e, -1)), -1).map(d => d / (2 * k * STEP));
  });
  const [near, far] = [by(1), by(2)], off = near.map((col, j) => largest(plus(col, far[j], -1)));
  const J = transposed(near.map((col, j) => col.map((v, i) => (4 * v - far[j][i]) / 3)));
  return { J, smooth: most(off) <= 0.01 * most(near.map(largest)) };
}

// The shortest x with J x = b, as near as that can be: by turning J's columns until they are at right
// angles (Jacobi). A direction in which J is lost in round-off is left as it is.
function leastSquares(J, b) {
  const n = J.length, u = transposed(J), v = u.map((_, k) => unit(n, k));
  for (let sweep = 0; sweep < 30; sweep++)
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) turn(u, v, p, q);
  const sizes = u.map(col => dot(col, col)), lost = (n * Number.EPSILON) ** 2 * most(sizes);
  return u.reduce((x, col, k) => (sizes[k] > lost ? plus(x, v[k], dot(col, b) / sizes[k]) : x), unit(n, n));
}

function turn(u, v, p, q) {
  const across = dot(u[p], u[q]), [a, b] = [dot(u[p], u[p]), dot(u[q], u[q])];
  if (Math.abs(across) <= Number.EPSILON * Math.sqrt(a * b)) return;
  const ζ = (b - a) / (2 * across), t = positive(ζ) / (Math.abs(ζ) + Math.hypot(1, ζ));
  const c = 1 / Math.hypot(1, t), s = c * t;
  for (const m of [u, v]) [m[p], m[q]] = [m[p].map((x, i) => c * x - s * m[q][i]), m[q].map((x, i) => s * m[p][i] + c * x)];
}

// The eigenvalues of a matrix of two or three rows: the roots of λ² − tr λ + det, or of
// λ³ − tr λ² + m λ − det, whose real root is found first.
function rootsOf(J) {
  const trace = J.reduce((sum, row, k) => sum + row[k], 0);
  const minor = (i, j) => J[i][i] * J[j][j] - J[i][j] * J[j][i];
  if (J.length === 2) return quadratic(-trace, minor(0, 1));
  const m = minor(0, 1) + minor(0, 2) + minor(1, 2), det = determinant(J);
  const cubic = λ => ((λ - trace) * λ + m) * λ - det;
  const bound = 1 + most([trace, m, det].map(Math.abs)), root = zero(cubic, -bound, bound, -1);
  return [{ re: root, im: 0 }, ...quadratic(root - trace, (root - trace) * root + m)];
}

const determinant = ([[a, b, c], [d, e, f], [g, h, i]]) =>
  a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);

function quadratic(b, c) {
  const half = -b / 2, Δ = half * half - c;
  if (Δ < 0) return [1, -1].map(side => ({ re: half, im: side * Math.sqrt(-Δ) }));
  const far = half + positive(half) * Math.sqrt(Δ);
  return [{ re: far, im: 0 }, { re: far === 0 ? 0 : c / far, im: 0 }];
}
