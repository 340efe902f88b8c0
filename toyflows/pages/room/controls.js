// The controls, made from what Python says of each setting and option.

const MAIN = ["theta_star", "theta0", "separation"];
const CROWDS = [100, 1000, 10000, 100000];  // of walkers
const settings = book.settings, methodOf = name => book.methods.find(m => m.name === name);
const el = id => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Three significant digits, with a true minus, as the page shows a setting.
const shownValue = v => (typeof v === "number" ? minus(String(Number(v.toPrecision(6)))) : String(v));

function slider(id, name, value, { offered: [least, most, step], help = "" }, changed) {
  const output = element("output", {}), input = element("input", {
    type: "range", id, min: Math.min(least, value), max: Math.max(most, value), step: "any",
    value, title: help,
  });
  input.step = Number.isInteger(value / step) || onGrid(value, least, step) ? step : "any";
  input.value = value;
  const say = v => {
    output.textContent = `${name} = ${shownValue(v)}`;
    input.setAttribute("aria-valuetext", shownValue(v));
    input.setAttribute("aria-label", name);
  };
  say(value);
  input.addEventListener("input", () => {
    const v = Number(Number(input.value).toPrecision(12));
    say(v);
    changed(v);
  });
  return element("label", {}, output, input);
}

const onGrid = (value, least, step) => Math.abs((value - least) / step % 1) < 1e-9;

function menu(id, name, value, values, changed, told = shownValue) {
  const options = values.map(v => element("option", { value: String(v), textContent: told(v) }));
  const select = element("select", { id }, ...options);
  select.value = String(value);
  select.addEventListener("change", () => changed(values[select.selectedIndex]));
  return element("label", {}, `${name} `, select);
}

function tick(id, name, value, changed) {
  const input = element("input", { type: "checkbox", id, checked: value });
  input.addEventListener("change", () => changed(input.checked));
  return element("label", {}, input, ` ${name}`);
}

// A setting of all runs.
function settingControl(name, given, changed) {
  const value = given[name], set = v => changed({ [name]: v }), id = `set-${name}`;
  if (name === "walkers")
    return menu(id, book.names[name], value, [...new Set([...CROWDS, value])].sort((a, b) => a - b), set);
  if (name === "seed") {
    const another = element("button", { type: "button", id, textContent: `seed ${value}: another` });
    another.addEventListener("click", () => set((value * 48271 + 11) % 1000003));
    return another;
  }
  return slider(id, book.names[name], value, settings[name], set);
}

// An option of the method.
function optionControl(option, given, changed) {
  const { name, kind, words } = option, value = given.options[name] ?? option.value;
  const id = `set-p.${name}`, shown = book.names[name];
  const set = v => changed({ options: { ...given.options, [name]: v } });
  if (kind === "bool") return tick(id, shown, value, set);
  if (kind === "str") return menu(id, shown, value, words, set);
  return slider(id, shown, value, option, set);
}
