// What a job made: facts of it, pictures before and after, and the file to download.

import { get } from "./api.js";
import { make } from "./dom.js";
import { count, size } from "./format.js";
import { FINAL } from "./rows.js";

const PREVIEW = "data:image/";

export class Results {
  #path;
  #mayFetch;
  #job = null;
  #asked = "";
  #turn = 0;
  #panel = document.getElementById("summary-panel");
  #body = document.getElementById("summary");
  #more = document.getElementById("summary-more");
  #refresh = make("button", { type: "button", class: "small" }, "Refresh");

  constructor(path, mayFetch) {
    this.#path = path;
    this.#mayFetch = mayFetch;
    this.#refresh.addEventListener("click", () => this.#ask());
  }

  /** The job as it stands: it is looked at when the page is opened, and when the job has ended. */
  update(job) {
    this.#job = job;
    const stage = FINAL.has(job.state) ? `${job.state} ${job.done}` : "before its end";
    if (stage === this.#asked) return;
    this.#asked = stage;
    this.#ask();
  }

  async #ask() {
    const turn = (this.#turn += 1);
    const final = FINAL.has(this.#job.state);
    this.#refresh.disabled = true;
    if (final && this.#panel.hidden) {
      this.#panel.hidden = false;
      this.#body.replaceChildren(make("p", { class: "muted" }, "The results are being looked at …"));
    }
    const found = await get(`${this.#path}/summary`).catch((error) => ({ ready: false, message: error.message }));
    if (turn !== this.#turn) return;
    this.#refresh.disabled = false;
    showParameters(found.parameters ?? []);
    this.#show(found, final);
  }

  #show({ ready, message, download, facts = [], pictures = [] }, final) {
    this.#panel.hidden = !final && !pictures.length;
    const more = [];
    if (!final) more.push(this.#refresh);
    if (final && ready && download && this.#mayFetch) {
      more.push(make("a", { class: "button small", href: `/api/v1/${this.#path}/results`, download }, `Download ${download}`));
    }
    this.#more.replaceChildren(...more);
    const parts = [];
    if (message) parts.push(make("p", { class: "muted" }, message));
    if (facts.length) {
      parts.push(make("dl", { class: "facts" }, ...facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])));
    }
    if (pictures.length) parts.push(make("div", { class: "pictures" }, ...pictures.map(showPicture)));
    if (!parts.length) parts.push(make("p", { class: "muted" }, "There is nothing to show of them."));
    this.#body.replaceChildren(...parts);
  }
}

function showPicture(picture) {
  const sizes = (pixels) => (pixels ? `${count(pixels[0])} × ${count(pixels[1])}` : "");
  const from = [sizes(picture.size_before), picture.bytes_in ? size(picture.bytes_in) : ""].filter(Boolean).join(", ");
  const to = [sizes(picture.size_after), picture.bytes_out ? size(picture.bytes_out) : ""].filter(Boolean).join(", ");
  return make(
    "figure",
    {},
    make("div", { class: "pair" }, showPreview(picture.before, `${picture.name} before`), showPreview(picture.after, `${picture.name} after`)),
    make("figcaption", {}, make("span", { class: "clip", title: picture.name }, picture.name), `${from || "?"} → ${to || "?"}`),
  );
}

function showPreview(source, name) {
  if (!source?.startsWith(PREVIEW)) return make("p", { class: "none" }, "No preview");
  return make("img", { src: source, alt: name, title: name, loading: "lazy" });
}

/** What the parameters of the services of headrace are, in words; the names of others are shown. */
const WORDS = {
  serializer: ["Values travel as", (text) => ({ msgpack: "plain values", cloudpickle: "pickled objects" })[text] ?? text],
  start: ["From"],
  stop: ["Up to, without it"],
  span: ["Numbers in a task"],
  size: ["Size"],
  radius: ["Blur radius", (text) => `${text.replace(/\.0$/, "")} pixels`],
  format: ["File format"],
  quality: ["Quality"],
  max_megapixels: ["Largest picture", (text) => `${text.replace(/\.0$/, "")} megapixels`],
  output_dir: ["Written to"],
  shared: ["Files on a shared disk", yes],
  single: ["One picture", yes],
  previews: ["Small previews kept", yes],
};

function yes(text) {
  return { True: "yes", False: "no" }[text] ?? text;
}

/** A parameter and its value, as people say it. */
export function describeParameter([name, text]) {
  const [words, write = (told) => told] = WORDS[name] ?? [name];
  return [words, write(text)];
}

/** What the job was given, among the facts about it. */
function showParameters(parameters) {
  const list = document.getElementById("facts");
  list.querySelectorAll("[data-parameter]").forEach((element) => element.remove());
  for (const [name, text] of parameters.map(describeParameter)) {
    list.append(make("dt", { "data-parameter": "" }, name), make("dd", { "data-parameter": "" }, text));
  }
}
