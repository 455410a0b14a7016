// Asks before something is done, and says what came of it.

import { make, setText } from "./dom.js";

const SHOWN_MS = 8000;
const KEPT = "headrace-said";

/** Ask once. Returns whether it was confirmed. */
export function ask({ title, text, verb, danger = false }) {
  const dialog = document.getElementById("ask");
  const yes = document.getElementById("ask-yes");
  setText(document.getElementById("ask-title"), title);
  setText(document.getElementById("ask-text"), text);
  setText(yes, verb);
  yes.classList.toggle("danger", danger);
  dialog.returnValue = "no";
  dialog.showModal();
  document.getElementById("ask-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Say what happened, where screen readers hear it too. */
export function say(text, bad = false) {
  const close = make("button", { type: "button" }, "Close");
  const line = make("p", { class: bad ? "bad" : null }, make("span", {}, text), close);
  close.addEventListener("click", () => line.remove());
  document.getElementById("said").append(line);
  if (!bad) setTimeout(() => line.remove(), SHOWN_MS);
}

/** Say it on the page to which one goes now. */
export function keep(text) {
  sessionStorage.setItem(KEPT, text);
}

/** Say what was kept for this page. */
export function showKept() {
  const text = sessionStorage.getItem(KEPT);
  if (!text) return;
  sessionStorage.removeItem(KEPT);
  say(text);
}

/** Ask, act while the button cannot be pressed again, and say what came of it. */
export async function actOn(button, question, act) {
  if (!(await ask(question))) {
    button.focus();
    return;
  }
  button.disabled = true;
  try {
    const said = await act();
    if (said) say(said);
  } catch (error) {
    say(error.message, true);
  } finally {
    // What the page shows may have gone meanwhile.
    button.disabled = document.getElementById("gone")?.hidden === false;
  }
}
