// Computes a run, frame by frame, and posts what is done every 30 ms; a newer run ends an older one.

const PIECE = 30;
const room = engine(constants);
let current = 0;

const breath = () => new Promise(go => setTimeout(go, 0));

onmessage = async ({ data: { id, given } }) => {
  current = id;
  let frames = [], began = performance.now();
  for (const frame of room.run(given)) {
    frames.push(frame);
    if (performance.now() - began < PIECE) continue;
    postMessage({ id, frames });
    await breath();
    if (current !== id) return;
    [frames, began] = [[], performance.now()];
  }
  postMessage({ id, frames, done: true });
};
