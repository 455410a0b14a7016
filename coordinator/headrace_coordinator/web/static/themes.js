// The switch between the system's theme, light and dark.

const NAMES = ["auto", "light", "dark"];

/** Let a button go through the themes. "theme" is told on the document whenever colours change. */
export function startTheme(button) {
  const root = document.documentElement;
  const show = () => {
    const name = root.dataset.theme ?? "auto";
    button.textContent = `Theme: ${name}`;
    document.dispatchEvent(new Event("theme"));
  };
  button.addEventListener("click", () => {
    const next = NAMES[(NAMES.indexOf(root.dataset.theme ?? "auto") + 1) % NAMES.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("headrace-theme");
      else localStorage.setItem("headrace-theme", next);
    } catch {
      // It lasts until the page is left.
    }
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  button.hidden = false;
  show();
}
