"use strict";
// STUDY comes from study.js: {study, title, questions: [{task, photo, size, videos}]}.

const CRITERIA = {
  static_consistency: {
    score: "Static consistency: does what should stand still stand still and look like the photo?",
    pair: "Static consistency: in which video does what should stand still do so better?",
  },
  motion_quality: {
    score: "Motion quality: does what moves move naturally?",
    pair: "Motion quality: in which video is the motion better?",
  },
};
const CHOICES = {
  score: [["1", "very bad"], ["2", ""], ["3", ""], ["4", ""], ["5", "very good"]],
  pair: [["first", "A"], ["second", "B"]],
};
const COLUMNS = ["study", "participant", "number", "task", "first", "second", ...Object.keys(CRITERIA)];

const element = (id) => document.getElementById(id);

// Without storage (private windows) the page works until it is closed.
function recall(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}
function remember(key, value) {
  try { localStorage.setItem(key, value); } catch { /* see above */ }
}

function findParticipant() {
  const invited = new URLSearchParams(location.search).get("participant");
  if (invited) return invited;
  const key = `user-study/${STUDY.study}`;
  const code = recall(key)
    ?? Array.from(crypto.getRandomValues(new Uint8Array(6)), (x) => x.toString(16).padStart(2, "0")).join("");
  remember(key, code);
  return code;
}

// Random numbers in [0, 1) that depend on a text only: FNV-1a starts, mulberry32 goes on.
function randomNumbers(text) {
  let state = 0x811c9dc5;
  for (const character of text) state = Math.imul(state ^ character.codePointAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffle(items, random) {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const chosen = Math.floor(random() * (last + 1));
    [result[last], result[chosen]] = [result[chosen], result[last]];
  }
  return result;
}

const participant = findParticipant();
// Everybody has an order and sides of their own, the same ones whenever they come back.
const random = randomNumbers(`${STUDY.study}/${participant}`);
const questions = ["score", "pair"].flatMap((task) =>
  shuffle(STUDY.questions.filter((question) => question.task === task), random)
    .map((question) => ({ ...question, videos: shuffle(question.videos, random) })));

const storageKey = `user-study/${STUDY.study}/${participant}`;
const answers = JSON.parse(recall(storageKey) ?? "{}"); // by the question's place in the order
let current = 0;

const isComplete = (index) => Object.keys(CRITERIA).every((criterion) => answers[index]?.[criterion]);

function show(section) {
  for (const id of ["start", "question", "end"]) element(id).hidden = id !== section;
  window.scrollTo(0, 0);
}

function showQuestion(index) {
  current = index;
  const question = questions[index];
  element("progress").textContent = `${index + 1} of ${questions.length}`;
  element("photo").querySelector("img").src = question.photo;
  element("videos").className = question.task === "pair" ? "two" : "one";
  element("videos").replaceChildren(...question.videos.map((source, place) =>
    makeVideo(source, question.size, question.task === "pair" ? "AB"[place] : "Video")));
  element("criteria").replaceChildren(...Object.keys(CRITERIA).map((criterion) =>
    makeChoices(criterion, question.task, answers[index]?.[criterion])));
  element("back").disabled = index === 0;
  element("next").disabled = !isComplete(index);
  show("question");
}

function makeVideo(source, [width, height], caption) {
  const video = document.createElement("video");
  // Muted and inline, or phones do not start it; a tap starts it where even that is refused.
  Object.assign(video, { src: source, muted: true, loop: true, autoplay: true, playsInline: true });
  Object.assign(video, { width, height }); // its shape, until it has loaded
  video.addEventListener("click", () => video.play());
  const label = document.createElement("figcaption");
  label.textContent = caption;
  const figure = document.createElement("figure");
  figure.append(label, video);
  return figure;
}

function makeChoices(criterion, task, chosen) {
  const legend = document.createElement("legend");
  legend.textContent = CRITERIA[criterion][task];
  const row = document.createElement("div");
  row.className = "choices";
  for (const [value, meaning] of CHOICES[task]) {
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: criterion, value, checked: value === chosen });
    input.addEventListener("change", () => answer(criterion, value));
    const label = document.createElement("label");
    const note = document.createElement("small");
    note.textContent = task === "score" ? meaning : "";
    label.append(input, task === "score" ? value : meaning, note);
    row.append(label);
  }
  const group = document.createElement("fieldset");
  group.append(legend, row);
  return group;
}

function answer(criterion, value) {
  answers[current] = { ...answers[current], [criterion]: value };
  remember(storageKey, JSON.stringify(answers));
  element("next").disabled = !isComplete(current);
}

// videos/0a1b2c.mp4 is 0a1b2c in the files.
const nameOf = (source) => source.split("/").pop().split(".")[0];

function rows() {
  return questions.flatMap(({ task, videos }, index) => !isComplete(index) ? [] : [{
    study: STUDY.study,
    participant,
    number: index + 1,
    task,
    first: nameOf(videos[0]),
    second: videos.length > 1 ? nameOf(videos[1]) : "",
    ...answers[index],
  }]);
}

function toCsv() {
  const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;
  return [COLUMNS, ...rows().map((row) => COLUMNS.map((column) => row[column]))]
    .map((cells) => cells.map(quote).join(",") + "\r\n").join("");
}

function save(text, type, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `answers-${participant.replaceAll(/[^\w-]/g, "_")}.${ending}`;
  document.body.append(link);
  link.click();
  link.remove();
  // Some browsers fetch it only after the click has returned.
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function goOn() {
  const open = questions.findIndex((_, index) => !isComplete(index));
  if (open < 0) show("end"); else showQuestion(open);
}

document.title = element("title").textContent = STUDY.title;
element("count").textContent = questions.length;
element("begin").addEventListener("click", goOn);
element("back").addEventListener("click", () => showQuestion(current - 1));
element("next").addEventListener("click", () => {
  if (current + 1 < questions.length) showQuestion(current + 1); else goOn();
});
element("review").addEventListener("click", () => showQuestion(questions.length - 1));
element("criteria").addEventListener("submit", (event) => event.preventDefault());
element("save-json").addEventListener("click", () =>
  save(JSON.stringify({ answers: rows() }, null, 1), "application/json", "json"));
element("save-csv").addEventListener("click", () => save(toCsv(), "text/csv", "csv"));
