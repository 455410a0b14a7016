// The tasks of a job as a picture: each has its place, in the colour of its state.
//
// Where there is no room for each, a cell stands for several tasks one after another, and has the
// colour of the most urgent state among them; one can go closer until each has a cell of its own.

import { make, setText } from "./dom.js";
import { count, tasks as nameTasks } from "./format.js";

/** The states, the least urgent first: the last one that is in a cell gives it its colour. */
export const STATES = ["done", "cancelled", "waiting", "leased", "retrying", "dead"];

/** What a state is called. */
export function word(state) {
  return state === "dead" ? "failed" : state;
}

const LARGEST = 14;
const GAP_FROM = 5;
const MOST_HIGH = 460;

/**
 * How to lay out so many tasks in an area of device pixels: { each, cells, size, columns, rows },
 * with `each` tasks in a cell of `size` pixels.
 */
export function layOut(tasks, width, height, largest) {
  const room = Math.max(1, Math.floor(width) * Math.floor(height));
  const each = Math.max(1, Math.ceil(tasks / room));
  const cells = Math.max(1, Math.ceil(tasks / each));
  let size = Math.max(1, Math.min(largest, Math.floor(Math.sqrt(room / cells))));
  while (size > 1 && Math.ceil(cells / Math.floor(width / size)) * size > height) size -= 1;
  const columns = Math.max(1, Math.min(cells, Math.floor(width / size)));
  return { each, cells, size, columns, rows: Math.ceil(cells / columns) };
}

/** The most urgent state in each cell, as its place in STATES; runs are [{ start, stop, state }]. */
export function colourCells(runs, from, { each, cells }) {
  const found = new Uint8Array(cells);
  for (const run of runs) {
    const state = STATES.indexOf(run.state);
    const first = Math.max(0, Math.floor((run.start - from) / each));
    const last = Math.min(cells - 1, Math.floor((run.stop - 1 - from) / each));
    if (first === last) {
      if (found[first] < state) found[first] = state;
    } else {
      for (let cell = first; cell <= last; cell += 1) if (found[cell] < state) found[cell] = state;
    }
  }
  return found;
}

/** How many tasks of [start, stop) are in each state. */
export function countStates(runs, start, stop) {
  const found = {};
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[middle].stop <= start) low = middle + 1;
    else high = middle;
  }
  for (; low < runs.length && runs[low].start < stop; low += 1) {
    const { start: from, stop: to, state } = runs[low];
    found[state] = (found[state] ?? 0) + Math.min(stop, to) - Math.max(start, from);
  }
  return found;
}

/**
 * The map in an element. `load(start, stop)` returns { tasks, runs, merged }; `open(index, state)` is
 * called for the one task that was chosen.
 */
export class TaskMap {
  #element;
  #load;
  #open;
  #canvas = make("canvas", { tabindex: "0", role: "img" });
  #where = make("span", { class: "where", role: "status" });
  #tools;
  #buttons = {};
  #table = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Runs of tasks" });
  #runs = [];
  #tasks = 0;
  #from = 0;
  #to = 0;
  #whole = true;
  #merged = false;
  #plan = null;
  #chosen = -1;
  #pressed = -1;
  #turn = 0;
  #wanted = null;

  constructor(element, { load, open }) {
    this.#element = element;
    this.#load = load;
    this.#open = open;
    const button = (name, words, act) => {
      this.#buttons[name] = make("button", { type: "button", class: "small" }, words);
      this.#buttons[name].addEventListener("click", act);
      return this.#buttons[name];
    };
    this.#tools = make(
      "div",
      { class: "tools" },
      button("closer", "Closer", () => this.#zoom(1 / 8)),
      button("farther", "Farther", () => this.#zoom(8)),
      button("back", "◀ Before", () => this.#move(-0.8)),
      button("on", "After ▶", () => this.#move(0.8)),
      button("all", "All tasks", () => this.#show(0, this.#tasks)),
      this.#where,
    );
    const values = make("details", { class: "values" }, make("summary", {}, "As a table"), this.#table);
    values.addEventListener("toggle", () => this.#tell());
    element.replaceChildren(this.#canvas, this.#tools, values);
    const canvas = this.#canvas;
    canvas.addEventListener("pointermove", (event) => this.#choose(this.#find(event)));
    canvas.addEventListener("pointerleave", () => this.#choose(-1));
    canvas.addEventListener("pointerdown", (event) => {
      this.#pressed = this.#find(event);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", (event) => this.#release(this.#find(event)));
    canvas.addEventListener("keydown", (event) => this.#press(event));
    new ResizeObserver(() => this.draw()).observe(element);
    document.addEventListener("theme", () => this.draw());
  }

  /** Load what is shown again. */
  async update() {
    const turn = (this.#turn += 1);
    const wanted = this.#wanted ?? (this.#whole ? null : [this.#from, this.#to]);
    const found = await this.#load(wanted ? wanted[0] : 0, wanted ? wanted[1] : undefined);
    if (turn === this.#turn) this.#take(found, wanted);
  }

  /** Show this of all tasks. Returns whether all are shown, and not a part of them. */
  take(found) {
    if (!this.#whole || this.#wanted) return false;
    this.#turn += 1;
    this.#take(found, null);
    return true;
  }

  #take(found, wanted) {
    this.#wanted = null;
    this.#tasks = found.tasks;
    this.#runs = found.runs;
    this.#merged = found.merged;
    const [from, to] = wanted ?? [0, found.tasks];
    this.#from = from;
    this.#to = Math.min(to, found.tasks);
    this.#whole = this.#from === 0 && this.#to >= found.tasks;
    this.draw();
    if (this.#chosen >= (this.#plan?.cells ?? 0)) this.#chosen = -1;
    this.#showWhere();
    this.#tell();
  }

  /** What a part of the tasks is shown, for a heading. */
  get about() {
    if (!this.#plan || !this.#tasks) return "";
    const each = this.#plan.each;
    const merged = this.#merged ? "; many lie apart: go closer to see each" : "";
    const cell = (each > 1 ? `${count(each)} tasks in each place, in the colour of the most urgent` : "one place each") + merged;
    return this.#whole ? cell : `${nameTasks(this.#from, this.#to)} of ${count(this.#tasks)}, ${cell}`;
  }

  /** How many runs of tasks are known. */
  get runs() {
    return this.#runs.length;
  }

  draw() {
    const wide = this.#element.clientWidth - paddings(this.#element);
    if (wide <= 0) return;
    const scale = devicePixelRatio || 1;
    const tasks = Math.max(1, this.#to - this.#from);
    const high = Math.min(MOST_HIGH, wide * 0.9);
    this.#plan = layOut(tasks, wide * scale, high * scale, Math.round(LARGEST * scale));
    const { size, columns, rows, cells } = this.#plan;
    const canvas = this.#canvas;
    const gap = size >= GAP_FROM * scale ? Math.max(1, Math.round(scale)) : 0;
    if (canvas.width !== columns * size || canvas.height !== rows * size) {
      canvas.width = columns * size;
      canvas.height = rows * size;
      canvas.style.width = `${(columns * size) / scale}px`;
      canvas.style.height = `${(rows * size) / scale}px`;
    }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const palette = readColours(this.#element);
    const states = colourCells(this.#runs, this.#from, this.#plan);
    if (this.#runs.length) {
      if (size === 1) paintPixels(context, states, palette, this.#plan);
      else paintRows(context, states, palette, this.#plan, gap);
    }
    if (this.#chosen >= 0 && this.#chosen < cells) {
      const x = (this.#chosen % columns) * size;
      const y = Math.floor(this.#chosen / columns) * size;
      context.strokeStyle = palette.text;
      context.lineWidth = Math.max(1, Math.round(1.5 * scale));
      context.strokeRect(x - gap / 2, y - gap / 2, Math.max(3, size), Math.max(3, size));
    }
    this.#buttons.closer.disabled = this.#plan.each === 1 && tasks <= 1000;
    for (const name of ["farther", "all", "back", "on"]) this.#buttons[name].hidden = this.#whole;
    this.#buttons.closer.hidden = this.#whole && this.#plan.each === 1;
    this.#buttons.back.disabled = this.#from <= 0;
    this.#buttons.on.disabled = this.#to >= this.#tasks;
    canvas.setAttribute("aria-label", this.#describe());
    this.#element.dispatchEvent(new Event("drawn"));
  }

  #describe() {
    const found = countStates(this.#runs, this.#from, this.#to);
    const parts = STATES.filter((state) => found[state]).map((state) => `${count(found[state])} ${word(state)}`);
    return `Map of ${nameTasks(this.#from, Math.max(this.#from + 1, this.#to))}: ${parts.join(", ") || "none"}. Arrow keys go from place to place, Enter goes closer, Escape shows all.`;
  }

  #tell() {
    if (!this.#table.parentElement.open) return;
    const shown = this.#runs.slice(0, 200);
    const rows = shown.map((run) => make("tr", {}, make("td", {}, nameTasks(run.start, run.stop)), make("td", {}, word(run.state)), make("td", { class: "number" }, count(run.stop - run.start))));
    const head = make("tr", {}, make("th", { scope: "col" }, "Tasks"), make("th", { scope: "col" }, "State"), make("th", { scope: "col", class: "number" }, "How many"));
    const more = this.#runs.length > shown.length ? make("p", {}, `The first 200 of ${count(this.#runs.length)} runs; go closer for others.`) : null;
    const children = [make("table", {}, make("caption", { class: "unseen" }, "Runs of tasks in one state"), make("thead", {}, head), make("tbody", {}, ...rows))];
    if (more) children.push(more);
    this.#table.replaceChildren(...children);
  }

  #find(event) {
    const box = this.#canvas.getBoundingClientRect();
    const { size, columns, rows, cells } = this.#plan ?? {};
    if (!cells || !this.#tasks) return -1;
    const column = Math.floor(((event.clientX - box.left) / box.width) * this.#canvas.width / size);
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.#canvas.height / size);
    const cell = Math.max(0, Math.min(rows - 1, row)) * columns + Math.max(0, Math.min(columns - 1, column));
    return cell < cells ? cell : -1;
  }

  #span(cell) {
    const { each } = this.#plan;
    const start = this.#from + cell * each;
    return [start, Math.min(this.#to, start + each)];
  }

  #choose(cell) {
    if (cell === this.#chosen) return;
    this.#chosen = cell;
    this.draw();
    this.#showWhere();
  }

  /** Say what the chosen place stands for. */
  #showWhere() {
    setText(this.#where, this.#chosen < 0 ? "" : this.#say(...this.#span(this.#chosen)));
  }

  #say(start, stop) {
    const found = countStates(this.#runs, start, stop);
    const parts = STATES.filter((state) => found[state]).reverse();
    if (stop - start === 1) return `${nameTasks(start, stop)}: ${parts.length ? word(parts[0]) : ""}`;
    return `${nameTasks(start, stop)}: ${parts.map((state) => (parts.length > 1 ? `${count(found[state])} ${word(state)}` : word(state))).join(", ")}`;
  }

  #release(cell) {
    const first = this.#pressed;
    this.#pressed = -1;
    if (first < 0 || cell < 0) return;
    if (Math.abs(cell - first) > 1) {
      this.#show(this.#span(Math.min(first, cell))[0], this.#span(Math.max(first, cell))[1]);
    } else this.#enter(cell);
  }

  #enter(cell) {
    const [start, stop] = this.#span(cell);
    if (stop - start > 1) this.#zoom(1 / 8, (start + stop) / 2);
    else this.#open(start, Object.keys(countStates(this.#runs, start, stop))[0]);
  }

  #press(event) {
    if (!this.#tasks) return;
    const { columns, cells } = this.#plan;
    const now = Math.max(0, this.#chosen);
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, ArrowUp: now - columns, ArrowDown: now + columns, Home: 0, End: cells - 1 }[event.key];
    const first = this.#chosen < 0 && event.key.startsWith("Arrow");
    if (next !== undefined) this.#choose(first ? 0 : Math.min(cells - 1, Math.max(0, next)));
    else if (event.key === "Enter" && this.#chosen >= 0) this.#enter(this.#chosen);
    else if (event.key === "+") this.#zoom(1 / 8);
    else if (event.key === "-") this.#zoom(8);
    else if (event.key === "Escape" && !this.#whole) this.#show(0, this.#tasks);
    else return;
    event.preventDefault();
  }

  #zoom(factor, middle = (this.#from + this.#to) / 2) {
    const length = Math.max(100, Math.round((this.#to - this.#from) * factor));
    const start = Math.max(0, Math.min(this.#tasks - length, Math.round(middle - length / 2)));
    this.#show(start, Math.min(this.#tasks, start + length));
  }

  #move(share) {
    const length = this.#to - this.#from;
    const start = Math.max(0, Math.min(this.#tasks - length, this.#from + Math.round(length * share)));
    this.#show(start, start + length);
  }

  #show(start, stop) {
    this.#chosen = -1;
    setText(this.#where, "");
    this.#wanted = [Math.max(0, start), Math.min(this.#tasks, stop)];
    this.update().catch((error) => setText(this.#where, error.message));
  }
}

function paddings(element) {
  const style = getComputedStyle(element);
  return parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
}

/** The colours of the states, as the theme has them now. */
function readColours(element) {
  const probe = make("span");
  element.append(probe);
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = { states: STATES.map(read), text: read("text") };
  probe.remove();
  return found;
}

function paintRows(context, states, palette, { size, columns, cells }, gap) {
  STATES.forEach((_, state) => {
    context.fillStyle = palette.states[state];
    for (let cell = 0; cell < cells; cell += 1) {
      if (states[cell] !== state) continue;
      const x = (cell % columns) * size;
      const y = Math.floor(cell / columns) * size;
      context.fillRect(x, y, size - gap, size - gap);
    }
  });
}

function paintPixels(context, states, palette, { columns, rows, cells }) {
  const image = context.createImageData(columns, rows);
  const words = new Uint32Array(image.data.buffer);
  const colours = palette.states.map((colour) => {
    const [red, green, blue] = colour.match(/[\d.]+/g).map(Number);
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
  for (let cell = 0; cell < cells; cell += 1) words[cell] = colours[states[cell]];
  context.putImageData(image, 0, 0);
}

