// The spins, and m over the sweeps beside Onsager's value.

function drawSpins(canvas, { x }, { L }) {
  const { c, width, height } = surface(canvas), side = Math.min(width, height) - 6, cell = side / L;
  c.fillStyle = colour("line");
  c.fillRect(2, 2, side, side);
  c.fillStyle = colour("walkers");
  for (let i = 0; i < x.length; i++)
    if (x[i] > 0) c.fillRect(2 + cell * (i % L), 2 + cell * Math.floor(i / L), cell + 0.3, cell + 0.3);
}

// Where Onsager has m of the infinite lattice: ± the same.
function levels(s) {
  const m = core.onsager(s.T);
  return s.h !== 0 ? [] : m ? [m, -m] : [0];
}

function drawMagnetisation(canvas, frames, k, s) {
  const { c, width, height, size } = surface(canvas);
  const box = { left: 3.5 * size, grip: 6, right: width - 1.4 * size, top: 10, bottom: height - 2.6 * size };
  const X = j => box.left + (box.right - box.left) * j / lastFrame();
  const Y = m => box.bottom - (box.bottom - box.top) * (m + 1.05) / 2.1;
  axes(c, box, ticks(-1, 1, 4).map(([v, t]) => [Y(v), t]),
    ticks(0, lastFrame(), (box.right - box.left) / 90).map(([v, t]) => [X(v), t]), "sweeps", size);
  for (const m of levels(s)) line(c, [[box.left, Y(m)], [box.right, Y(m)]], colour("exact"), 3);
  const points = frames.map((f, j) => [X(j), Y(f.m)]);
  c.globalAlpha = 0.3;
  line(c, points, colour("walkers"), 2.5);
  c.globalAlpha = 1;
  line(c, points.slice(0, k + 1), colour("walkers"), 2.5);
  dot(c, X(k), Y(frames[k].m), "walkers");
}

const VIEW = {
  titles: (frames, k, s) => [`${s.L} × ${s.L} spins`, "m of the spins; infinite lattice in orange"],
  clock: (frames, k) => `sweep ${k}`,
  now(frames, k, s) {
    const { m, e } = frames[k], exact = core.onsager(s.T);
    const told = s.h !== 0 ? "" : ` Exact: this lattice has e = ${core.finite(s).toFixed(3)} on average, `
      + `the infinite one |m| = ${exact.toFixed(3)}.`;
    return `m = ${m.toFixed(3)}, energy a spin e = ${e.toFixed(3)}.${told}`;
  },
  numbers: (frames, k, s) => ({ m: frames[k].m, e: frames[k].e, exact: core.finite(s) }),
  draw(left, right, frames, k, s) {
    drawSpins(left, frames[k], s);
    drawMagnetisation(right, frames, k, s);
  },
};
