// The two pictures, in the colours of the style sheet.

const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name);
const STROKES = {  // all three often coincide: each is drawn thinner than the one below it
  grid: { width: 9, alpha: 0.6, dash: [] },
  walkers: { width: 4, alpha: 1, dash: [] },
  theory: { width: 2, alpha: 1, dash: [8, 6] },
};
const INK = { grid: "exact-ink", walkers: "walkers-ink", theory: "formula" };
const LINE = { grid: "exact", walkers: "walkers", theory: "formula" };
const PEAK = 1 / Math.sqrt(2 * Math.PI);  // of a mode that has all the weight

// A drawing context in CSS pixels, sharp on any screen, with its size.
function surface(canvas) {
  const { width, height } = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const c = canvas.getContext("2d");
  c.setTransform(scale, 0, 0, scale, 0, 0);
  c.lineJoin = "round";
  const style = getComputedStyle(document.documentElement);
  const size = parseFloat(style.fontSize) * (width < 400 ? 0.9 : 1.05);
  c.face = weight => `${weight} ${size}px ${style.fontFamily}`;
  return { c, width, height, size };
}

// Round numbers in [low, high], about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= raw * (1 - 1e-9));
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) out.push(k * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  if (out.length < 2 && high > low) return ticks(low, high, 2 * count);
  const text = v => minus(Math.abs(v) >= 1e5 ? v.toExponential(0) : v.toFixed(Math.min(digits, 9)));
  return out.map(v => [v, text(v)]);
}

// Heights at least `gap` apart and within [low, high], as near to the wanted ones as can be.
function apart(wanted, gap, low, high) {
  const order = wanted.map((_, i) => i).sort((i, j) => wanted[i] - wanted[j]), groups = [];
  const middle = g => g.reduce((sum, i) => sum + wanted[i], 0) / g.length;
  const centre = g => {
    const half = gap * (g.length - 1) / 2;
    return Math.max(low + half, Math.min(high - half, middle(g)));
  };
  for (const i of order) {
    groups.push([i]);
    while (groups.length > 1) {
      const [one, two] = groups.slice(-2);
      if (centre(two) - centre(one) >= gap * (one.length + two.length) / 2 - 1e-9) break;
      groups.splice(-2, 2, [...one, ...two]);
    }
  }
  const out = [];
  for (const g of groups) g.forEach((i, k) => { out[i] = centre(g) + gap * (k - (g.length - 1) / 2); });
  return out;
}

// Lowest and highest θ that the picture must hold.
function range(run) {
  let low = run.theta_star, high = run.theta_star;
  for (const θ of Object.values(run.theta))
    for (const v of θ) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
  const pad = Math.max(0.07 * (high - low), 0.05);
  return [low - pad, high + pad];
}

// θ(t): what has been in full colour, what is to come faint, the cursor between them. `run.grip` is
// the width that is kept for a hand beside the axis, `run.held` the range that it holds. Gives the box
// of the curves, with the range.
function drawPaths(canvas, run, frame) {
  const { c, width, height, size } = surface(canvas), narrow = width < 520;
  const names = { ...(narrow ? SHORT : NAMES), walkers: run.green ?? NAMES.walkers };
  const target = narrow ? `θ* = ${plain(run.theta_star)}` : `target θ* = ${plain(run.theta_star)}`;
  const [low, high] = run.held ?? range(run), marks = ticks(low, high, height / 60), { grip = 0 } = run;
  c.font = c.face(400);
  const left = Math.max(...marks.map(([, text]) => c.measureText(text).width)) + 12 + grip;
  c.font = c.face(700);
  const shown = BACKENDS.filter(name => name in run.theta);
  const right = Math.max(...[target, ...shown.map(n => names[n])].map(s => c.measureText(s).width));
  const box = { left, right: width - right - 12, top: 8, bottom: height - 2.6 * size, grip };
  const end = run.t[run.t.length - 1] || 1, now = record(run, frame);
  const X = t => box.left + (box.right - box.left) * t / end;
  const Y = θ => box.bottom - (box.bottom - box.top) * (θ - low) / (high - low);
  axes(c, box, marks.map(([v, s]) => [Y(v), s]), ticks(0, end, (box.right - box.left) / 90)
    .map(([v, s]) => [X(v), s]), "time t", size);
  line(c, [[box.left, Y(run.theta_star)], [box.right, Y(run.theta_star)]], colour("data"), 3);
  for (const name of shown) {
    const points = Array.from(run.theta[name], (θ, k) => [X(run.t[k]), Y(θ)]);
    path(c, name, points, 0.28);
    path(c, name, points.slice(0, now + 1), STROKES[name].alpha);
  }
  line(c, [[X(run.t[now]), box.top], [X(run.t[now]), box.bottom]], colour("ink"), 1.5);
  for (const name of shown) dot(c, X(run.t[now]), Y(run.theta[name][now]), name);
  const ends = [...shown.map(n => lastFinite(run.theta[n])), run.theta_star].map(Y);
  const words = [...shown.map(n => [names[n], INK[n]]), [target, "data"]];
  c.font = c.face(700);
  c.textAlign = "left";
  apart(ends, 1.25 * size, box.top + 0.6 * size, box.bottom).forEach((y, i) => {
    c.fillStyle = colour(words[i][1]);
    c.fillText(words[i][0], box.right + 8, y);
  });
  return { ...box, low, high };
}

function lastFinite(values) {
  for (let k = values.length - 1; k >= 0; k--) if (Number.isFinite(values[k])) return values[k];
  return 0;
}

// Grid lines, numbers at them, and the name of the horizontal axis.
function axes(c, box, rows, columns, name, size) {
  c.font = c.face(400);
  c.textBaseline = "middle";
  c.textAlign = "right";
  c.fillStyle = colour("soft");
  for (const [y, text] of rows) {
    line(c, [[box.left, y], [box.right, y]], colour("line"), 1);
    c.fillText(text, box.left - 6 - (box.grip ?? 0), y);
  }
  line(c, [[box.left, box.bottom], [box.right, box.bottom]], colour("soft"), 1);
  c.textAlign = "center";
  for (const [x, text] of columns) c.fillText(text, x, box.bottom + 0.75 * size);
  c.fillText(name, (box.left + box.right) / 2, box.bottom + 1.95 * size);
}

function line(c, points, stroke, width) {
  c.strokeStyle = stroke;
  c.lineWidth = width;
  c.beginPath();
  points.forEach(([x, y]) => c.lineTo(x, y));
  c.stroke();
}

// A curve of a backend, interrupted where it is not finite.
function path(c, name, points, alpha) {
  c.save();
  c.globalAlpha = alpha;
  c.setLineDash(STROKES[name].dash);
  const finite = points.filter(([, y]) => Number.isFinite(y));
  line(c, finite, colour(LINE[name]), STROKES[name].width);
  c.restore();
}

function dot(c, x, y, name) {
  if (!Number.isFinite(y)) return;
  c.fillStyle = colour(LINE[name]);
  c.strokeStyle = colour("paper");
  c.lineWidth = 1.5;
  c.beginPath();
  c.arc(x, y, { grid: 9, walkers: 6.5, theory: 4 }[name], 0, 7);
  c.fill();
  c.stroke();
}

// Data, model and walkers at a frame, on a fixed scale: heights at two times can be compared. Below
// them single walkers, where some are followed.
function drawDensities(canvas, run, frame, told) {
  const { c, width, height, size } = surface(canvas), rows = run.followed ? ROW * (FOLLOWED + 1) : 0;
  const box = { left: 4, right: width - 4, top: 4, bottom: height - (rows ? 1.4 : 2.6) * size - rows };
  const X = x => box.left + (box.right - box.left) * (x - run.low) / (run.high - run.low);
  const full = box.top + 4.4 * size;  // below the words, the height of PEAK
  const Y = ρ => Math.max(box.bottom - (box.bottom - full) * ρ / PEAK, box.top);
  const named = [`a = ${plain(run.a)}`, `b = ${plain(run.b)}`];
  c.font = c.face(400);
  const wide = named.map(text => c.measureText(text).width / 2 + 5), clear = wide[0] + wide[1];
  const marks = apart([X(run.a), X(run.b)], clear, box.left, box.right).map((x, k) => [x, named[k]]);
  const xs = Array.from({ length: 801 }, (_, i) => run.low + (run.high - run.low) * i / 800);
  const curve = θ => xs.map(x => [X(x), Y(density(x, θ, run.a, run.b))]);
  const edge = i => X(run.low + (run.high - run.low) * i / run.bins);
  const steps = heights => Array.from(heights).flatMap((h, i) => {
    const y = Y(h * run.bins / (run.high - run.low));
    return [[edge(i), y], [edge(i + 1), y]];
  });
  c.save();
  c.globalAlpha = 0.35;
  c.fillStyle = colour("data");
  c.beginPath();
  c.moveTo(box.left, box.bottom);
  (run.data ? steps(run.data) : curve(run.theta_star)).forEach(([x, y]) => c.lineTo(x, y));
  c.lineTo(box.right, box.bottom);
  c.fill();
  c.restore();
  const model = told.theta[run.judged], walkers = walkersAt(run, frame);
  if (walkers) line(c, steps(walkers), colour("walkers"), 2);
  if (Number.isFinite(model)) line(c, curve(model), colour("exact"), 3);
  axes(c, { ...box, bottom: box.bottom + rows }, [], marks, rows ? "" : "x", size);
  if (rows) drawFollowed(c, run, frame, X, box);
  const words = [[`data: ${told.q_star.toFixed(3)} in b`, "data"]];
  if (Number.isFinite(model)) words.push([`model: ${weightB(model).toFixed(3)} in b`, "exact-ink"]);
  const share = told.mode_b.walkers;
  if (Number.isFinite(share)) words.push([`${run.negatives ?? NAMES.walkers}: ${share.toFixed(3)} in b`, "walkers-ink"]);
  c.font = c.face(700);
  c.textAlign = "left";
  words.forEach(([text, ink], i) => {
    c.fillStyle = colour(ink);
    c.fillText(text, box.left + 4, box.top + size * (0.75 + 1.3 * i));
  });
}

const FOLLOWED = 6, ROW = 6, TRAIL = 6;  // walkers; pixels of each; frames that are still seen

// Single walkers, each in a row of its own: where it is, and where it was just before. A walker of
// large weight is large.
function drawFollowed(c, run, frame, X, { left, right, bottom }) {
  const from = Math.max(0, frame - TRAIL);
  line(c, [[left, bottom], [right, bottom]], colour("soft"), 1);
  for (let j = 0; j < FOLLOWED; j++) {
    const y = bottom + ROW * (j + 1);
    const xs = Array.from({ length: frame - from + 1 }, (_, k) => X(run.followed.x[(from + k) * FOLLOWED + j]));
    c.save();
    c.globalAlpha = 0.35;
    if (xs.every(Number.isFinite)) line(c, xs.map(x => [x, y]), colour("walkers"), 2);
    c.restore();
    c.fillStyle = colour("walkers");
    c.beginPath();
    c.arc(xs[xs.length - 1], y, 3.2 * Math.sqrt(Math.min(run.followed.w[frame * FOLLOWED + j], 3)), 0, 7);
    c.fill();
  }
}
