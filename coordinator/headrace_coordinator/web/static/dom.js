// Elements, and tables whose rows stay where they are while what they say changes.

import { age, clean, clock, moment } from "./format.js";

/** An element with attributes and children; what is text stays text, and is fit to be shown. */
export function make(name, attributes = {}, ...children) {
  const element = name.includes(":")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.split(":")[1])
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, clean(String(value)));
  }
  const shown = children.filter((child) => child !== null && child !== undefined);
  element.append(...shown.map((child) => (typeof child === "string" ? clean(child) : child)));
  return element;
}

/** Set a text where it is another one: what does not change is not laid out again. */
export function setText(element, text) {
  const shown = clean(String(text));
  if (element && element.textContent !== shown) element.textContent = shown;
}

/** Set an attribute where it is another one; null takes it away. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined) element.removeAttribute(name);
  else {
    const shown = clean(String(value));
    if (element.getAttribute(name) !== shown) element.setAttribute(name, shown);
  }
}

const ATTRIBUTES = { href: "href", state: "data-state", title: "title", tone: "data-tone", name: "aria-label", at: "data-at" };

/**
 * Fill an element made by a template: data-text="key" has the text of that field, data-href="key"
 * and the like have it as an attribute, and data-bar="key" has its parts drawn.
 */
export function fill(root, fields) {
  for (const element of [root, ...root.querySelectorAll("[data-fill]")]) {
    if (!element.dataset.fill) continue;
    for (const pair of element.dataset.fill.split(" ")) {
      const [what, key] = pair.split(":");
      const value = fields[key];
      if (value === undefined) continue;
      if (what === "text") setText(element, value);
      else if (what === "shown") element.hidden = !value;
      else if (what === "bar") setBar(element, value);
      else if (what === "time") setTime(element, value);
      else setAttribute(element, ATTRIBUTES[what], value === "" && what === "title" ? null : value);
    }
  }
}

/** Draw the parts of a bar: [[class, share], …], each share from 0 to 1. */
export function setBar(svg, parts) {
  let x = 0;
  let told = 0;
  for (const [name, share] of parts) {
    const rect = svg.querySelector(`.fill-${name}`);
    if (!rect) continue;
    setAttribute(rect, "x", `${(100 * x).toFixed(3)}%`);
    setAttribute(rect, "width", `${(100 * share).toFixed(3)}%`);
    x += share;
    if (name === "done" || name === "leased") told += share;
  }
  return told;
}

/** Show a moment as the element's own style says: data-style="age", "clock" or as a whole. */
export function setTime(element, at) {
  if (at === null) {
    setText(element, "");
    return;
  }
  element.dataset.at = at;
  showTime(element);
}

function showTime(element) {
  const at = Number(element.dataset.at);
  const style = element.dataset.style;
  if (style === "age") setText(element, age(at, Date.now() / 1000));
  else setText(element, style === "clock" ? clock(at) : moment(at));
  setAttribute(element, "title", moment(at));
  setAttribute(element, "datetime", new Date(at * 1000).toISOString());
}

/** Show all times in the visitor's own time zone; ages are shown anew as they pass. */
export function localise(root) {
  root.querySelectorAll("time[data-at]").forEach(showTime);
  if (root === document) {
    setInterval(() => {
      if (!document.hidden) document.querySelectorAll('time[data-style="age"]').forEach(showTime);
    }, 5000);
  }
}

/**
 * Make the children of a list those of these items: each keeps its element by its key, new ones are
 * made of the template, and what has gone is taken away. `show(element, item)` fills one.
 */
export function sync(list, items, template, key, show) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = known.get(name);
    known.delete(name);
    if (!element) {
      element = template.content.firstElementChild.cloneNode(true);
      element.dataset.key = name;
    }
    show(element, item);
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
}

/** Whether a list is empty is told beneath it. */
export function showNone(id, items) {
  const none = document.getElementById(id);
  if (none) none.hidden = items.length > 0;
}

/** What does not do without JavaScript is shown. */
export function reveal(root = document) {
  root.querySelectorAll("[data-live]").forEach((element) => {
    element.hidden = false;
  });
}
