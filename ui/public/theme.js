// Before the first paint, so that nobody is flashed.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch (_) {}
  var dark = chosen ? chosen === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
