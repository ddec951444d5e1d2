
"use strict";
// Names and reasons come from outside: they are only ever set as text.
const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);

// The data: a typed array for each column, those of an image's detections from first[image] on

function unpacked(name, Type) {
  const text = atob(data.columns[name]);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  data.columns[name] = null;
  if (Type.BYTES_PER_ELEMENT === 1) return bytes;
  const view = new DataView(bytes.buffer);  // Little-endian, whatever the machine is.
  const count = bytes.length / Type.BYTES_PER_ELEMENT;
  const read = Type === Uint16Array ? i => view.getUint16(2 * i, true) : i => view.getUint32(4 * i, true);
  const values = new Type(count);
  for (let i = 0; i < count; i++) values[i] = read(i);
  return values;
}
const width = unpacked("width", Uint32Array), height = unpacked("height", Uint32Array);
const count = unpacked("found", Uint32Array);
const category = unpacked("category", Uint16Array), score = unpacked("score", Uint16Array);
const box = unpacked("box", Uint16Array);
const keypoints = unpacked("keypoints", Uint16Array);
const keypointScores = unpacked("keypoint_scores", Uint8Array);
const masks = unpacked("masks", Uint8Array);
const images = data.names.length, categories = data.categories.length;
const first = new Uint32Array(images + 1);
for (let i = 0; i < images; i++) first[i + 1] = first[i] + count[i];
const perCategory = new Uint32Array(categories);
for (const one of category) perCategory[one]++;
const lowest = score.reduce((least, one) => Math.min(least, one), data.scoreSteps);
const words = number => number.toLocaleString("en");

// What is shown: the least score of each category, the terms of the search, the order

const start = Math.floor(100 * lowest / data.scoreSteps) / 100;
let least = start;
const own = new Array(categories).fill(null);
const limits = new Uint16Array(categories);
let order = [];
const shownCount = new Uint32Array(images), shownSum = new Float64Array(images);

function setLimits() {
  for (let c = 0; c < categories; c++) limits[c] = Math.round((own[c] ?? least) * data.scoreSteps);
}
const isShown = d => score[d] >= limits[category[d]];

const TERM = /^(.*?)\s*(>=|<=|!=|==|=|>|<|≥|≤)\s*(\d+)$/;
const TESTS = {
  ">=": (n, m) => n >= m, "<=": (n, m) => n <= m, "!=": (n, m) => n !== m, "=": (n, m) => n === m,
  ">": (n, m) => n > m, "<": (n, m) => n < m,
};
const WRITTEN = {"≥": ">=", "≤": "<=", "==": "="};

// A search in terms, all of which must hold: each counts detections or looks into the file's name.
function understood(text) {
  return text.split(",").map(part => part.trim()).filter(Boolean).map(part => {
    const match = TERM.exec(part);
    const wanted = (match ? match[1] : part).trim().toLowerCase();
    const names = data.categories.map(one => one[0].toLowerCase());
    let which = names.map(name => name === wanted);
    if (!which.includes(true) && wanted) which = names.map(name => name.includes(wanted));
    if (wanted === "" || wanted === "any") which = names.map(() => true);
    const operator = match ? WRITTEN[match[2]] ?? match[2] : ">=";
    const number = match ? Number(match[3]) : 1;
    if (!match && wanted !== "any" && !which.includes(true)) {
      return {holds: i => data.names[i].toLowerCase().includes(wanted), told: `file name with "${part}"`};
    }
    const found = names.filter((_, c) => which[c]);
    const label = found.length === names.length && names.length > 1 ? "detections of any category"
      : found.length ? found.join(" or ") : `${wanted} (no such category was found)`;
    return {
      holds: i => {
        if (!width[i]) return false;  // It failed: nobody knows what it holds.
        let n = 0;
        for (let d = first[i]; d < first[i + 1]; d++) if (which[category[d]] && isShown(d)) n++;
        return TESTS[operator](n, number);
      },
      told: `${label} ${operator} ${number}`,
    };
  });
}

const KEYS = {
  run: () => 0,
  most: i => -shownCount[i],
  unsure: i => shownCount[i] ? shownSum[i] / shownCount[i] : Infinity,
  errors: i => i in data.errors ? 0 : i in data.gone ? 1 : 2,
};
