// The loop in the plane of θ and the share of negatives in mode b, and θ(t).

function curve(canvas, frames, k, { x, y, across, up, level, name }) {
  const { c, width, height, size } = surface(canvas), marks = ticks(...up, height / 60);
  c.font = c.face(400);
  const left = Math.max(...marks.map(([, text]) => c.measureText(text).width)) + 18;
  const box = { left, grip: 6, right: width - 1.6 * size, top: 10, bottom: height - 2.6 * size };
  const X = v => box.left + (box.right - box.left) * (v - across[0]) / (across[1] - across[0]);
  const Y = v => box.bottom - (box.bottom - box.top) * (v - up[0]) / (up[1] - up[0]);
  axes(c, box, marks.map(([v, t]) => [Y(v), t]),
    ticks(...across, (box.right - box.left) / 90).map(([v, t]) => [X(v), t]), name, size);
  for (const points of level(across)) line(c, points.map(([u, v]) => [X(u), Y(v)]), colour("data"), 2.5);
  const points = frames.map(f => [X(x(f)), Y(y(f))]);
  c.globalAlpha = 0.25;
  line(c, points, colour("exact"), 3);
  c.globalAlpha = 1;
  line(c, points.slice(0, k + 1), colour("exact"), 3);
  dot(c, ...points[k], "grid");
}

// The least and the largest, with a little room.
function span(values) {
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const pad = 0.05 * (high - low) || 0.5;
  return [low - pad, high + pad];
}

const share = θ => [θ, core.weightB(θ)];

const VIEW = {
  titles: () => ["share of negatives in mode b, against θ", "θ over time"],
  clock: (frames, k) => `t = ${frames[k].t.toFixed(0)}`,
  now(frames, k, s) {
    const { t, θ, q } = frames[k], seen = frames.slice(0, k + 1);
    const crossed = seen.filter((f, j) => j && (f.θ - s.theta_star) * (seen[j - 1].θ - s.theta_star) < 0).length;
    return `t = ${t.toFixed(0)}: θ = ${θ.toPrecision(4)}; the model has ${core.weightB(θ).toFixed(3)} in mode b, `
      + `the negatives ${q.toFixed(3)}. θ has crossed θ* ${crossed} times.`;
  },
  numbers: (frames, k) => ({ ...frames[k] }),
  draw(left, right, frames, k, s) {
    const θs = span([...frames.map(f => f.θ), s.theta_star]), at = core.weightB(s.theta_star);
    curve(left, frames, k, { x: f => f.θ, y: f => f.q, across: θs, up: [-0.05, 1.05], name: "θ",
      level: ([low, high]) => [Array.from({ length: 200 }, (_, j) => share(low + (high - low) * j / 199)),
        [[s.theta_star, at - 0.04], [s.theta_star, at + 0.04]]] });
    curve(right, frames, k, { x: f => f.t, y: f => f.θ, across: [0, s.time], up: θs, name: "time t",
      level: across => [across.map(t => [t, s.theta_star])] });
  },
};
