// Sliders, menus and boxes to tick, each with its name and its value in words.

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
