// One update of θ in four stages, with the numbers of the moment that is shown.

let stage = 0;
const LIKELIHOOD = ["ml", "pcd", "cd", "short-run", "replay-buffer", "jarzynski"];

// The two means whose difference is θ̇, where it is one: E_data[r] exactly, the other from θ̇.
function means(run, k) {
  if (!LIKELIHOOD.includes(run.loss)) return null;
  const { mix, data } = new core.Target(run.theta_star, run.s.separation);
  const inData = core.dot(data.w, core.responsibilities(mix, data, run.theta.grid[k]));
  return { data: inData, negatives: inData + run.velocity.grid[k] };
}

function stageNumbers(run, frame) {
  const k = record(run, frame), θ = run.theta.grid[k], v = run.velocity.grid[k];
  const { rate, dt } = run.s;
  return { θ, v, rate, dt, next: θ + rate * dt * v, mode_b: run.mode_b.grid?.[k] ?? NaN, ...means(run, k) };
}

function stageWords(n) {
  const num = v => minus(core.pyFormat(v, 4)), { words } = book.stages;
  const all = { θ: num(n.θ), v: num(n.v), rate: num(n.rate), dt: num(n.dt), next: num(n.next),
    mode_b: Number.isFinite(n.mode_b) ? num(n.mode_b) : "–", data: num(n.data ?? NaN), negatives: num(n.negatives ?? NaN) };
  const chosen = n.data === undefined ? words.map((w, k) => (k === 1 ? book.stages.other : w)) : words;
  return chosen.map(text => text.replace(/\{(\w+|θ)\}/g, (_, name) => all[name]));
}

function drawStages(run, frame) {
  if (!el("stages").open) return;
  el("stage-list").replaceChildren(...stageWords(stageNumbers(run, frame)).map((textContent, k) =>
    element("li", { textContent, className: k === stage ? "here" : "" })));
}

function nextStage() {
  stage = (stage + 1) % book.stages.words.length;
  if (stage === 0) step(1);
  soon();
}
