"use strict";
// What is drawn becomes 8 by 8 pixels as the course's digits did: a bitmap of 32 by 32, and how much of each 4 by 4 is ink.

const find = (id) => document.getElementById(id);
const paper = find("paper"), pen = paper.getContext("2d"), seen = find("seen").getContext("2d");
const SIDE = 8, BITMAP = 32, WIDTH = 20, STEP = 8;
let strokes = [], cursor = {x: 128, y: 128}, keysDraw = false, pointerDraws = false, timer = 0, asked = 0;

// -- the models ------------------------------------------------------------------------------------------------------

async function models() {
  try {
    const {models} = await (await fetch("/models")).json();
    for (const [kind, list, section] of [["read", "readers", "reader"], ["write", "writers", "writer"]]) {
      const chosen = find(list).value, here = models.filter((model) => model.does === kind);
      find(list).replaceChildren(...here.map((model) => new Option(`${model.name}, version ${model.version}`, model.name)));
      if (here.some((model) => model.name === chosen)) find(list).value = chosen;
      find(section).hidden = !here.length;
    }
    tell("status", models.map((m) => `${m.name}: version ${m.version}, ${m.kind} of ${m.weights.toLocaleString("en")} weights`).join("; "));
  } catch {
    tell("status", "The service does not answer.");
  }
}

function tell(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}

// -- drawing ---------------------------------------------------------------------------------------------------------

function draw(context, points, width, colour) {
  Object.assign(context, {lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: colour});
  for (const stroke of points) {
    context.beginPath();
    context.moveTo(stroke[0].x, stroke[0].y);
    for (const point of stroke) context.lineTo(point.x, point.y);
    if (stroke.length === 1) context.lineTo(stroke[0].x + 0.01, stroke[0].y);
    context.stroke();
  }
}

function show() {
  const ink = getComputedStyle(paper).color;
  pen.clearRect(0, 0, paper.width, paper.height);
  draw(pen, strokes, WIDTH, ink);
  if (paper.matches(":focus-visible")) {
    Object.assign(pen, {lineWidth: keysDraw ? 4 : 2, strokeStyle: getComputedStyle(paper).outlineColor});
    pen.strokeRect(cursor.x - 6, cursor.y - 6, 12, 12);
  }
}

function pixels() {
  // The drawing, as large as fits into the bitmap and in its middle.
  const all = strokes.flat(), xs = all.map((p) => p.x), ys = all.map((p) => p.y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const thick = 4, scale = (BITMAP - thick) / Math.max(bottom - top, right - left, 60);
  const place = (p) => ({x: BITMAP / 2 + (p.x - (left + right) / 2) * scale, y: BITMAP / 2 + (p.y - (top + bottom) / 2) * scale});
  const bitmap = new OffscreenCanvas(BITMAP, BITMAP).getContext("2d", {willReadFrequently: true});
  draw(bitmap, strokes.map((stroke) => stroke.map(place)), thick, "#000");
  const data = bitmap.getImageData(0, 0, BITMAP, BITMAP).data, image = new Array(SIDE * SIDE).fill(0), cell = BITMAP / SIDE;
  for (let y = 0; y < BITMAP; y++) {
    for (let x = 0; x < BITMAP; x++) {
      if (data[4 * (y * BITMAP + x) + 3] > 127) image[Math.floor(y / cell) * SIDE + Math.floor(x / cell)] += 1 / cell ** 2;
    }
  }
  return image;
}

function changed() {
  show();
  clearTimeout(timer);
  if (strokes.length) timer = setTimeout(ask, 150);
}

function clear() {
  strokes = []; keysDraw = false; asked += 1;
  clearTimeout(timer);
  seen.clearRect(0, 0, SIDE, SIDE);
  show();
  shares(new Array(10).fill(0));
  tell("verdict", "Nothing is drawn yet.");
}

async function ask() {
  const image = pixels(), mine = ++asked;
  const picture = seen.createImageData(SIDE, SIDE), [r, g, b] = getComputedStyle(paper).color.match(/\d+/g).map(Number);
  image.forEach((ink, i) => picture.data.set([r, g, b, 255 * ink], 4 * i));
  seen.putImageData(picture, 0, 0);
  let verdict, probabilities = new Array(10).fill(0);
  try {
    const answer = await post(`/models/${find("readers").value}/read`, {image});
    const said = await answer.json();
    if (answer.ok) probabilities = said.probabilities;
    const share = answer.ok ? Math.round(100 * said.probabilities[said.digit]) : 0;
    verdict = answer.ok ? `${said.digit}, with ${share} % (version ${said.version})` : `No answer: ${said.error}`;
  } catch {
    verdict = "The service does not answer.";
  }
  if (mine === asked) { tell("verdict", verdict); shares(probabilities); }
}

function post(path, content, more) {
  return fetch(path, {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(content), ...more});
}

function shares(probabilities) {
  const list = find("shares");
  if (!list.children.length) {
    for (let digit = 0; digit < 10; digit++) {
      const [name, bar, text] = ["dt", "dd", "dd"].map((tag) => document.createElement(tag));
      name.textContent = digit;
      bar.append(Object.assign(document.createElement("progress"), {max: 1, ariaLabel: `Probability of ${digit}`}));
      text.className = "number";
      list.append(name, bar, text);
    }
  }
  list.querySelectorAll("progress").forEach((bar, i) => { bar.value = probabilities[i]; });
  list.querySelectorAll(".number").forEach((text, i) => { text.textContent = `${(100 * probabilities[i]).toFixed(1)} %`; });
}

const at = (event) => {
  const box = paper.getBoundingClientRect();
  return {x: (event.clientX - box.left) * paper.width / box.width, y: (event.clientY - box.top) * paper.height / box.height};
};
paper.addEventListener("pointerdown", (event) => {
  paper.setPointerCapture(event.pointerId);
  pointerDraws = true;
  strokes.push([at(event)]);
  changed();
});
paper.addEventListener("pointermove", (event) => {
  if (!pointerDraws) return;
  strokes.at(-1).push(at(event));
  changed();
});
for (const end of ["pointerup", "pointercancel"]) paper.addEventListener(end, () => { pointerDraws = false; });
for (const moment of ["focus", "blur"]) paper.addEventListener(moment, show);

const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
paper.addEventListener("keydown", (event) => {
  const within = (value) => Math.min(paper.width, Math.max(0, value));
  if (event.key in ARROWS) {
    const [dx, dy] = ARROWS[event.key];
    cursor = {x: within(cursor.x + STEP * dx), y: within(cursor.y + STEP * dy)};
    if (keysDraw) strokes.at(-1).push({...cursor});
  } else if (event.key === " ") {
    keysDraw = !keysDraw;
    if (keysDraw) strokes.push([{...cursor}]);
  } else if (event.key === "Escape") {
    clear();
  } else {
    return;
  }
  event.preventDefault();
  changed();
});
find("clear").addEventListener("click", clear);
find("readers").addEventListener("change", changed);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);

// -- writing ---------------------------------------------------------------------------------------------------------

let writing = null;

find("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  writing?.abort();
  const mine = writing = new AbortController(), prompt = find("prompt").value;
  find("text").textContent = prompt;
  find("stop").disabled = false;
  tell("told", "It writes.");
  let count = 0, ended = "";
  try {
    const answer = await post(`/models/${find("writers").value}/write`, {prompt, tokens: 400}, {signal: mine.signal});
    if (!answer.ok) {
      ended = `No answer: ${(await answer.json()).error}`;
    } else {
      for await (const piece of events(answer)) {
        if (piece.text === undefined) { ended = `${count} tokens by version ${piece.version}.`; break; }
        find("text").append(piece.text);
        count += 1;
      }
    }
  } catch {
    ended = mine.signal.aborted ? `Stopped after ${count} tokens.` : "The service does not answer.";
  }
  if (mine === writing) { tell("told", ended || "It broke off."); find("stop").disabled = true; }
});
find("stop").addEventListener("click", () => writing?.abort());

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line.slice(line.indexOf("data: ") + 6));
  }
}

shares(new Array(10).fill(0));
show();
models();
setInterval(models, 5000);
