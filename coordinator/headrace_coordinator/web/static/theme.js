// Sets the theme that was chosen before anything is painted: the one script that is no module.
(() => {
  try {
    const theme = localStorage.getItem("headrace-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that keeps nothing shows the system's theme.
  }
})();
