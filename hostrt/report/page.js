"use strict";
(() => {
  const root = document.documentElement;
  const style = getComputedStyle(root);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const ZOOM = 1.5;
  const STEP = 0.2;

  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const reports = () => Bokeh.documents;

  // a model's tags say which of its colours follow which of the page's
  function paint() {
    // plots are not drawn anew for paper: on it dark ones keep a dark background
    root.dataset.plots = dark.matches ? "dark" : "light";
    for (const report of reports()) {
      for (const model of report.all_models) {
        for (const tag of model.tags) {
          if (typeof tag !== "object") continue;
          for (const [name, from] of Object.entries(tag)) {
            const value = colour(from);
            model[name] = model instanceof Bokeh.Models.get("Glyph") ? { value } : value;
          }
        }
      }
    }
  }

  function find(id) {
    for (const report of reports()) {
      const model = report.get_model_by_id(id);
      if (model !== null) return model;
    }
    return null;
  }

  function move(range, start, end) {
    const [low, high] = range.bounds ?? [-Infinity, Infinity];
    const width = Math.min(end - start, high - low);
    start = Math.max(low, Math.min(start, high - width));
    range.setv({ start, end: start + width });
  }

  function press(event, range) {
    const { start, end } = range;
    const middle = (start + end) / 2;
    const half = (end - start) / 2;
    const steps = {
      "+": () => move(range, middle - half / ZOOM, middle + half / ZOOM),
      "-": () => move(range, middle - half * ZOOM, middle + half * ZOOM),
      "0": () => range.reset(),
      ArrowLeft: () => move(range, start - 2 * half * STEP, end - 2 * half * STEP),
      ArrowRight: () => move(range, start + 2 * half * STEP, end + 2 * half * STEP),
    };
    steps["="] = steps["+"];
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in steps)) return;
    steps[event.key]();
    event.preventDefault();
  }

  function toggle(button, figure) {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    for (const renderer of figure.renderers) {
      if (renderer.name === `series-${button.dataset.series}`) renderer.visible = shown;
    }
  }

  function connect(element) {
    const figure = find(element.dataset.root);
    const range = figure.x_range;
    if (typeof range.start === "number" && "bounds" in range && range.type === "Range1d") {
      element.addEventListener("keydown", (event) => press(event, range));
    }
    for (const button of element.parentElement.querySelectorAll(".series button")) {
      button.addEventListener("click", () => toggle(button, figure));
    }
    if (matchMedia("(pointer: coarse)").matches) {
      // a finger that moves over a plot scrolls the page; tools are a tap away
      for (const tool of figure.toolbar.tools) {
        if (tool.active && tool.event_types?.some((type) => type === "pan" || type === "scroll")) {
          tool.active = false;
        }
      }
    }
  }

  const plots = JSON.parse(document.getElementById("plots").textContent);
  Bokeh.embed.embed_items(plots.documents, plots.items).then(() => {
    paint();
    for (const element of document.querySelectorAll(".plot")) connect(element);
    dark.addEventListener("change", paint);
    root.dataset.ready = "";
  });
})();
