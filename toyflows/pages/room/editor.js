// The reader's own method: examples of the lecture's methods, and what happens to bad code.

const EXAMPLES = {
  "maximum likelihood": `// θ̇ = E_ρθ[∂U] − E_data[∂U]
const velocity = θ => E.model(r) - E.data(r)`,
  "PCD": `// The negatives are carried along by Langevin.
const velocity = θ => E.negatives(r) - E.data(r)
const start = () => model()
const move = x => langevin(x)`,
  "CD-5": `// The negatives are data points, moved by five steps.
const velocity = θ => E.negatives(r) - E.data(r)
const negatives = () => langevin(data(), 5)`,
  "score matching": `// θ̇ = 2 E_data[∂_θ(∂_xxU − ½(∂_xU)²)]
const velocity = θ => 2 * E.data(hyvärinen)`,
  "short-run": `// Ten steps from fresh noise, in each step of θ.
const velocity = θ => E.negatives(r) - E.data(r)
const negatives = () => langevin(noise(3), 10)`,
  "moment matching": `// The mean of x alone: of two modes it knows the weight.
const velocity = θ => E.model(x => x) / 10 - E.data(x => x) / 10`,
};

// A worker with this code that has run a first step, or what is wrong with it: (desk, "") or (null, why).
function tried(code, given) {
  return new Promise(done => {
    const fail = why => {
      desk.close();
      done([null, why]);
    };
    const tell = data => {
      if (data.ready) desk.post({ id: -1, kind: "whole", backend: "grid", verdict: false, given: few(given) });
      else if (data.result?.stopped) fail(data.result.stopped);
      else if (data.result) done([desk, ""]);
    };
    const desk = new Desk(code, tell, fail);
  });
}

// Two steps of these settings.
const few = given => ({ ...given, time: 2 * given.dt });

function editor(adopt) {
  const code = el("code"), fault = el("fault");
  for (const [name, text] of Object.entries(EXAMPLES)) {
    const button = element("button", { type: "button", textContent: name });
    button.addEventListener("click", () => {
      code.value = text;
      el("adopt").click();
    });
    el("examples").append(button);
  }
  code.value = EXAMPLES.PCD;
  el("adopt").addEventListener("click", async () => {
    fault.textContent = "…";
    fault.textContent = await adopt(code.value);
  });
}
