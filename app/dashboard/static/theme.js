// Light or dark as the system says, until somebody presses the button; runs before the page is painted.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* no storage: the system decides */ }
  if (kept) root.dataset.theme = kept;
  const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Use the ${button.textContent.toLowerCase()} colours`); };
    button.hidden = false;
    name();
    const changed = () => { name(); dispatchEvent(new Event("themechange")); };
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this page only */ }
      changed();
    });
    system.addEventListener("change", changed);
  });
})();
