// The controls, made from what Python says of each setting and option.

const MAIN = ["theta_star", "theta0", "separation"];
const CROWDS = [100, 1000, 10000, 100000];  // of walkers
const settings = book.settings, methodOf = name => book.methods.find(m => m.name === name);

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
