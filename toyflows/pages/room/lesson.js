// A question before the run: a lesson's, or the reader's own wish to predict. What the page shows stays
// at its start until an answer is chosen. `state`, `play`, `go`, `write` and `soon` are the page's.

const lessons = book.lessons, QUESTION = book.question;
let lesson = null;  // of the path
let said = null;    // the answer, counted from 0

const lessonOf = name => lessons.find(l => l.name === name) ?? null;
const questionNow = () => lesson ?? (state.predict ? QUESTION : null);
const concealed = () => questionNow() !== null && said === null;

// The settings that an address asks for: a lesson's own, and what else it says.
function wordsOf(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, "")), found = lessonOf(words.get("lesson"));
  const all = new URLSearchParams(found?.settings ?? "");
  for (const [name, text] of words) all.set(name, text);
  return all;
}

function openLesson(words) {
  lesson = lessonOf(words.get("lesson"));
  state.predict = Boolean(QUESTION) && !lesson && words.get("predict") === "1";
  ask();
}

// Shows the question anew, or none.
function ask() {
  const question = questionNow(), place = lessons.indexOf(lesson);
  said = null;
  el("lesson").hidden = !question;
  if (el("predict")) el("predict").checked = Boolean(state.predict);
  if (!question) return concealing();
  el("lesson-title").textContent = lesson
    ? `Lesson ${place + 1} of ${lessons.length}: ${lesson.title}` : QUESTION.title;
  way("earlier", lessons[place - 1]);
  way("later", lesson ? lessons[place + 1] : null);
  el("asks").textContent = question.asks;
  el("choices").replaceChildren(...question.choices.map((text, k) => {
    const button = element("button", { type: "button", textContent: text });
    button.addEventListener("click", () => answer(k));
    return button;
  }));
  el("tells").textContent = "";
  concealing();
}

function way(id, to) {
  const here = lesson?.room ?? "";
  el(id).hidden = !to;
  if (to) el(id).href = `${to.room === here ? "" : to.room + ".html"}#lesson=${to.name}`;
}

function answer(k) {
  said = k;
  concealing();
  go(0);
  play(true);
}

// The transport waits for the answer.
function concealing() {
  document.body.classList.toggle("asking", questionNow() !== null);
  document.body.classList.toggle("said", said !== null);
  for (const id of ["play", "back", "next", "scrubber"]) el(id).disabled = concealed();
  for (const [k, button] of [...el("choices").children].entries()) {
    button.disabled = said !== null;
    button.setAttribute("aria-pressed", k === said);
  }
}

// What came of it, once all has been seen; `right` is what the run itself shows, -1 where unknown.
function tellLesson(complete, right) {
  const question = questionNow();
  if (!question || said === null) return;
  const rightOne = lesson ? lesson.right : right, yours = `You said: ${question.choices[said]}.`;
  const so = lesson ? "So it is." : `${yours} So it is.`;  // a lesson says it again in its own words
  const but = lesson ? "That is not so." : `But ${question.choices[rightOne]}.`;  // a lesson tells what is
  if (!complete) el("tells").textContent = yours;
  else if (rightOne < 0) el("tells").textContent = `${yours} See for yourself.`;
  else el("tells").textContent = `${said === rightOne ? so : `${yours} ${but}`} ${question.tells}`;
}
