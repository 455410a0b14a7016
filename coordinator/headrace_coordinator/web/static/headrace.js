// What every page has: the theme's switch, times in the visitor's own time zone, and the page's own module.

import { showKept } from "./ask.js";
import { localise } from "./dom.js";
import { startTheme } from "./themes.js";

startTheme(document.getElementById("theme"));
localise(document);
showKept();

const page = document.body.dataset.page;
if (page) {
  const { start } = await import(`./pages/${page}.js`);
  start();
}
