// Computes, so that the page can draw: whole runs, verdicts, and a live run in pieces of some ms.

const PIECE = 25;  // ms between two messages
const BEAT = 300;  // ms between two signs of life
const FOLLOWED = 6;  // walkers
const core = engine(constants);
const channel = new MessageChannel();
let current = null;  // number of the live run that is wanted
let own = null;  // the reader's method

// Lets messages in.
const breath = () => new Promise(go => {
  channel.port1.onmessage = go;
  channel.port2.postMessage(0);
});

// Shares of the particles in `bins` bins of [low, high].
function histogram({ x, w }, { low, high, bins }) {
  const counts = new Float32Array(bins), scale = bins / (high - low);
  for (let j = 0; j < x.length; j++) {
    const k = Math.floor((x[j] - low) * scale);
    if (k >= 0 && k < bins) counts[k] += w ? w[j] : 1;
  }
  return w ? counts : counts.map(n => n / x.length);
}

// The places of the first walkers, and their weights: 1 on average.
function followed({ chains, ops }) {
  const x = chains.x.slice(0, FOLLOWED), w = ops.weights(chains);
  return { x, w: x.map((_, j) => (w ? w[j] * w.length : 1)) };
}

// What was seen of all backends since the last message.
class Piece {
  constructor(from) {
    Object.assign(this, { from, rows: {}, crossings: [], histograms: [], places: [] });
  }
  see(courses, bins, frame) {
    for (const [name, run] of Object.entries(courses)) {
      const row = this.rows[name] ??= { θ: [], velocity: [], modeB: [] };
      const gone = run.stopped !== null;
      row.θ.push(gone ? NaN : run.θ);
      row.velocity.push(gone ? NaN : run.velocity);
      row.modeB.push(gone ? NaN : run.modeB);
    }
    const walkers = courses.walkers;
    this.crossings.push(walkers ? walkers.crossings : NaN);
    if (frame && walkers?.negatives && walkers.flow.negative) {
      walkers.ops.weights?.(walkers.negatives);
      this.histograms.push(histogram(walkers.negatives, bins));
    }
    if (frame && walkers?.flow.kept) this.places.push(followed(walkers));
  }
}

async function live(id, s, { backends, bins, points }) {
  const courses = {};
  for (const name of backends) {
    const made = core.course(s, name, own);
    if (made) courses[name] = made;
  }
  let piece = new Piece(0), record = 0, began = performance.now();
  for (let step = 0; step <= s.steps && current === id; step++) {
    const last = step === s.steps;
    if (step % s.every === 0 || last) {
      piece.see(courses, bins, record % points === 0 || last);
      record++;
    }
    if (step === 0 || performance.now() - began > PIECE || last) {  // the start is told at once
      postMessage({ id, piece });
      piece = new Piece(record);
      await breath();
      began = performance.now();
    }
    if (!last) for (const run of Object.values(courses)) if (!run.ended) run.advance();
  }
  const stopped = Object.values(courses).map(run => run.stopped).find(Boolean) ?? null;
  if (current === id) postMessage({ id, done: true, stopped, end: courses.grid && endOf(courses.grid) });
}

// The state from which a verdict goes on.
const endOf = ({ θ, y, chains }) => ({ θ, y, chains: chains && cloudOf(chains) });
const cloudOf = ({ x, w, θ }) => ({ x, w, θ });

function wholeRun(s, { backend, verdict }) {
  const run = core.course(s, backend, own);
  if (!run) throw new core.Refused(`backend = ${backend}: ${s.loss} has no closed form; must be grid or walkers`);
  const seen = core.whole(run);
  return {
    t: Float64Array.from(seen.t), theta: Float64Array.from(seen.θ),
    velocity: Float64Array.from(seen.velocity), mode_b: Float64Array.from(seen.modeB),
    x: run.chains && backend === "walkers" ? run.chains.x : null, crossings: run.crossings,
    extra: run.names ? Object.fromEntries(run.names.map((name, i) => [name, run.y[i]])) : {},
    stopped: run.stopped, verdict: verdict && backend === "grid" ? core.judged(run, seen) : null,
  };
}

// `end` is that of the run; now and then the page is told that this is still at work.
function verdictOn(s, { seen, stopped, end }) {
  let told = performance.now();
  const beat = () => {
    if (performance.now() - told < BEAT) return;
    postMessage({ alive: true });
    told = performance.now();
  };
  return core.judged(Object.assign(core.course(s, "grid", own), { ...end, stopped }), seen, beat);
}

// The line of the reader's code at which an error was thrown, 0 if none of it was.
function lineOf(error) {
  if (typeof ownLine !== "number") return 0;
  const lines = [...(error.stack ?? "").matchAll(/blob:[^\s)]*?:(\d+):\d+/g)];
  return lines.map(found => Number(found[1]) - ownLine).find(n => n >= 1 && n <= ownLines) ?? 0;
}

const told = error => ({ error: error.message, refused: error instanceof core.Refused, line: lineOf(error) });

onmessage = async ({ data: { id, kind, given, ...more } }) => {
  try {
    const s = kind === "stop" ? null : core.checked({ ...given, own });
    if (kind === "live" || kind === "stop") current = id;
    if (kind === "live") await live(id, s, more);
    if (kind === "whole") postMessage({ id, result: wholeRun(s, more) });
    if (kind === "judge") postMessage({ id, verdict: verdictOn(s, more) });
  } catch (error) {
    postMessage({ id, ...told(error) });
  }
};
try {
  if (typeof makeOwn === "function") own = core.ownFlow(makeOwn);
  postMessage({ ready: true });
} catch (error) {
  postMessage(told(error));
}
