// The picture of the network, and its energy as units are looked at.

const { rows: LETTERS, names: NAMED, width: ACROSS } = book.patterns;

// Units as squares: +1 is ink, −1 is paper.
function drawUnits(c, s, x, y, size, marked = -1) {
  for (let i = 0; i < s.length; i++) {
    const left = x + size * (i % ACROSS), top = y + size * Math.floor(i / ACROSS);
    c.fillStyle = colour(s[i] > 0 ? "walkers" : "line");
    c.fillRect(left + 0.5, top + 0.5, size - 1, size - 1);
    if (i !== marked) continue;
    c.strokeStyle = colour("exact");
    c.lineWidth = 3;
    c.strokeRect(left + 1.5, top + 1.5, size - 3, size - 3);
  }
}

function drawState(canvas, frames, k, s) {
  const { c, width, height, size } = surface(canvas), frame = frames[k], rows = frame.s.length / ACROSS;
  const cell = Math.min((height - 2 * size) / rows, width * 0.62 / ACROSS);
  drawUnits(c, frame.s, 4, 4, cell, frame.unit);
  const small = Math.min(cell / 3.2, (width - cell * ACROSS - 30) / ACROSS), left = cell * ACROSS + 22;
  const each = Math.min((height - 8) / s.stored, rows * small + 1.6 * size), part = Math.min(small, (each - 1.5 * size) / rows);
  c.font = c.face(600);
  c.textBaseline = "middle";
  c.textAlign = "left";
  LETTERS.slice(0, s.stored).forEach((row, j) => {
    drawUnits(c, row, left, 4 + each * j, part);
    c.fillStyle = colour("ink");
    const m = core.overlap(frame.s, row);
    c.fillText(`${NAMED[j]}: ${minus(m.toFixed(2))}`, left, 4 + each * j + rows * part + 0.7 * size);
  });
}

function drawEnergy(canvas, frames, k) {
  const { c, width, height, size } = surface(canvas), E = frames.map(f => f.E);
  const low = Math.min(...E), high = Math.max(...E), pad = 0.06 * (high - low) || 1;
  const marks = ticks(low - pad, high + pad, height / 60);
  c.font = c.face(400);
  const left = Math.max(...marks.map(([, text]) => c.measureText(text).width)) + 18;
  const box = { left, grip: 6, right: width - 1.4 * size, top: 8, bottom: height - 2.6 * size };
  const X = j => box.left + (box.right - box.left) * j / lastFrame();
  const Y = v => box.bottom - (box.bottom - box.top) * (v - low + pad) / (high - low + 2 * pad);
  axes(c, box, marks.map(([v, t]) => [Y(v), t]),
    ticks(0, lastFrame(), (box.right - box.left) / 90).map(([v, t]) => [X(v), t]), "units looked at", size);
  const points = E.map((v, j) => [X(j), Y(v)]);
  c.globalAlpha = 0.3;
  line(c, points, colour("exact"), 4);
  c.globalAlpha = 1;
  line(c, points.slice(0, k + 1), colour("exact"), 4);
  dot(c, X(k), Y(E[k]), "grid");
}

// What the units show, where that is a stored letter.
function shownBy(state, stored) {
  const m = LETTERS.slice(0, stored).map(row => core.overlap(state, row));
  const j = m.findIndex(v => Math.abs(v) === 1);
  return j < 0 ? "" : ` The units show ${NAMED[j]}${m[j] > 0 ? "" : " with every unit turned"}.`;
}

const VIEW = {
  titles: () => ["units; stored letters and overlaps m", "energy E(s)"],
  clock: (frames, k) => `looks: ${k}`,
  now(frames, k, s) {
    const changed = frames[0].s.reduce((sum, v, i) => sum + (v !== frames[k].s[i]), 0);
    return `${changed} of ${frames[0].s.length} units have changed; E = ${frames[k].E.toFixed(0)}, `
      + `overlap with ${s.letter}: m = ${minus(frames[k].m.toFixed(2))}.${shownBy(frames[k].s, s.stored)}`;
  },
  numbers: (frames, k) => ({ s: Array.from(frames[k].s), E: frames[k].E, m: frames[k].m }),
  draw(left, right, frames, k, s) {
    drawState(left, frames, k, s);
    drawEnergy(right, frames, k);
  },
};
