"use strict";

// Tables: a click on a heading sorts by it, a second one turns the order round.
const sortValue = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
};

const inOrder = (x, y) => {
  if (typeof x === "number" && typeof y === "number") return x - y;
  if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1; // what has no number comes last
  return x.localeCompare(y, undefined, { numeric: true });
};

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const falling = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const sign = falling ? -1 : 1;
      rows.sort((p, q) => sign * inOrder(sortValue(p, column), sortValue(q, column)));
      table.tBodies[0].append(...rows);
    });
  });
}

// Tabs, by click and by arrow keys.
const tabs = [...document.querySelectorAll("[role=tab]")];

const openTab = (chosen) => {
  for (const tab of tabs) {
    const open = tab === chosen;
    tab.setAttribute("aria-selected", open);
    tab.tabIndex = open ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !open;
  }
};

tabs.forEach((tab, number) => {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(number + step + tabs.length) % tabs.length];
    openTab(next);
    next.focus();
  });
});
if (tabs.length) openTab(tabs[0]);

// The viewer: all canvases show the same part of the same crop.
const startViewer = (data) => {
  const at = (id) => document.getElementById(id);
  const state = { image: 0, zoom: 1, x: 0, y: 0, a: 0, b: 0, divider: 0.5, flipped: null, point: null };
  let crops = []; // of the present picture: label, detail, and its decoded pixels
  let tiles = [];
  let loading = 0; // the latest picture that was asked for

  const truth = () => crops[0];
  const luma = (p, k) => (p[k] === p[k + 1] && p[k] === p[k + 2]
    ? p[k] : 16 + (65.481 * p[k] + 128.553 * p[k + 1] + 24.966 * p[k + 2]) / 255);

  const decode = async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    return { picture: canvas, pixels: pen.getImageData(0, 0, canvas.width, canvas.height).data };
  };

  // Blue is darker than the truth, red is lighter.
  const differenceOf = (crop) => {
    const { width, height } = crop.picture;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext("2d");
    const drawn = pen.createImageData(width, height);
    const deepest = Number(at("gain").value);
    for (let k = 0; k < drawn.data.length; k += 4) {
      const off = (luma(crop.pixels, k) - luma(truth().pixels, k)) / deepest;
      const fade = 245 * (1 - Math.min(1, Math.abs(off)));
      drawn.data.set(off > 0 ? [245, fade, fade, 255] : [fade, fade, 245, 255], k);
    }
    pen.putImageData(drawn, 0, 0);
    return canvas;
  };

  const surface = (crop) => {
    if (!at("difference").checked) return crop.picture;
    crop.difference ??= differenceOf(crop);
    return crop.difference;
  };

  const fit = (canvas) => {
    const side = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    return canvas.getContext("2d");
  };

  const side = () => Math.max(truth().picture.width, truth().picture.height) / state.zoom;

  const paint = (pen, crop, from, to) => {
    const size = pen.canvas.width;
    const scale = size / side();
    pen.save();
    pen.beginPath();
    pen.rect(from * size, 0, (to - from) * size, size);
    pen.clip();
    pen.imageSmoothingEnabled = false;
    const source = surface(crop);
    pen.drawImage(source, -state.x * scale, -state.y * scale, source.width * scale, source.height * scale);
    pen.restore();
  };

  const mark = (pen) => {
    if (!state.point) return;
    const scale = pen.canvas.width / side();
    pen.strokeStyle = "#d55e00";
    pen.lineWidth = 1.5;
    pen.strokeRect((state.point.x - state.x) * scale, (state.point.y - state.y) * scale, scale, scale);
  };

  const valueOf = (crop) => {
    const { width, height } = crop.picture;
    if (!state.point) return "";
    const { x, y } = state.point;
    if (x < 0 || y < 0 || x >= width || y >= height) return "";
    const k = 4 * (y * width + x);
    const [r, g, b] = crop.pixels.slice(k, k + 3);
    return r === g && g === b ? String(r) : `${r} ${g} ${b}`;
  };

  const draw = () => {
    if (!crops.length) return;
    crops.forEach((crop, number) => {
      const { box, canvas, value } = tiles[number];
      const pen = fit(canvas);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      paint(pen, crop, 0, 1);
      mark(pen);
      value.textContent = valueOf(crop);
      box.classList.toggle("is-a", number === state.a);
      box.classList.toggle("is-b", number === state.b);
    });
    const pen = fit(at("compare"));
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    const edge = state.flipped === null ? state.divider : state.flipped === "a" ? 1 : 0;
    paint(pen, crops[state.a], 0, edge);
    paint(pen, crops[state.b], edge, 1);
    if (edge > 0 && edge < 1) {
      pen.fillStyle = "#d55e00";
      pen.fillRect(edge * pen.canvas.width - 1, 0, 2, pen.canvas.height);
    }
    mark(pen);
    at("shown").textContent = state.flipped === null
      ? "" : `shows ${state.flipped.toUpperCase()}: ${crops[state[state.flipped]].label}`;
  };

  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };

  const within = () => {
    const { width, height } = truth().picture;
    state.zoom = Math.min(Math.max(state.zoom, 1), Math.max(width, height) / 4);
    state.x = Math.min(Math.max(state.x, 0), Math.max(0, width - side()));
    state.y = Math.min(Math.max(state.y, 0), Math.max(0, height - side()));
  };

  // Zoom by a factor around a place, given as parts of a canvas from 0 to 1.
  const zoom = (factor, u = 0.5, v = 0.5) => {
    const before = side();
    state.zoom *= factor;
    within();
    state.x += u * (before - side());
    state.y += v * (before - side());
    within();
    redraw();
  };

  const pan = (dx, dy) => {
    state.x += dx;
    state.y += dy;
    within();
    redraw();
  };

  const reset = () => {
    Object.assign(state, { zoom: 1, x: 0, y: 0 });
    redraw();
  };

  const place = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };

  const flip = () => {
    state.flipped = state.flipped === "a" ? "b" : "a";
    redraw();
  };

  const setDivider = (value) => {
    Object.assign(state, { divider: Math.min(Math.max(value, 0), 1), flipped: null });
    at("slider").value = Math.round(1000 * state.divider);
    redraw();
  };

  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: reset, f: flip, F: flip,
    ArrowLeft: () => pan(-side() / 10, 0), ArrowRight: () => pan(side() / 10, 0),
    ArrowUp: () => pan(0, -side() / 10), ArrowDown: () => pan(0, side() / 10),
  };

  // Two pointers pinch, one drags: the picture, or the divider if it began there.
  const listen = (canvas, whenClicked) => {
    const pointers = new Map();
    let moved = false;
    let divides = false;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, ...place(canvas, event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      const [u, v] = place(canvas, event);
      pointers.set(event.pointerId, [u, v]);
      moved = false;
      divides = canvas.id === "compare" && Math.abs(u - state.divider) < 0.04;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [u, v] = place(canvas, event);
      state.point = { x: Math.floor(state.x + u * side()), y: Math.floor(state.y + v * side()) };
      const last = pointers.get(event.pointerId);
      if (last) {
        const [du, dv] = [u - last[0], v - last[1]];
        moved ||= Math.hypot(du, dv) > 0.01;
        if (divides) {
          setDivider(u);
        } else if (pointers.size === 2) {
          const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)[1];
          const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1e-6;
          zoom(apart([u, v]) / apart(last), (u + other[0]) / 2, (v + other[1]) / 2);
        } else if (moved) {
          pan(-du * side(), -dv * side());
        }
        if (moved || divides) pointers.set(event.pointerId, [u, v]);
      }
      redraw();
    });
    const release = (event) => {
      if (pointers.delete(event.pointerId) && !moved && !divides && event.type === "pointerup") {
        whenClicked(event.shiftKey ? "a" : "b");
      }
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => { state.point = null; redraw(); });
    canvas.addEventListener("dblclick", reset);
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Enter") whenClicked(event.shiftKey ? "a" : "b");
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
  };

  const choose = (which, number) => {
    Object.assign(state, { [which]: number, flipped: null });
    at(which).value = number;
    redraw();
  };

  const option = (text, value) => {
    const made = document.createElement("option");
    made.textContent = text;
    made.value = value;
    return made;
  };

  const makeTile = (crop, number) => {
    const box = document.createElement("figure");
    box.className = "tile";
    const canvas = document.createElement("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${crop.label} ${crop.detail}`);
    const caption = document.createElement("figcaption");
    caption.append(`${crop.label} ${crop.detail}`);
    const value = document.createElement("span");
    value.className = "value";
    caption.append(value);
    box.append(canvas, caption);
    listen(canvas, (which) => choose(which, number));
    return { box, canvas, value };
  };

  const open = async (number) => {
    const image = data.images[(number + data.images.length) % data.images.length];
    const turn = ++loading;
    const decoded = await Promise.all(image.crops.map((crop) => decode(crop.src)));
    if (turn !== loading) return;
    const old = crops.length;
    state.image = data.images.indexOf(image);
    crops = image.crops.map((crop, k) => ({ label: crop.label, detail: crop.detail, ...decoded[k] }));
    tiles = crops.map(makeTile);
    at("tiles").replaceChildren(...tiles.map((tile) => tile.box));
    for (const which of ["a", "b"]) {
      at(which).replaceChildren(...crops.map((crop, k) => option(`${crop.label} ${crop.detail}`, k)));
    }
    if (!old) Object.assign(state, { a: Math.min(2, crops.length - 1), b: crops.length - 1 });
    at("a").value = state.a;
    at("b").value = state.b;
    at("picture").value = state.image;
    const why = image.why ? `: ${image.why}` : "";
    at("about").textContent = `${image.name} of ${image.testset}, ${image.width}x${image.height} pixels `
      + `from column ${image.left}, row ${image.top}${why}`;
    reset();
  };

  at("picture").append(...data.images.map((image, k) => option(image.name, k)));
  at("picture").addEventListener("change", (event) => open(Number(event.target.value)));
  at("previous").addEventListener("click", () => open(state.image - 1));
  at("next").addEventListener("click", () => open(state.image + 1));
  at("zoom-in").addEventListener("click", () => zoom(1.5));
  at("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
  at("reset").addEventListener("click", reset);
  at("flip").addEventListener("click", flip);
  at("slider").addEventListener("input", (event) => setDivider(event.target.value / 1000));
  at("difference").addEventListener("change", (event) => {
    at("gain-label").hidden = !event.target.checked;
    redraw();
  });
  at("gain").addEventListener("change", () => {
    for (const crop of crops) delete crop.difference;
    redraw();
  });
  for (const which of ["a", "b"]) {
    at(which).addEventListener("change", (event) => choose(which, Number(event.target.value)));
  }
  for (const button of document.querySelectorAll("button.show")) {
    button.addEventListener("click", () => {
      open(data.images.findIndex((image) => image.name === button.dataset.image));
      at("viewer").scrollIntoView();
    });
  }
  listen(at("compare"), () => {});
  window.addEventListener("resize", redraw);
  at("viewer").hidden = false;
  open(0);

  window.srlabViewer = {
    view: () => ({ zoom: state.zoom, x: state.x, y: state.y }),
    image: () => state.image,
    ready: () => crops.length > 0,
    slider: () => state.divider,
    shown: () => state.flipped,
    values: () => crops.map(valueOf),
  };
};

const data = JSON.parse(document.getElementById("data").textContent);
if (data.images.length) startViewer(data);
