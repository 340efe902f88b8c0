// Workers from the page's own text, so that it works from a file: one computes the run that is shown,
// others whole runs and verdicts, one job each.

const PATIENCE = 3000;  // ms that the reader's own code may be silent
const core = engine(book);

// The source of a worker; with `code`, the reader's method in it. `ownLine` is the line before its first.
function source(code) {
  const shared = [`const constants = ${el("data").textContent};`, el("engine").textContent];
  if (code === null) return [...shared, el("worker").textContent].join("\n");
  const words = "E, r, p_b, score, hyvärinen, model, data, noise, langevin";
  const asked = ["velocity", "start", "negatives", "move"]
    .map(name => `${name}: typeof ${name} === "undefined" ? undefined : ${name}`).join(", ");
  const before = [...shared, `"use strict"; const makeOwn = ({ ${words} }) => {{`].join("\n");
  const lines = text => text.split("\n").length;
  const place = `const ownLine = ${lines(before)}, ownLines = ${lines(code)};`;
  return [before, code, `return { ${asked} }; }}; ${place}`, el("worker").textContent].join("\n");
}

// A running worker: `tell` gets its messages, `fail` what went wrong, with the line of `code`.
class Desk {
  constructor(code, tell, fail) {
    Object.assign(this, { code, fail, waiting: 0, open: false, text: source(code) });
    const url = URL.createObjectURL(new Blob([this.text], { type: "text/javascript" }));
    this.worker = new Worker(url);
    this.worker.onmessage = ({ data }) => {
      this.calm();
      if (this.open && (data.done || data.result || data.error || "verdict" in data)) this.open = false;
      if (this.open) this.wait();
      if (data.error) fail(data.line ? `line ${data.line}: ${data.error}` : data.error, data);
      else tell(data);
    };
    this.worker.onerror = event => {
      event.preventDefault();
      this.calm();
      fail(this.placed(event.message, event.lineno));
    };
    this.wait();
  }
  // What a browser says of code that it cannot read, with the line as the reader counts.
  placed(message, lineno) {
    const [, first, many] = /const ownLine = (\d+), ownLines = (\d+);/.exec(this.text) ?? [0, 0, 1];
    const line = Math.min(Math.max(lineno - first, 1), many);
    return `line ${line}: ${message.replace(/^Uncaught /, "")}`;
  }
  wait() {
    if (this.code === null) return;
    this.calm();
    this.waiting = setTimeout(() => {
      this.close();
      this.fail(`the code did not come back within ${PATIENCE / 1000} s: is there an endless loop?`);
    }, PATIENCE);
  }
  calm() { clearTimeout(this.waiting); }
  post(message) {
    this.open = message.kind !== "stop";
    if (this.open) this.wait();
    this.worker.postMessage(message);
  }
  close() {
    this.calm();
    this.worker.terminate();
  }
}

// One job in a worker of its own, which `begun` is told: closed, it never ends.
function job(message, code = null, begun = () => {}) {
  return new Promise((done, failed) => {
    const finish = how => data => {
      if (data.ready || data.alive) return;
      desk.close();
      how(data);
    };
    const desk = new Desk(code, finish(done), text => { desk.close(); failed(new Error(text)); });
    begun(desk);
    desk.post({ id: 0, ...message });
  });
}

// toyflows.run: {loss, theta_star, theta0, separation, time, dt, rate, walkers, seed, options, backend,
// verdict}; `verdict: false` saves the time that a verdict takes.
async function runOnce({ backend = "grid", verdict = true, ...given } = {}) {
  core.checked(given);
  if (!["grid", "walkers", "theory"].includes(backend))
    throw new core.Refused(`backend = ${backend}: unknown; choose from grid, walkers, theory`);
  return (await job({ kind: "whole", given, backend, verdict })).result;
}
