// The points in the plane with the arrows of the score, and the share of each part.

const REACH = 1.9;  // of the picture, in the largest coordinate of a centre

function planeOf(canvas, law, σ) {
  const { c, width, height, size } = surface(canvas);
  const far = Math.max(...law.means.flat().map(Math.abs), 1) * REACH + Math.min(σ, 40);
  const scale = Math.min(width, height) / (2 * far);
  return { c, size, far, X: x => width / 2 + scale * x, Y: y => height / 2 - scale * y, wide: width / 2 / scale, high: height / 2 / scale };
}

function arrows({ c, X, Y, wide, high }, law, σ) {
  const across = 13, gap = 2 * Math.min(wide, high) / across, places = [];
  for (let x = -wide + gap / 2; x < wide; x += gap) for (let y = -high + gap / 2; y < high; y += gap) places.push(x, y);
  const s = core.score(law, Float64Array.from(places), σ);
  for (let j = 0; j < places.length; j += 2) {
    const length = Math.hypot(s[j], s[j + 1]) || 1, part = 0.8 * gap * (length / (length + 0.3)) / length;
    const [x, y, u, v] = [places[j], places[j + 1], part * s[j], part * s[j + 1]];
    line(c, [[X(x), Y(y)], [X(x + u), Y(y + v)]], colour("exact"), 1.2);
    const back = [[-0.3, 0.16], [-0.3, -0.16]].map(([f, g]) => [X(x + u + f * u - g * v), Y(y + v + f * v + g * u)]);
    line(c, [back[0], [X(x + u), Y(y + v)], back[1]], colour("exact"), 1.2);
  }
}

function drawPlane(canvas, { x, t }, law, s) {
  const σ = core.σOf(s.sampler === "langevin" ? 0 : t), plane = planeOf(canvas, law, s.sampler === "langevin" ? 0 : σ);
  arrows(plane, law, σ);
  const { c, X, Y } = plane;
  c.fillStyle = colour("walkers");
  c.globalAlpha = 0.75;
  for (let j = 0; j < x.length; j += 2) c.fillRect(X(x[j]) - 1.5, Y(x[j + 1]) - 1.5, 3, 3);
  c.globalAlpha = 1;
}

// A pair of bars for each part: the true weight, and the share of the points.
function drawShares(canvas, found, law) {
  const { c, width, height, size } = surface(canvas), K = law.weights.length;
  const box = { left: 3.2 * size, right: width - 6, top: 10, bottom: height - 2.6 * size };
  const most = Math.max(...law.weights, ...found, 0.3), Y = v => box.bottom - (box.bottom - box.top) * v / most;
  const each = (box.right - box.left) / K, X = k => box.left + each * k;
  axes(c, box, ticks(0, most, 5).map(([v, t]) => [Y(v), t]), law.weights.map((_, k) => [X(k) + each / 2, String(k + 1)]),
    "part", size);
  law.weights.forEach((w, k) => {
    c.fillStyle = colour("data");
    c.fillRect(X(k) + 0.15 * each, Y(w), 0.33 * each, box.bottom - Y(w));
    c.fillStyle = colour("walkers");
    c.fillRect(X(k) + 0.52 * each, Y(found[k]), 0.33 * each, box.bottom - Y(found[k]));
  });
}

const lawOf = s => core.TARGETS[s.target];

const VIEW = {
  titles: () => ["points, and the score as arrows", "share of each part: true (blue), points (green)"],
  clock: (frames, k, s) => (s.sampler === "langevin" ? `step ${k}` : `t = ${frames[k].t.toFixed(3)}`),
  now(frames, k, s) {
    const law = lawOf(s), found = core.shares(law, frames[k].x), noise = core.σOf(frames[k].t);
    const off = 0.5 * found.reduce((sum, v, j) => sum + Math.abs(v - law.weights[j]), 0);
    return `noise σ = ${noise.toPrecision(3)}; the shares are off by ${(100 * off).toFixed(1)} %.`;
  },
  numbers: (frames, k, s) => ({ x: Array.from(frames[k].x), shares: core.shares(lawOf(s), frames[k].x) }),
  draw(left, right, frames, k, s) {
    drawPlane(left, frames[k], lawOf(s), s);
    drawShares(right, core.shares(lawOf(s), frames[k].x), lawOf(s));
  },
};
