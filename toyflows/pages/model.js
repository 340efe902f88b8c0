// What the page knows: the runs as they were recorded, and the mixture's formulas
// (toyflows/mixture.py; a test holds the two equal).

const book = JSON.parse(document.getElementById("data").textContent);
const BACKENDS = ["grid", "walkers", "theory"];
const SHORT = { grid: "exact", walkers: "walkers", theory: "formula" };
const NAMES = { grid: "exact law", walkers: "walkers", theory: "lecture’s formula" };

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const floats = text => new Float64Array(bytes(text).buffer);
const shares = packed =>
  Float64Array.from(new Uint16Array(bytes(packed.values).buffer), v => v / packed.per);

const softplus = z => Math.max(z, 0) + Math.log1p(Math.exp(-Math.min(Math.abs(z), 700)));
const logZ = θ => softplus(-θ) + 0.5 * Math.log(2 * Math.PI);
const weightB = θ => {
  const e = Math.exp(-Math.min(Math.abs(θ), 700));
  return (θ >= 0 ? e : 1) / (1 + e);
};
const energy = (x, θ, a, b) =>
  0.5 * (x - a) ** 2 - softplus((b - a) * (x - 0.5 * (a + b)) - θ);
const density = (x, θ, a, b) => Math.exp(-energy(x, θ, a, b) - logZ(θ));

const opened = new Map();

// The run at a place of book.runs, decoded once.
function open(place) {
  if (!opened.has(place)) {
    const run = { ...book.runs[place] };
    run.t = floats(run.t);
    for (const column of ["theta", "mode_b"])
      run[column] = Object.fromEntries(
        Object.entries(run[column]).map(([name, text]) => [name, floats(text)]));
    run.last = Math.ceil((run.t.length - 1) / run.points);  // the last frame
    run.histogram = run.histogram ? shares(run.histogram) : null;
    run.data = run.data ? shares(run.data) : null;
    opened.set(place, run);
  }
  return opened.get(place);
}

// Place in run.t of a frame.
const record = (run, frame) => Math.min(frame * run.points, run.t.length - 1);

// The frame whose time is nearest to t.
function nearest(run, t) {
  let best = 0;
  for (let k = 1; k <= run.last; k++)
    if (Math.abs(run.t[record(run, k)] - t) < Math.abs(run.t[record(run, best)] - t)) best = k;
  return best;
}

// Shares of the walkers in the bins at a frame, or null where none were recorded.
function walkersAt(run, frame) {
  const row = (frame - run.first) * run.bins;
  if (!run.histogram || row < 0 || row >= run.histogram.length) return null;
  return run.histogram.subarray(row, row + run.bins);
}

// Everything that the page says of a frame, as numbers.
function numbersOf(run, frame) {
  const k = record(run, frame);
  const at = columns => Object.fromEntries(Object.entries(columns).map(([n, v]) => [n, v[k]]));
  const theta = at(run.theta);
  const q = Object.fromEntries(Object.entries(theta).map(([n, θ]) => [n, weightB(θ)]));
  const walkers = walkersAt(run, frame);
  return {
    frame, t: run.t[k], theta, q, mode_b: at(run.mode_b), theta_star: run.theta_star,
    q_star: weightB(run.theta_star), histogram: walkers && Array.from(walkers),
    loss: run.loss, kind: run.kind, phase: phase(run, k),
  };
}

// Where θ is and how it moves, in words, at a record: no word of what comes of it.
function phase(run, k) {
  const θ = run.theta[run.judged], gap = θ[k] - run.theta_star;
  const star = `θ* = ${plain(run.theta_star)}`;
  if (!Number.isFinite(gap)) return "θ has left the finite numbers.";
  if (Math.abs(gap) <= run.near) return `θ is at ${star}.`;
  const far = plain(Math.abs(gap));
  for (let j = k; j > 0; j--)
    if ((θ[j] - run.theta_star) * (θ[j - 1] - run.theta_star) < 0)
      return `θ passed ${star} at t = ${plain(run.t[j])} and is ${far} beyond it.`;
  const before = Math.abs(θ[Math.max(k - 1, 0)] - run.theta_star);
  const after = Math.abs(θ[Math.min(k + 1, θ.length - 1)] - run.theta_star);
  const share = (before - after) / Math.abs(gap);
  const way = share > 1e-6 ? "coming nearer" : share < -1e-6 ? "going away" : "not moving";
  return `θ is ${far} from ${star}, ${way}.`;
}

// Three significant digits or so, with a true minus.
const plain = v => minus(String(Number(v.toPrecision(3))));
const minus = text => text.replace(/-(?=[\d.])/g, "−");

function signed(v) {
  if (!Number.isFinite(v)) return "–";
  if (Math.abs(v) >= 1e4) return minus(v.toExponential(2));
  const digits = Math.abs(v).toFixed(3);
  return (digits === "0.000" ? "" : v < 0 ? "−" : "+") + digits;
}
