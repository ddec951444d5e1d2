
"use strict";
// The page: which pictures are shown, the grid of them, one of them large, the controls.

function choose() {
  setLimits();
  let detections = 0;
  for (let i = 0; i < images; i++) {
    let n = 0, sum = 0;
    for (let d = first[i]; d < first[i + 1]; d++) if (isShown(d)) { n++; sum += score[d]; }
    shownCount[i] = n;
    shownSum[i] = sum;
  }
  const terms = understood(at("search").value);
  at("understood").textContent = terms.map(term => term.told).join("; and ");
  order = [];
  for (let i = 0; i < images; i++) if (terms.every(term => term.holds(i))) order.push(i);
  const key = KEYS[at("sort").value];
  const keys = new Float64Array(images);
  for (const i of order) keys[i] = key(i);
  order.sort((one, other) => (keys[one] < keys[other] ? -1 : keys[one] > keys[other] ? 1 : one - other));
  for (const i of order) detections += shownCount[i];
  const failed = order.filter(i => i in data.errors).length, gone = order.filter(i => i in data.gone).length;
  at("count").textContent = `${words(order.length)} of ${words(images)} pictures, ${words(detections)} detections`
    + (failed ? `, ${words(failed)} failed` : "") + (gone ? `, ${words(gone)} whose source is gone` : "");
  at("least").textContent = least.toFixed(2);
  layOut();
}

// ---- the grid: only what can be seen exists, so that any number of pictures is light

const GAP = 8, CAPTION = 26;
const cells = new Map();  // By image, so that a picture that stays in sight is not loaded again.
let columns = 1, cell = {w: 0, h: 0}, focused = 0;

function layOut() {
  const room = at("grid").clientWidth;
  columns = Math.max(1, Math.floor((room + GAP) / (Math.min(220, (room - GAP) / 2) + GAP)));
  const w = (room - GAP * (columns - 1)) / columns;
  cell = {w, h: Math.round(0.75 * w)};
  focused = Math.max(0, Math.min(focused, order.length - 1));
  at("grid").style.height = `${Math.ceil(order.length / columns) * (cell.h + CAPTION + GAP)}px`;
  paint(true);
}

function paint(redraw = false) {
  const top = -at("grid").getBoundingClientRect().top, row = cell.h + CAPTION + GAP;
  const from = Math.max(0, Math.floor(top / row) - 1) * columns;
  const to = Math.min(order.length, (Math.ceil((top + window.innerHeight) / row) + 1) * columns);
  const wanted = new Map();
  for (let position = from; position < to; position++) wanted.set(order[position], position);
  for (const [i, made] of cells) {
    // What has the keyboard's focus stays, wherever it was scrolled to.
    if (!wanted.has(i) && made !== document.activeElement) { made.remove(); cells.delete(i); }
  }
  for (const [i, position] of wanted) {
    let made = cells.get(i);
    const isNew = !made;
    if (isNew) { made = makeCell(i); cells.set(i, made); at("grid").append(made); }
    made.position = position;
    made.tabIndex = position === focused ? 0 : -1;
    made.style.transform = `translate(${(position % columns) * (cell.w + GAP)}px, ${Math.floor(position / columns) * row}px)`;
    if (isNew || redraw) dress(made, i);
  }
}

function thumbnail(i) {
  if (i in data.embedded) return `data:image/jpeg;base64,${data.embedded[i]}`;
  return i in data.gone || !width[i] ? "" : `${data.folder}/${String(i).padStart(6, "0")}.jpg`;
}

function makeCell(i) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "cell";
  const caption = document.createElement("span");
  caption.className = "caption";
  caption.append(document.createElement("span"), document.createElement("span"));
  caption.firstChild.textContent = data.names[i];
  const picture = document.createElement("img");
  picture.alt = "";
  picture.decoding = "async";
  const source = thumbnail(i);
  if (source) picture.src = source; else picture.hidden = true;
  const why = data.errors[i] ?? data.gone[i];
  made.append(picture, document.createElement("canvas"));
  if (why !== undefined && !source) {
    const told = document.createElement("span");
    told.className = "why";
    told.textContent = why;
    made.append(told);
  }
  made.append(caption);
  made.addEventListener("click", () => open(made.position));
  return made;
}

function dress(made, i) {
  const [picture, canvas] = made.children, caption = made.lastChild;
  Object.assign(made.style, {width: `${cell.w}px`, height: `${cell.h + CAPTION}px`});
  const failed = i in data.errors;
  caption.lastChild.textContent = failed ? "failed" : i in data.gone ? "source gone" : words(shownCount[i]);
  caption.lastChild.className = failed || i in data.gone ? "failed" : "";
  made.setAttribute("aria-label", `${data.names[i]}: ${failed ? "failed" : `${shownCount[i]} found`}`);
  if (!width[i]) return;
  const where = fitted(i, cell.w - 2, cell.h);
  place(picture, where);
  place(canvas, where);
  canvas.hidden = !at("boxes").checked;
  if (at("boxes").checked) draw(canvas, i, where.w, where.h, {line: 1.5, names: false});
}

function focusOn(position) {
  if (!order.length) return;
  focused = Math.max(0, Math.min(position, order.length - 1));
  const row = cell.h + CAPTION + GAP;
  const top = at("grid").getBoundingClientRect().top + Math.floor(focused / columns) * row;
  const covered = getComputedStyle(at("controls")).position === "sticky" ? at("controls").offsetHeight : 0;
  if (top < covered) window.scrollBy(0, top - covered - GAP);
  else if (top + row > window.innerHeight) window.scrollBy(0, top + row - window.innerHeight);
  paint();
  cells.get(order[focused]).focus({preventScroll: true});
}

at("grid").addEventListener("keydown", event => {
  const page = Math.max(1, Math.floor(window.innerHeight / (cell.h + CAPTION + GAP)) - 1) * columns;
  const steps = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page};
  const target = {Home: 0, End: order.length - 1}[event.key] ?? (event.key in steps ? focused + steps[event.key] : null);
  if (target === null || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  focusOn(target);
});
at("grid").addEventListener("focusin", event => {
  if (event.target.position !== undefined) focused = event.target.position;
});

// ---- one picture, large

let opened = null, showing = "";

function open(position) {
  focused = position;
  opened = order[position];
  const i = opened;
  zoomOut();
  if (!at("large").open) at("large").showModal();
  at("name").textContent = at("name").title = data.names[i];
  at("place").textContent = `${words(position + 1)} of ${words(order.length)}`;
  // Not `disabled`: a button that has the keyboard's focus would lose it, and the keys with it.
  at("previous").ariaDisabled = position === 0;
  at("next").ariaDisabled = position === order.length - 1;
  const told = [];
  if (i in data.errors) told.push(data.errors[i]);
  if (i in data.gone) told.push(`No picture: ${data.gone[i]}`);
  const left = count[i] - shownCount[i];
  if (width[i]) {
    told.push(`${width[i]} x ${height[i]} pixels, ${words(shownCount[i])} detections`
      + (left ? `; ${words(left)} more are below the scores chosen` : ""));
  }
  at("told").textContent = told.join("\n");
  at("list").replaceChildren(...listed(i));
  showing = thumbnail(i);
  at("whole").hidden = !showing;
  if (showing) at("whole").src = showing; else at("whole").removeAttribute("src");
  if (data.sources[i]) showSource(i);
  drawLarge();
}

// The source itself, where the browser can show it and it is still the picture that was detected.
function showSource(i) {
  const source = new Image();
  source.onload = () => {
    if (opened !== i || source.naturalWidth !== width[i] || source.naturalHeight !== height[i]) return;
    at("whole").src = showing = source.src;
    at("whole").hidden = false;
  };
  source.src = data.sources[i];
}

function listed(i) {
  const rows = [];
  for (let d = first[i]; d < first[i + 1]; d++) {
    if (!isShown(d)) continue;
    const row = document.createElement("tr");
    const [name, colour] = data.categories[category[d]];
    const side = [width[i], height[i], width[i], height[i]];
    const pixels = side.map((length, k) => Math.round(box[4 * d + k] / data.steps * length)).join(" ");
    for (const text of [name, (score[d] / data.scoreSteps).toFixed(2), pixels]) {
      row.insertCell().textContent = text;
    }
    row.cells[0].prepend(swatch(colour));
    row.tabIndex = 0;
    for (const event of ["mouseenter", "focus"]) row.addEventListener(event, () => drawLarge(d));
    for (const event of ["mouseleave", "blur"]) row.addEventListener(event, () => drawLarge());
    rows.push(row);
  }
  return rows;
}

function swatch(colour) {
  const made = document.createElement("span");
  made.className = "swatch";
  made.style.background = colour;
  return made;
}

function drawLarge(only = null) {
  if (opened === null) return;
  const i = opened;
  at("over").hidden = !width[i] || !(at("boxes").checked || only !== null);
  if (!width[i]) return;
  const where = zoomed(i), seen = inSight(where);
  place(at("whole"), where);
  place(at("over"), seen);
  if (!at("over").hidden) draw(at("over"), i, where.w, where.h, {line: 2, names: at("names").checked, only, where, seen});
}

function turn(step) {
  const position = focused + step;
  if (position >= 0 && position < order.length) open(position);
}

at("large").addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key], factor = {"+": 1.5, "-": 1 / 1.5, 0: 1 / LARGEST}[event.key];
  if (step === undefined && factor === undefined) return;
  event.preventDefault();
  if (factor !== undefined) zoomBy(factor); else turn(step);
});
at("large").addEventListener("close", () => {
  // By now the browser has given the focus back to the cell that was clicked, which set `focused`.
  const position = order.indexOf(opened);
  opened = null;
  focusOn(position);
});
at("previous").addEventListener("click", () => turn(-1));
at("next").addEventListener("click", () => turn(1));
at("close").addEventListener("click", () => at("large").close());

// ---- controls

let due = 0;
function soon(work) {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(work);
}

function makeSliders() {
  const found = [...perCategory.keys()].sort((one, other) => perCategory[other] - perCategory[one]);
  at("sliders").replaceChildren(...found.map(c => {
    const line = document.createElement("div"), name = document.createElement("button");
    const slider = document.createElement("input"), value = document.createElement("output");
    const show = () => {
      slider.value = own[c] ?? least;
      value.textContent = Number(slider.value).toFixed(2);
      line.className = own[c] === null ? "" : "own";
    };
    name.type = "button";
    name.append(swatch(data.categories[c][1]), `${data.categories[c][0]} (${words(perCategory[c])})`);
    name.addEventListener("click", () => {
      const search = at("search"), before = search.value.trim();
      search.value = before ? `${before}, ${data.categories[c][0]}` : data.categories[c][0];
      soon(choose);
    });
    Object.assign(slider, {type: "range", min: 0, max: 1, step: 0.01});
    slider.setAttribute("aria-label", `Score of ${data.categories[c][0]} from`);
    slider.addEventListener("input", () => { own[c] = Number(slider.value); show(); soon(choose); });
    line.append(name, slider, value);
    line.show = show;
    show();
    return line;
  }));
}

function showSliders() {
  at("score").value = least;
  for (const line of at("sliders").children) line.show();
}

at("score").addEventListener("input", () => {
  least = Number(at("score").value);
  showSliders();
  soon(choose);
});
at("search").addEventListener("input", () => { focused = 0; soon(choose); });
at("sort").addEventListener("change", () => { focused = 0; window.scrollTo(0, 0); choose(); });
at("boxes").addEventListener("change", () => paint(true));
at("controls").addEventListener("submit", event => event.preventDefault());
at("controls").addEventListener("reset", () => {
  least = start;
  own.fill(null);
  setTimeout(() => { showSliders(); choose(); });
});
let painting = 0;
window.addEventListener("scroll", () => {
  cancelAnimationFrame(painting);
  painting = requestAnimationFrame(() => paint());
}, {passive: true});
window.addEventListener("resize", () => soon(() => { layOut(); drawLarge(); }));
new ResizeObserver(() => { if (opened !== null) drawLarge(); }).observe(at("stage"));

makeSliders();
showSliders();
choose();
