
"use strict";
// The large picture nearer: by wheel, double click, two fingers, the keys + - 0 and two buttons.

let zoom = {scale: 1, x: 0, y: 0};  // How much larger than fitted, and where its corner lies.
const LARGEST = 40;

const stageSize = () => ({w: at("stage").clientWidth, h: at("stage").clientHeight});

// Where the picture lies on the stage; what is larger than the stage leaves none of it empty.
function zoomed(i) {
  const room = stageSize(), whole = fitted(i, room.w, room.h);
  const w = whole.w * zoom.scale, h = whole.h * zoom.scale;
  const held = (place, size, most) => size <= most ? (most - size) / 2 : Math.min(0, Math.max(most - size, place));
  zoom.x = held(zoom.x, w, room.w);
  zoom.y = held(zoom.y, h, room.h);
  return {x: zoom.x, y: zoom.y, w, h};
}

// The part of it that is in sight.
function inSight({x, y, w, h}) {
  const room = stageSize(), left = Math.max(0, x), top = Math.max(0, y);
  return {x: left, y: top, w: Math.min(x + w, room.w) - left, h: Math.min(y + h, room.h) - top};
}

function zoomBy(factor, spot = {x: stageSize().w / 2, y: stageSize().h / 2}) {
  const scale = Math.max(1, Math.min(LARGEST, zoom.scale * factor)), grown = scale / zoom.scale;
  zoom = {scale, x: spot.x - (spot.x - zoom.x) * grown, y: spot.y - (spot.y - zoom.y) * grown};
  drawLarge();
}

function zoomOut() {
  zoom = {scale: 1, x: 0, y: 0};
}

const fingers = new Map();
const spotOf = event => {
  const edge = at("stage").getBoundingClientRect();
  return {x: event.clientX - edge.x, y: event.clientY - edge.y};
};
const apart = ([one, other]) => Math.hypot(one.x - other.x, one.y - other.y);
const between = spots => ({
  x: spots.reduce((sum, one) => sum + one.x, 0) / spots.length,
  y: spots.reduce((sum, one) => sum + one.y, 0) / spots.length,
});

at("stage").addEventListener("wheel", event => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), spotOf(event));
}, {passive: false});
at("stage").addEventListener("dblclick", event => {
  if (zoom.scale === 1) zoomBy(3, spotOf(event)); else { zoomOut(); drawLarge(); }
});
at("stage").addEventListener("pointerdown", event => {
  at("stage").setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, spotOf(event));
});
at("stage").addEventListener("pointermove", event => {
  if (!fingers.has(event.pointerId)) return;
  const before = [...fingers.values()];
  fingers.set(event.pointerId, spotOf(event));
  const now = [...fingers.values()], from = between(before), to = between(now);
  zoom.x += to.x - from.x;
  zoom.y += to.y - from.y;
  zoomBy(now.length === 2 ? apart(now) / Math.max(1, apart(before)) : 1, to);
});
for (const end of ["pointerup", "pointercancel"]) {
  at("stage").addEventListener(end, event => fingers.delete(event.pointerId));
}
at("closer").addEventListener("click", () => zoomBy(1.5));
at("farther").addEventListener("click", () => zoomBy(1 / 1.5));
