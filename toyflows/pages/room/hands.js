// θ* and θ0 are moved in the picture of θ(t) too: by mouse, finger or keys. A grip moves its slider,
// and the slider the run; meanwhile the scale stands still.

const GRIPS = { theta_star: "true θ*", theta0: "start θ0" }, GRIP = 22;  // pixels
const TURNS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
let shownBox = null, held = null;  // of the last picture; the range while a hand holds

const told = (grip, said) => Object.entries(said).forEach(([key, value]) => grip.setAttribute(key, value));
const inHand = () => ({ grip: GRIP, ...(held ? { held } : {}) });

function grips() {
  for (const [name, says] of Object.entries(GRIPS)) {
    const [least, most] = settings[name].offered, grip = element("span", {
      id: `grip-${name}`, className: "grip", tabIndex: 0, title: `${says}: drag it, or use the arrow keys`,
    });
    told(grip, { role: "slider", "aria-label": `${says}, in the picture`, "aria-orientation": "vertical",
      "aria-valuemin": least, "aria-valuemax": most });
    grip.addEventListener("pointerdown", event => {
      grip.setPointerCapture(event.pointerId);
      held = [shownBox.low, shownBox.high];
    });
    grip.addEventListener("pointermove", event => { if (held) dragged(name, event.clientY); });
    for (const end of ["pointerup", "pointercancel"]) grip.addEventListener(end, released);
    grip.addEventListener("keydown", event => turned(name, event));
    el("paths").parentElement.append(grip);
  }
}

function placeGrips(box) {
  shownBox = box;
  for (const name of Object.keys(GRIPS)) {
    const grip = el(`grip-${name}`), v = state.given[name], { left, top, bottom, low, high } = box;
    const y = bottom - (bottom - top) * (v - low) / (high - low);
    grip.style.left = `${left + (name === "theta0" ? -GRIP : GRIP) / 2}px`;
    grip.style.top = `${clampTo(y, top, bottom)}px`;
    told(grip, { "aria-valuenow": v, "aria-valuetext": shownValue(v) });
  }
}

function dragged(name, clientY) {
  const { top, bottom } = shownBox, [low, high] = held, y = clientY - el("paths").getBoundingClientRect().top;
  put(name, low + (high - low) * (bottom - y) / (bottom - top));
}

// As a hand on the slider would.
function put(name, θ) {
  const [least, most, step] = settings[name].offered, input = el(`set-${name}`);
  const to = clampTo(Number((step * Math.round(θ / step)).toPrecision(12)), least, most);
  if (to === state.given[name]) return;
  if (held) held = [Math.min(held[0], to - step), Math.max(held[1], to + step)];
  input.step = "any";
  input.value = to;
  input.dispatchEvent(new Event("input"));
}

function released() {
  if (!held) return;
  held = null;
  delete run.held;
  soon();
}

function turned(name, event) {
  const [least, most, step] = settings[name].offered, ends = { Home: least, End: most };
  if (!(event.key in TURNS || event.key in ends)) return;
  put(name, ends[event.key] ?? state.given[name] + step * TURNS[event.key]);
  event.preventDefault();
  event.stopPropagation();
}
