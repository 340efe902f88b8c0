// PCD long after it has passed θ*: the exact law's θ and the share of its negatives in mode b.

const RECORDED = 1000;  // frames, at most
const settingsOf = s => checked({ loss: "pcd", theta_star: s.theta_star, separation: s.separation,
  rate: s.rate, time: s.time, dt: s.dt });
const everyOf = steps => Math.max(1, Math.floor(steps / RECORDED));
const total = s => {
  const { steps } = settingsOf(s);
  return Math.floor((steps - 1) / everyOf(steps)) + 2;
};

function* run(s) {
  const given = settingsOf(s), moving = course(given, "grid"), every = everyOf(given.steps);
  const frame = () => ({ t: moving.step * given.dt, θ: moving.θ, q: moving.modeB });
  for (; !moving.ended; moving.advance()) if (moving.step % every === 0) yield frame();
  yield frame();
}

return { run, total, weightB: θ => 1 / (1 + Math.exp(clamp(θ, -700, 700))) };
