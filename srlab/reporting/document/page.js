"use strict";

const at = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const make = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

// ---- Tables: a click on a heading sorts by it, a second one turns the order round.

const sortValue = (row, column) => {
  const cell = row.cells[column];
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  return (cell.dataset.text ?? cell.textContent).trim();
};

const inOrder = (x, y) => {
  if (typeof x === "number" && typeof y === "number") return x - y;
  if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
  return x.localeCompare(y, undefined, { numeric: true });
};

// What is blank comes last whatever the direction: it is no value, neither large nor small.
const compareRows = (column, sign) => (p, q) => {
  const [x, y] = [sortValue(p, column), sortValue(q, column)];
  if (x === "" || y === "") return (x === "") - (y === "");
  return sign * inOrder(x, y);
};

const sortBy = (table, headings, column) => {
  const falling = headings[column].getAttribute("aria-sort") === "ascending";
  for (const heading of headings) heading.setAttribute("aria-sort", "none");
  headings[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compareRows(column, falling ? -1 : 1)));
};

const startTables = () => {
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = heading.querySelector("button");
      button.addEventListener("click", () => sortBy(table, headings, column));
    });
  }
};

// ---- Tabs, by click and by arrow keys.

const openTab = (tabs, chosen) => {
  for (const tab of tabs) {
    const open = tab === chosen;
    tab.setAttribute("aria-selected", open);
    tab.tabIndex = open ? 0 : -1;
    at(tab.getAttribute("aria-controls")).hidden = !open;
  }
};

const startTabs = () => {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const targets = {
    ArrowRight: (k) => (k + 1) % tabs.length,
    ArrowLeft: (k) => (k + tabs.length - 1) % tabs.length,
    Home: () => 0,
    End: () => tabs.length - 1,
  };
  tabs.forEach((tab, number) => {
    tab.addEventListener("click", () => openTab(tabs, tab));
    tab.addEventListener("keydown", (event) => {
      if (!Object.hasOwn(targets, event.key)) return;
      event.preventDefault();
      const next = tabs[targets[event.key](number)];
      openTab(tabs, next);
      next.focus();
    });
  });
  if (tabs.length) openTab(tabs, tabs[0]);
};

// ---- Print: what is folded is printed too.

const startPrint = () => {
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
};

// ---- The viewer: all canvases show the same part of the same crop.

// x and y are the top left corner of what is seen, in pixels of the crop; point is the pixel that
// is read, or null; flipped is null while the divider rules, else "a" or "b".
const state = {
  image: 0, zoom: 1, x: 0, y: 0, a: 0, b: 0, divider: 0.5, flipped: null, point: null, gain: 4,
  difference: false,
};
let images = [];
let crops = []; // of the present picture alone: label, detail, its canvas and its pixels
let tiles = [];
let asked = 0; // how many pictures were asked for: a decoding that was overtaken is dropped

const LOWER = [33, 102, 172];
const SAME = [247, 247, 247];
const HIGHER = [178, 24, 43];
const MARK = "#d55e00";

// The whole range, for all pixels alike, so that a grey has its own value.
const luma = (p, k) => 0.299 * p[k] + 0.587 * p[k + 1] + 0.114 * p[k + 2];

const blank = (width, height) => make("canvas", { width, height });

const decode = async (crop) => {
  const image = make("img", { src: crop.src });
  await image.decode();
  const picture = blank(image.naturalWidth, image.naturalHeight);
  const pen = picture.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  const pixels = pen.getImageData(0, 0, picture.width, picture.height).data;
  return { label: crop.label, detail: crop.detail, picture, pixels };
};

const deepest = () => 128 / state.gain; // grey levels at full colour

const colourOf = (difference) => {
  const part = Math.min(1, Math.abs(difference) / deepest());
  const end = difference > 0 ? HIGHER : LOWER;
  return SAME.map((c, k) => c + part * (end[k] - c));
};

const differenceOf = (crop) => {
  const { width, height } = crop.picture;
  const canvas = blank(width, height);
  const pen = canvas.getContext("2d");
  const drawn = pen.createImageData(width, height);
  for (let k = 0; k < drawn.data.length; k += 4) {
    drawn.data.set(colourOf(luma(crop.pixels, k) - luma(crops[0].pixels, k)), k);
    drawn.data[k + 3] = 255;
  }
  pen.putImageData(drawn, 0, 0);
  return canvas;
};

const surface = (crop) => {
  if (!state.difference) return crop.picture;
  crop.difference ??= differenceOf(crop);
  return crop.difference;
};

const size = () => crops[0].picture;
const side = () => Math.max(size().width, size().height) / state.zoom; // of what is seen

const fit = (canvas) => {
  const wanted = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
  if (canvas.width !== wanted) canvas.width = canvas.height = wanted;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, wanted, wanted);
  return pen;
};

// Paint a crop between two places, given as parts of the canvas from 0 to 1.
const paint = (pen, crop, from, to) => {
  const edge = pen.canvas.width;
  const scale = edge / side();
  const { width, height } = crop.picture;
  pen.save();
  pen.beginPath();
  pen.rect(from * edge, 0, (to - from) * edge, edge);
  pen.clip();
  pen.imageSmoothingEnabled = false;
  pen.drawImage(surface(crop), -state.x * scale, -state.y * scale, width * scale, height * scale);
  pen.restore();
};

const stroke = (pen, path, wide) => {
  for (const [colour, width] of [["rgb(255 255 255 / 65%)", 3 * wide], [MARK, wide]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke(path);
  }
};

// Lines that leave the pixel itself free.
const drawCrosshair = (pen) => {
  if (!state.point) return;
  const edge = pen.canvas.width;
  const scale = edge / side();
  const [x, y] = [(state.point.x - state.x) * scale, (state.point.y - state.y) * scale];
  const [u, v] = [x + scale / 2, y + scale / 2];
  const gap = Math.max(scale, 6 * (window.devicePixelRatio || 1));
  const path = new Path2D();
  path.rect(x, y, scale, scale);
  for (const [x1, y1, x2, y2] of [
    [u, 0, u, v - gap], [u, v + gap, u, edge], [0, v, u - gap, v], [u + gap, v, edge, v],
  ]) {
    path.moveTo(x1, y1);
    path.lineTo(x2, y2);
  }
  stroke(pen, path, window.devicePixelRatio || 1);
};

const drawDivider = (pen, part) => {
  const unit = window.devicePixelRatio || 1;
  const edge = pen.canvas.width;
  const x = part * edge;
  const path = new Path2D();
  path.moveTo(x, 0);
  path.lineTo(x, edge);
  stroke(pen, path, 1.5 * unit);
  pen.fillStyle = MARK;
  pen.beginPath();
  pen.arc(x, edge / 2, 11 * unit, 0, 2 * Math.PI);
  pen.fill();
  pen.strokeStyle = "#fff";
  pen.lineWidth = 2 * unit;
  pen.beginPath();
  for (const turn of [-1, 1]) {
    pen.moveTo(x + 3 * turn * unit, edge / 2 - 4 * unit);
    pen.lineTo(x + 7 * turn * unit, edge / 2);
    pen.lineTo(x + 3 * turn * unit, edge / 2 + 4 * unit);
  }
  pen.stroke();
};

const valueOf = (crop) => {
  const { width, height } = crop.picture;
  const { x, y } = state.point ?? { x: -1, y: -1 };
  if (x < 0 || y < 0 || x >= width || y >= height) return "";
  const k = 4 * (y * width + x);
  const [r, g, b] = crop.pixels.slice(k, k + 3);
  return r === g && g === b ? String(r) : `${r} ${g} ${b}`;
};

const drawTile = (number) => {
  const { box, canvas, value, buttons } = tiles[number];
  const pen = fit(canvas);
  paint(pen, crops[number], 0, 1);
  drawCrosshair(pen);
  value.textContent = valueOf(crops[number]);
  for (const which of ["a", "b"]) {
    const chosen = state[which] === number;
    box.classList.toggle(`is-${which}`, chosen);
    buttons[which].setAttribute("aria-pressed", chosen);
  }
};

const drawComparison = () => {
  const pen = fit(at("compare"));
  const edge = { a: 1, b: 0 }[state.flipped] ?? state.divider;
  paint(pen, crops[state.a], 0, edge);
  paint(pen, crops[state.b], edge, 1);
  if (state.flipped === null) drawDivider(pen, edge);
  drawCrosshair(pen);
  for (const which of ["a", "b"]) {
    const corner = at(`corner-${which}`);
    corner.hidden = state.flipped !== null && state.flipped !== which;
    corner.textContent = `${which.toUpperCase()}  ${crops[state[which]].label}`;
  }
};

const drawReading = () => {
  const values = [crops[0], crops[state.a], crops[state.b]].map(valueOf);
  const image = images[state.image];
  at("where").textContent = values[0] === ""
    ? "–" : `column ${image.left + state.point.x}, row ${image.top + state.point.y}`;
  ["value-truth", "value-a", "value-b"].forEach((id, k) => {
    at(id).textContent = values[k] || "–";
  });
};

const draw = () => {
  if (!crops.length) return;
  crops.forEach((_, number) => drawTile(number));
  drawComparison();
  drawReading();
  at("zoom").textContent = `${state.zoom.toFixed(1)}×`;
  at("viewer").classList.toggle("zoomed", state.zoom > 1);
};

let waiting = false;
const redraw = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
};

// ---- What the viewer does.

const stayWithin = () => {
  const { width, height } = size();
  state.zoom = clamp(state.zoom, 1, Math.max(1, Math.max(width, height) / 4));
  state.x = clamp(state.x, 0, Math.max(0, width - side()));
  state.y = clamp(state.y, 0, Math.max(0, height - side()));
};

// Zoom by a factor around a place, given as parts of a canvas from 0 to 1.
const zoom = (factor, u = 0.5, v = 0.5) => {
  const before = side();
  state.zoom *= factor;
  stayWithin();
  state.x += u * (before - side());
  state.y += v * (before - side());
  stayWithin();
  redraw();
};

const pan = (dx, dy) => {
  state.x += dx;
  state.y += dy;
  stayWithin();
  redraw();
};

const reset = () => {
  Object.assign(state, { zoom: 1, x: 0, y: 0 });
  redraw();
};

// By keyboard: the view follows the pixel that is read.
const movePoint = (dx, dy) => {
  const { width, height } = size();
  const middle = () => ({
    x: Math.floor(state.x + side() / 2), y: Math.floor(state.y + side() / 2),
  });
  const from = state.point ?? middle();
  const point = { x: clamp(from.x + dx, 0, width - 1), y: clamp(from.y + dy, 0, height - 1) };
  state.point = point;
  state.x = clamp(state.x, point.x + 1 - side(), point.x);
  state.y = clamp(state.y, point.y + 1 - side(), point.y);
  stayWithin();
  redraw();
};

const choose = (which, number) => {
  Object.assign(state, { [which]: number, flipped: null });
  at(which).value = number;
  redraw();
};

const flip = () => {
  state.flipped = state.flipped === "a" ? "b" : "a";
  at("shown").textContent =
    `shows ${state.flipped.toUpperCase()}: ${crops[state[state.flipped]].label}`;
  redraw();
};

const setDivider = (value) => {
  Object.assign(state, { divider: clamp(value, 0, 1), flipped: null });
  at("slider").value = Math.round(1000 * state.divider);
  at("slider").setAttribute("aria-valuetext", `A on ${Math.round(100 * state.divider)} %`);
  at("shown").textContent = "";
  redraw();
};

const setMode = (difference) => {
  state.difference = difference;
  at("scale").hidden = !difference;
  redraw();
};

const setGain = (gain) => {
  state.gain = gain;
  for (const crop of crops) delete crop.difference;
  at("gain").setAttribute("aria-valuetext", `${gain} times`);
  at("gain-shown").textContent = `${gain}×`;
  at("lowest").textContent = `−${deepest()}`;
  at("highest").textContent = `+${deepest()}`;
  redraw();
};

// ---- Pointers and keys.

const place = (canvas, { clientX, clientY }) => {
  const box = canvas.getBoundingClientRect();
  return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
};

const whenWheeled = (canvas, event) => {
  // At the whole crop the page scrolls on, or nobody could scroll past the tiles.
  if (event.deltaY > 0 && state.zoom === 1 && !event.ctrlKey) return;
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 33 : 1;
  const pinch = event.ctrlKey ? 4 : 1; // a touchpad's pinch comes as small steps with ctrl
  const turned = clamp(event.deltaY * lines * pinch, -100, 100);
  zoom(1.25 ** (-turned / 100), ...place(canvas, event));
};

const pinch = (pointers, event, now) => {
  const last = pointers.get(event.pointerId);
  const [, other] = [...pointers].find(([id]) => id !== event.pointerId);
  const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1e-6;
  zoom(apart(now) / apart(last), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
};

const nearDivider = (canvas, event) => {
  if (canvas.id !== "compare" || state.flipped !== null) return false;
  const reach = event.pointerType === "mouse" ? 14 : 28;
  const [u] = place(canvas, event);
  return Math.abs(u - state.divider) * canvas.clientWidth < reach;
};

// Two pointers pinch; one drags the picture, or the divider if it began there.
const listenToPointers = (canvas, whenClicked) => {
  const pointers = new Map();
  let moved = false;
  let divides = false;
  const press = (event) => {
    moved = false;
    divides = pointers.size === 0 && nearDivider(canvas, event);
    pointers.set(event.pointerId, place(canvas, event));
    canvas.setPointerCapture(event.pointerId);
  };
  const drag = (event, now) => {
    const last = pointers.get(event.pointerId);
    const [du, dv] = [now[0] - last[0], now[1] - last[1]];
    moved ||= Math.hypot(du, dv) * canvas.clientWidth > 3;
    if (!moved) return;
    if (divides) setDivider(now[0]);
    else if (pointers.size === 2) pinch(pointers, event, now);
    else pan(-du * side(), -dv * side());
    pointers.set(event.pointerId, now);
  };
  const move = (event) => {
    if (!crops.length) return;
    const now = place(canvas, event);
    if (pointers.has(event.pointerId)) drag(event, now);
    state.point = {
      x: Math.floor(state.x + now[0] * side()), y: Math.floor(state.y + now[1] * side()),
    };
    canvas.style.cursor = nearDivider(canvas, event) ? "ew-resize" : "";
    redraw();
  };
  const release = (event) => {
    const known = pointers.delete(event.pointerId);
    if (known && !moved && !divides && event.type === "pointerup") {
      whenClicked(event.shiftKey ? "a" : "b");
    }
  };
  canvas.addEventListener("pointerdown", press);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => {
    state.point = null;
    redraw();
  });
};

const everywhere = {
  "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: reset, f: flip, F: flip,
};
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const arrow = (event) => {
  const [dx, dy] = arrows[event.key];
  if (event.shiftKey) movePoint(dx, dy);
  else pan((dx * side()) / 10, (dy * side()) / 10);
};

// Selects and sliders have their own use for keys.
const whenKey = (event) => {
  const { tagName, type } = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || !crops.length) return;
  if (tagName === "SELECT" || (tagName === "INPUT" && type === "range")) return;
  if (Object.hasOwn(everywhere, event.key)) everywhere[event.key]();
  else if (tagName === "CANVAS" && Object.hasOwn(arrows, event.key)) arrow(event);
  else return;
  event.preventDefault();
};

const listen = (canvas, whenClicked) => {
  listenToPointers(canvas, whenClicked);
  canvas.addEventListener("wheel", (event) => whenWheeled(canvas, event), { passive: false });
  canvas.addEventListener("dblclick", reset);
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter") whenClicked(event.shiftKey ? "a" : "b");
  });
};

// ---- Building it.

const makeTile = (crop, number) => {
  const canvas = make("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${crop.label} ${crop.detail}`);
  listen(canvas, (which) => choose(which, number));
  const buttons = {};
  for (const which of ["a", "b"]) {
    const letter = which.toUpperCase();
    buttons[which] = make("button", { type: "button", className: "pick", textContent: letter });
    buttons[which].setAttribute("aria-label", `${letter}: ${crop.label}`);
    buttons[which].addEventListener("click", () => choose(which, number));
  }
  const value = make("span", { className: "value" });
  const name = make("span", { className: "name", textContent: crop.label });
  const detail = make("span", { className: "detail", textContent: crop.detail });
  const picks = make("span", { className: "picks" }, buttons.a, buttons.b);
  const caption = make("figcaption", {}, name, detail, picks, value);
  return { box: make("figure", { className: "tile" }, canvas, caption), canvas, value, buttons };
};

// At first: plain interpolation against the best of the others.
const firstChoice = () => {
  const quality = crops.map((crop) => Number.parseFloat(crop.detail) || 0);
  quality[0] = -1;
  return { a: Math.min(1, crops.length - 1), b: quality.indexOf(Math.max(...quality)) };
};

const sameChoice = (labels) => {
  const first = firstChoice();
  const find = (label, otherwise) => {
    const found = crops.findIndex((crop) => crop.label === label);
    return found < 0 ? otherwise : found;
  };
  return { a: find(labels[0], first.a), b: find(labels[1], first.b) };
};

const describe = (image) => {
  const why = image.why ? `: ${image.why}` : "";
  return `${image.name} of ${image.testset}, ${image.width}×${image.height} pixels from `
    + `column ${image.left}, row ${image.top}${why}`;
};

const nameOf = (crop) => [crop.label, crop.detail].filter(Boolean).join(", ");

const showCrops = (number, decoded) => {
  const labels = crops.length ? [crops[state.a].label, crops[state.b].label] : [];
  crops = decoded;
  Object.assign(state, { image: number, point: null, flipped: null }, sameChoice(labels));
  tiles = crops.map(makeTile);
  at("tiles").replaceChildren(...tiles.map((tile) => tile.box));
  for (const which of ["a", "b"]) {
    const options = crops.map((crop, k) => (
      make("option", { value: k, textContent: nameOf(crop) })
    ));
    at(which).replaceChildren(...options);
    at(which).value = state[which];
  }
  at("picture").value = number;
  at("about").textContent = describe(images[number]);
  at("shown").textContent = "";
  reset();
};

const open = async (wanted) => {
  const number = (wanted + images.length) % images.length;
  asked += 1;
  const turn = asked;
  const decoded = await Promise.all(images[number].crops.map(decode));
  if (turn === asked) showCrops(number, decoded);
};

const showNamed = (name) => {
  const number = images.findIndex((image) => image.name === name);
  if (number < 0) return;
  open(number);
  at("viewer").scrollIntoView();
  at("compare").focus({ preventScroll: true });
};

const when = (id, type, action) => at(id).addEventListener(type, (event) => action(event.target));

const startControls = () => {
  when("picture", "change", (select) => open(Number(select.value)));
  when("previous", "click", () => open(state.image - 1));
  when("next", "click", () => open(state.image + 1));
  when("zoom-in", "click", () => zoom(1.5));
  when("zoom-out", "click", () => zoom(1 / 1.5));
  when("reset", "click", reset);
  when("flip", "click", flip);
  when("slider", "input", (slider) => setDivider(slider.value / 1000));
  when("mode-picture", "change", () => setMode(false));
  when("mode-difference", "change", () => setMode(true));
  when("gain", "input", (slider) => setGain(2 ** slider.value));
  when("a", "change", (select) => choose("a", Number(select.value)));
  when("b", "change", (select) => choose("b", Number(select.value)));
  at("viewer").addEventListener("keydown", whenKey);
  for (const button of document.querySelectorAll("button.show")) {
    button.disabled = !images.some((image) => image.name === button.dataset.image);
    button.addEventListener("click", () => showNamed(button.dataset.image));
  }
};

const startViewer = async () => {
  images = JSON.parse(at("data").textContent).images;
  if (!images.length) return;
  at("picture").append(...images.map((image, k) => (
    make("option", { value: k, textContent: image.name })
  )));
  startControls();
  listen(at("compare"), () => {});
  // A browser may restore what was set before a reload.
  at("mode-picture").checked = true;
  at("gain").value = Math.log2(state.gain);
  setGain(state.gain);
  setDivider(state.divider);
  window.addEventListener("resize", redraw);
  window.addEventListener("beforeprint", draw);
  at("viewer").hidden = false;
  await open(0);
};

window.srlabViewer = {
  view: () => ({ zoom: state.zoom, x: state.x, y: state.y }),
  image: () => state.image,
  ready: () => crops.length > 0,
  mode: () => (state.difference ? "difference" : "picture"),
  slider: () => state.divider,
  shown: () => state.flipped,
  point: () => state.point,
  values: () => crops.map(valueOf),
};

document.documentElement.classList.add("js");
startTables();
startTabs();
startPrint();
startViewer();
