
"use strict";
// Detections drawn on a canvas over their picture.

const fitted = (i, w, h) => {
  const scale = Math.min(w / width[i], h / height[i]);
  const size = [width[i] * scale, height[i] * scale];
  return {x: (w - size[0]) / 2, y: (h - size[1]) / 2, w: size[0], h: size[1]};
};

function place(element, {x, y, w, h}) {
  Object.assign(element.style, {left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px`});
}

// Draws an image's detections on a canvas that lies over it, w by h on the page, or over what is
// seen of it.
function draw(canvas, i, w, h, {line, names, only = null, where = {x: 0, y: 0}, seen = {x: 0, y: 0, w, h}}) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(seen.w * ratio);
  canvas.height = Math.round(seen.h * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.translate(where.x - seen.x, where.y - seen.y);
  const spot = (d, corner) => [box[4 * d + 2 * corner] / data.steps * w, box[4 * d + 2 * corner + 1] / data.steps * h];
  const drawn = [];
  // Worst first, so that the best lie on top.
  for (let d = first[i + 1] - 1; d >= first[i]; d--) if (isShown(d) && (only === null || only === d)) drawn.push(d);
  if (masks.length) for (const d of drawn) drawMask(pen, d, spot(d, 0), spot(d, 1));
  for (const d of drawn) {
    const [x0, y0] = spot(d, 0), [x1, y1] = spot(d, 1);
    pen.strokeStyle = data.categories[category[d]][1];
    pen.lineWidth = line;
    // The line lies inside of the picture, at its border too.
    pen.strokeRect(Math.max(x0, line / 2), Math.max(y0, line / 2),
      Math.min(x1, w - line / 2) - Math.max(x0, line / 2), Math.min(y1, h - line / 2) - Math.max(y0, line / 2));
    if (data.points) drawKeypoints(pen, d, w, h, line);
  }
  // Best first; a name for which there is no room is left to the list beside the picture.
  const taken = [];
  if (names) for (const d of drawn.reverse()) drawName(pen, d, [...spot(d, 0), ...spot(d, 1)], w, h, taken);
}

function drawMask(pen, d, [x0, y0], [x1, y1]) {
  const side = data.maskSide, bytes = side * side / 8;
  const stamp = document.createElement("canvas");
  stamp.width = stamp.height = side;
  const ink = stamp.getContext("2d"), pixels = ink.createImageData(side, side);
  const colour = data.categories[category[d]][1];
  const rgb = [1, 3, 5].map(from => parseInt(colour.slice(from, from + 2), 16));
  for (let p = 0; p < side * side; p++) {
    if (masks[d * bytes + (p >> 3)] >> (7 - (p & 7)) & 1) pixels.data.set([...rgb, 110], 4 * p);
  }
  ink.putImageData(pixels, 0, 0);
  if (x1 > x0 && y1 > y0) pen.drawImage(stamp, x0, y0, x1 - x0, y1 - y0);
}

function drawKeypoints(pen, d, w, h, line) {
  const seen = k => keypointScores[d * data.points + k] >= data.leastPoint;
  const spot = k => [keypoints[2 * (d * data.points + k)] / data.steps * w, keypoints[2 * (d * data.points + k) + 1] / data.steps * h];
  pen.fillStyle = pen.strokeStyle;
  for (const [a, b] of data.skeleton) {
    if (!seen(a) || !seen(b)) continue;
    pen.beginPath();
    pen.moveTo(...spot(a));
    pen.lineTo(...spot(b));
    pen.stroke();
  }
  for (let k = 0; k < data.points; k++) {
    if (!seen(k)) continue;
    pen.beginPath();
    pen.arc(...spot(k), line + 1, 0, 7);
    pen.fill();
  }
}

const NAME_HEIGHT = 18;

function drawName(pen, d, [x0, y0, x1, y1], w, h, taken) {
  const [name, colour, ink] = data.categories[category[d]];
  const text = `${name} ${(score[d] / data.scoreSteps).toFixed(2)}`;
  pen.font = "13px system-ui, 'DejaVu Sans', sans-serif";
  const length = pen.measureText(text).width + 8;
  const places = [[x0, y0 - NAME_HEIGHT], [x0, y0], [x0, y1], [x1 - length, y0 - NAME_HEIGHT], [x0, y1 - NAME_HEIGHT]]
    .map(([x, y]) => [Math.max(0, Math.min(x, w - length)), Math.max(0, Math.min(y, h - NAME_HEIGHT))]);
  const free = places.find(([x, y]) => taken.every(one => x >= one.x + one.length || x + length <= one.x
    || y >= one.y + NAME_HEIGHT || y + NAME_HEIGHT <= one.y));
  if (!free) return;
  const [x, y] = free;
  taken.push({x, y, length});
  pen.fillStyle = colour;
  pen.fillRect(x, y, length, NAME_HEIGHT);
  pen.fillStyle = ink;
  pen.fillText(text, x + 4, y + 13);
}
