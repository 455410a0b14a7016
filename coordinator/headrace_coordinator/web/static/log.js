// The lines that a job's tasks logged, as they come.

import { make, setText } from "./dom.js";
import { clock, count, things } from "./format.js";

const MOST = 2000;

export class Log {
  #list = document.getElementById("log");
  #text = document.getElementById("log-text");
  #follow = document.getElementById("log-follow");
  #cursor;
  #shown;
  #dropped = 0;

  constructor(cursor) {
    this.#cursor = cursor;
    this.#shown = this.#list.children.length;
    this.#text.addEventListener("input", () => {
      for (const line of this.#list.children) this.#choose(line);
    });
    this.#follow.addEventListener("change", () => this.#scroll());
    this.#list.addEventListener("scroll", () => {
      // Whoever scrolls up reads: the list stays where it is.
      const end = this.#list.scrollHeight - this.#list.clientHeight - this.#list.scrollTop < 24;
      if (this.#follow.checked !== end) this.#follow.checked = end;
    });
    this.#scroll();
  }

  get cursor() {
    return this.#cursor;
  }

  take({ lines, cursor, dropped }) {
    if (cursor <= this.#cursor && this.#shown) return;
    this.#cursor = cursor;
    this.#dropped = dropped;
    this.#list.append(...lines.map((line) => this.#make(line)));
    while (this.#list.children.length > MOST) this.#list.firstElementChild.remove();
    this.#shown += lines.length;
    this.#list.hidden = !this.#shown;
    document.getElementById("log-none").hidden = this.#shown > 0;
    const about = [this.#shown ? things(this.#shown, "line") : "", dropped ? `${count(dropped)} not kept` : ""];
    setText(document.getElementById("log-about"), about.filter(Boolean).join(", "));
    this.#scroll();
  }

  #make(line) {
    const attempt = line.attempt > 1 ? ` (attempt ${line.attempt})` : "";
    const element = make(
      "li",
      {},
      make("span", { class: "at" }, clock(line.at)),
      make("span", { class: "level", "data-level": line.level }, line.level),
      make("span", { class: "from" }, `task ${line.index}${attempt}${line.worker ? ` · ${line.worker}` : ""}`),
      make("span", { class: "text" }, line.text),
    );
    this.#choose(element);
    return element;
  }

  #choose(line) {
    const text = this.#text.value.trim().toLowerCase();
    line.hidden = text !== "" && !line.textContent.toLowerCase().includes(text);
  }

  #scroll() {
    if (this.#follow.checked) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
