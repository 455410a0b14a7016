// Lines and areas over time, as SVG: with a title, units, and values on hover and by arrow keys.

import { make, setText } from "./dom.js";
import { clock, duration } from "./format.js";

const HEIGHT = 132;
const LEFT = 44;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
const LEAST_SECONDS = 300;

/** Steps that people read easily, of which a few fit beneath a limit. */
export function ticks(limit, most = 3, whole = false) {
  if (!(limit > 0)) return [0, 1];
  const raw = limit / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  let step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * 0.9999);
  if (whole) step = Math.max(1, Math.round(step));
  const found = [0];
  while (found.at(-1) < limit * 0.9999) found.push(Number((found.at(-1) + step).toPrecision(12)));
  return found;
}

const STEPS = [60, 120, 300, 600, 900, 1800];

/** Moments for the axis of time, a few between two others, at full minutes. */
export function moments(from, to, most) {
  const step = STEPS.find((size) => (to - from) / size <= most) ?? 3600;
  const shift = new Date(from * 1000).getTimezoneOffset() * 60;
  const found = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) found.push(at);
  return found;
}

/**
 * A chart in an element. `series` are [{ key, name, kind: "area" | "edge", stacked }], drawn in this
 * order; `write` makes a value readable; `limit(point)` may say how high the axis goes at least.
 */
export class TimeChart {
  #element;
  #options;
  #points = [];
  #step = 10;
  #svg;
  #tip;
  #heard;
  #chosen = -1;
  #shape = null;

  constructor(element, options) {
    this.#element = element;
    this.#options = options;
    this.#svg = make("svg:svg", { role: "img", tabindex: "0", height: HEIGHT });
    this.#tip = make("div", { class: "tip", "aria-hidden": "true" });
    this.#tip.hidden = true;
    this.#heard = make("span", { class: "unseen", "aria-live": "polite" });
    element.replaceChildren(this.#svg, this.#tip, this.#heard, this.#makeValues());
    this.#svg.addEventListener("pointermove", (event) => this.#point(event));
    this.#svg.addEventListener("pointerleave", () => this.#choose(-1));
    this.#svg.addEventListener("blur", () => this.#choose(-1));
    this.#svg.addEventListener("keydown", (event) => this.#press(event));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  /** Show these points: [{ at, … }], each so many seconds after the last. */
  update(points, stepSeconds) {
    this.#points = points;
    this.#step = stepSeconds || 10;
    this.draw();
    if (this.#values.open) this.#fillValues();
  }

  draw() {
    const width = this.#element.clientWidth;
    if (!width) return;
    const { series, write, whole, limit } = this.#options;
    const points = this.#points;
    const to = points.length ? points.at(-1).at : Date.now() / 1000;
    const from = Math.min(points.length ? points[0].at : to, to - LEAST_SECONDS);
    const stacked = series.filter((one) => one.stacked);
    const heights = points.map((point) =>
      Math.max(
        stacked.reduce((sum, one) => sum + (point[one.key] || 0), 0),
        ...series.filter((one) => !one.stacked).map((one) => point[one.key] || 0),
        0,
      ),
    );
    const steps = ticks(Math.max(0, limit ?? 0, ...heights), 3, whole);
    const top = steps.at(-1);
    const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    this.#shape = { x, y, width, from, to };
    const parts = [];
    for (const value of steps) {
      parts.push(
        make("svg:line", { class: value ? "grid" : "base", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        make("svg:text", { class: "axis", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, (this.#options.mark ?? write)(value)),
      );
    }
    for (const at of moments(from, to, Math.max(2, Math.floor(width / 90)))) {
      if (x(at) < LEFT + 12 || x(at) > width - 18) continue;
      parts.push(make("svg:text", { class: "axis", x: x(at), y: HEIGHT - 5, "text-anchor": "middle" }, clock(at, false)));
    }
    const below = points.map(() => 0);
    for (const one of series) {
      const values = points.map((point, index) => (point[one.key] || 0) + (one.stacked ? below[index] : 0));
      const line = writeLine(points, values, x, y);
      if (one.kind === "area" && points.length) {
        const floor = one.stacked ? [...below] : points.map(() => 0);
        const back = points.map((point, index) => `L${fix(x(point.at))} ${fix(y(floor[index]))}`).reverse();
        parts.push(make("svg:path", { class: `area ${one.look ?? one.key}`, d: `${line}${back.join("")}Z` }));
      } else if (points.length) {
        parts.push(make("svg:path", { class: `edge ${one.look ?? one.key}`, d: line }));
      }
      if (one.stacked) values.forEach((value, index) => (below[index] = value));
    }
    if (this.#chosen >= 0 && points[this.#chosen]) {
      const at = fix(x(points[this.#chosen].at));
      parts.push(make("svg:line", { class: "cursor", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM }));
    }
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.setAttribute("aria-label", this.#describe(to - from));
    this.#svg.replaceChildren(...parts);
  }

  #describe(seconds) {
    const { title } = this.#options;
    if (!this.#points.length) return `${title}: nothing is known yet`;
    return `${title} over the last ${duration(seconds)}; last: ${this.#say(this.#points.at(-1))}. Arrow keys go through the values.`;
  }

  #say(point) {
    const { series, write } = this.#options;
    return series.map((one) => `${one.name} ${write(point[one.key] || 0)}`).join(", ");
  }

  #point(event) {
    if (!this.#shape || !this.#points.length) return;
    const { x } = this.#shape;
    const box = this.#svg.getBoundingClientRect();
    const at = event.clientX - box.left;
    let best = 0;
    this.#points.forEach((point, index) => {
      if (Math.abs(x(point.at) - at) < Math.abs(x(this.#points[best].at) - at)) best = index;
    });
    this.#choose(best);
  }

  #press(event) {
    const last = this.#points.length - 1;
    if (last < 0) return;
    const now = this.#chosen < 0 ? last : this.#chosen;
    const next = { ArrowLeft: now - (this.#chosen < 0 ? 0 : 1), ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.#choose(-1);
    if (next === undefined) return;
    event.preventDefault();
    this.#choose(Math.min(last, Math.max(0, next)));
    const point = this.#points[this.#chosen];
    setText(this.#heard, `${clock(point.at)}: ${this.#say(point)}`);
  }

  #choose(index) {
    this.#chosen = index;
    this.draw();
    const point = this.#points[index];
    this.#tip.hidden = !point;
    if (!point) return;
    const { series, write } = this.#options;
    this.#tip.replaceChildren(
      make("b", {}, clock(point.at)),
      ...series.flatMap((one) => [make("br"), `${one.name} ${write(point[one.key] || 0)}`]),
    );
    const x = this.#shape.x(point.at);
    const wide = this.#tip.offsetWidth;
    const left = x + 12 + wide > this.#shape.width ? x - 12 - wide : x + 12;
    this.#tip.style.transform = `translate(${Math.max(0, left)}px, ${TOP}px)`;
  }

  #values;

  #makeValues() {
    this.#values = make("details", { class: "values" }, make("summary", {}, "Values"));
    this.#values.addEventListener("toggle", () => this.#values.open && this.#fillValues());
    return this.#values;
  }

  #fillValues() {
    const { series, write, title } = this.#options;
    const every = Math.max(1, Math.ceil(60 / this.#step));
    const shown = this.#points.filter((_, index) => (this.#points.length - 1 - index) % every === 0).reverse();
    const table = make(
      "table",
      {},
      make("caption", { class: "unseen" }, title),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Time"), ...series.map((one) => make("th", { scope: "col", class: "number" }, one.name)))),
      make(
        "tbody",
        {},
        ...shown.map((point) =>
          make("tr", {}, make("td", {}, clock(point.at)), ...series.map((one) => make("td", { class: "number" }, write(point[one.key] || 0)))),
        ),
      ),
    );
    const scroll = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `${title}: values` }, table);
    this.#values.replaceChildren(this.#values.firstElementChild, scroll);
  }
}

function fix(number) {
  return number.toFixed(1);
}

function writeLine(points, values, x, y) {
  return points.map((point, index) => `${index ? "L" : "M"}${fix(x(point.at))} ${fix(y(values[index]))}`).join("");
}
