// Numbers and sentences as Python says them (toyflows/verdict.py).

const NEAR = constants.near;

// The digits of |v| rounded to n significant ones, halves to even, and the power of ten of the first.
function rounded(v, n) {
  let [digits, power] = Math.abs(v).toExponential(n - 1).split("e");
  const exact = Math.abs(v).toExponential(Math.min(n + 30, 100)).split("e")[0].replace(".", "");
  const rest = exact.slice(n), odd = Number(exact[n - 1]) % 2;
  if (/^50*$/.test(rest) && !odd) [digits] = down(exact.slice(0, n));
  return [digits.replace(".", ""), Number(power)];
}

const down = digits => [digits[0] + (digits.length > 1 ? "." + digits.slice(1) : "")];
const sign = v => (v < 0 || Object.is(v, -0) ? "-" : "");
const exponent = e => `e${e < 0 ? "-" : "+"}${String(Math.abs(e)).padStart(2, "0")}`;

// f"{v:.{n}g}"
function pyFormat(v, n) {
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "nan" : v > 0 ? "inf" : "-inf";
  if (v === 0) return `${sign(v)}0`;
  const [digits, e] = rounded(v, n), bare = digits.replace(/0+$/, "") || "0";
  if (e < -4 || e >= n)
    return `${sign(v)}${bare[0]}${bare.length > 1 ? "." + bare.slice(1) : ""}${exponent(e)}`;
  if (e < 0) return `${sign(v)}0.${"0".repeat(-e - 1)}${bare}`;
  const whole = digits.slice(0, e + 1), part = digits.slice(e + 1).replace(/0+$/, "");
  return sign(v) + whole + (part ? "." + part : "");
}

// f"{v:+.{n}g}" and f"{v:.{n}e}"
const pySigned = (v, n) => (sign(v) ? "" : "+") + pyFormat(v, n);
function pyScience(v, n) {
  if (v === 0) return `${sign(v)}0${n ? "." + "0".repeat(n) : ""}e+00`;
  const [digits, e] = rounded(v, n + 1);
  return `${sign(v)}${digits[0]}${n ? "." + digits.slice(1) : ""}${exponent(e)}`;
}

const share = part => (part >= 0.001 ? `${pyFormat(100 * part, 3)} %` : "less than 0.1 %");

// Where θ is at record k and how it moves: no word about the future.
function now({ θ, velocity }, k, star, rate, near = NEAR) {
  const gap = θ[k] - star, start = θ[0] - star, where = `θ = ${pyFormat(θ[k], 4)} is`;
  const moves = `moving at ${pySigned(rate * velocity[k], 2)} a unit of time`;
  if (Math.abs(gap) <= near)
    return `${where} at θ* = ${pyFormat(star, 4)}, within ${pyFormat(near, 2)}, ${moves}.`;
  const side = gap * start < 0 ? "beyond" : Math.abs(gap) < Math.abs(start) ? "short of" : "from";
  return `${where} ${pyFormat(Math.abs(gap), 3)} ${side} θ* = ${pyFormat(star, 4)}, ${moves}.`;
}

// What has happened from the start to record k; `walkers` and how often they changed mode, if counted.
function soFar({ θ, t }, k, star, walkers = 0, crossings = NaN) {
  const gap = Array.from(θ.slice(0, k + 1), v => v - star), first = gap[0], last = gap[k];
  const passed = gap.findIndex(g => Math.sign(g) * Math.sign(first) < 0);
  let told = `θ has done ${share(1 - Math.abs(last / first))} of the way to θ*`;
  if (passed >= 0) told = `θ passed θ* at t = ${pyFormat(t[passed], 3)}`;
  else if (Math.abs(first) <= NEAR)
    told = `θ began at θ* and has been up to ${pyFormat(Math.max(...gap.map(Math.abs)), 2)} from it`;
  else if (Math.abs(last) > Math.abs(first))
    told = `θ has gone ${pyFormat(Math.abs(last) - Math.abs(first), 3)} away from θ*`;
  return `${told}${changes(walkers, crossings)}.`;
}

const commas = n => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
function changes(walkers, crossings) {
  if (!walkers || !Number.isFinite(crossings)) return "";
  if (crossings === 0) return "; no walker has changed mode";
  return `; the ${commas(walkers)} walkers changed mode ${commas(crossings)} times`;
}
