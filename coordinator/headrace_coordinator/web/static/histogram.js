// How often tasks took how long, as columns: the bounds of time grow by a factor of about two.

import { make, setText } from "./dom.js";
import { count, duration, percent, short, things } from "./format.js";
import { ticks } from "./chart.js";

const HEIGHT = 150;
const LEFT = 44;
const TOP = 8;
const BOTTOM = 22;

/** The columns that there are: [{ from, to, count }], without those that are empty at both ends. */
export function columns({ upper_seconds: upper, counts }) {
  const all = counts.map((number, index) => ({
    from: index ? upper[index - 1] : 0,
    to: upper[index] ?? Infinity,
    count: number,
  }));
  const first = all.findIndex((one) => one.count);
  const last = all.findLastIndex((one) => one.count);
  return first < 0 ? [] : all.slice(Math.max(0, first - 1), Math.min(all.length, last + 2));
}

/** Within how many seconds such a share of the tasks was done, by its column's bound. */
export function within(times, share) {
  const total = times.counts.reduce((sum, number) => sum + number, 0);
  let seen = 0;
  for (const [index, number] of times.counts.entries()) {
    seen += number;
    if (seen >= share * total && total) return times.upper_seconds[index] ?? Infinity;
  }
  return 0;
}

export class Histogram {
  #element;
  #svg = make("svg:svg", { role: "img", tabindex: "0", height: HEIGHT });
  #tip = make("div", { class: "tip", "aria-hidden": "true" });
  #heard = make("span", { class: "unseen", "aria-live": "polite" });
  #table = make("div", { class: "scroll" });
  #columns = [];
  #total = 0;
  #chosen = -1;

  constructor(element) {
    this.#element = element;
    this.#tip.hidden = true;
    const values = make("details", { class: "values" }, make("summary", {}, "Values"), this.#table);
    element.replaceChildren(this.#svg, this.#tip, this.#heard, values);
    this.#svg.addEventListener("pointermove", (event) => {
      const box = this.#svg.getBoundingClientRect();
      const wide = (box.width - LEFT) / this.#columns.length;
      const index = Math.floor((event.clientX - box.left - LEFT) / wide);
      this.#choose(index >= 0 && index < this.#columns.length ? index : -1);
    });
    this.#svg.addEventListener("pointerleave", () => this.#choose(-1));
    this.#svg.addEventListener("blur", () => this.#choose(-1));
    this.#svg.addEventListener("keydown", (event) => {
      const last = this.#columns.length - 1;
      const next = { ArrowLeft: this.#chosen - 1, ArrowRight: this.#chosen + 1, Home: 0, End: last }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      this.#choose(Math.min(last, Math.max(0, next)));
      setText(this.#heard, this.#say(this.#columns[this.#chosen]));
    });
    new ResizeObserver(() => this.draw()).observe(element);
  }

  update(times) {
    this.#columns = columns(times);
    this.#total = times.counts.reduce((sum, number) => sum + number, 0);
    this.draw();
    this.#table.replaceChildren(
      make(
        "table",
        {},
        make("caption", { class: "unseen" }, "How long tasks took"),
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Time"), make("th", { scope: "col", class: "number" }, "Tasks"))),
        make(
          "tbody",
          {},
          ...this.#columns.map((one) => make("tr", {}, make("td", {}, name(one)), make("td", { class: "number" }, count(one.count)))),
        ),
      ),
    );
  }

  draw() {
    const width = this.#element.clientWidth;
    const shown = this.#columns;
    if (!width || !shown.length) return;
    const steps = ticks(Math.max(...shown.map((one) => one.count)), 3, true);
    const y = (value) => TOP + (1 - value / steps.at(-1)) * (HEIGHT - TOP - BOTTOM);
    const wide = (width - LEFT) / shown.length;
    const parts = steps.flatMap((value) => [
      make("svg:line", { class: value ? "grid" : "base", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
      make("svg:text", { class: "axis", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
    ]);
    const every = Math.ceil(58 / wide);
    shown.forEach((one, index) => {
      const x = LEFT + index * wide;
      const height = one.count ? Math.max(1.5, y(0) - y(one.count)) : 0;
      parts.push(
        make("svg:rect", {
          class: index === this.#chosen ? "column chosen" : "column",
          x: (x + Math.min(2, wide * 0.1)).toFixed(1),
          width: Math.max(1, wide - Math.min(4, wide * 0.2)).toFixed(1),
          y: (y(0) - height).toFixed(1),
          height: height.toFixed(1),
        }),
      );
      if (index && index % every === 0 && x < width - 24) {
        parts.push(make("svg:text", { class: "axis", x, y: HEIGHT - 6, "text-anchor": "middle" }, duration(one.from)));
      }
    });
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const most = shown.reduce((best, one) => (one.count > best.count ? one : best));
    this.#svg.setAttribute(
      "aria-label",
      `How long ${things(this.#total, "task")} took; most: ${this.#say(most)}. Arrow keys go through the columns.`,
    );
    this.#svg.replaceChildren(...parts);
  }

  #say(one) {
    return `${name(one)}: ${things(one.count, "task")} (${percent(one.count, this.#total)})`;
  }

  #choose(index) {
    this.#chosen = index;
    this.draw();
    const one = this.#columns[index];
    this.#tip.hidden = !one;
    if (!one) return;
    this.#tip.replaceChildren(make("b", {}, name(one)), make("br"), `${things(one.count, "task")}, ${percent(one.count, this.#total)}`);
    const width = this.#element.clientWidth;
    const middle = LEFT + ((index + 0.5) * (width - LEFT)) / this.#columns.length;
    const left = Math.min(width - this.#tip.offsetWidth, Math.max(0, middle - this.#tip.offsetWidth / 2));
    this.#tip.style.transform = `translate(${left}px, -8px)`;
  }
}

function name({ from, to }) {
  if (to === Infinity) return `over ${duration(from)}`;
  return from ? `${duration(from)} to ${duration(to)}` : `up to ${duration(to)}`;
}
