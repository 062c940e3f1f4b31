// Draws each chart at the width of the page; a narrow page gets narrower plots and legends in one column.
(function () {
  function fitted(node, part, narrow) {
    if (Array.isArray(node)) return node.map(function (x) { return fitted(x, part, narrow); });
    if (node === null || typeof node !== "object") return node;
    var made = {};
    Object.keys(node).forEach(function (key) {
      if (key === "data" || key === "datasets") made[key] = node[key];
      else if (key === "width" && typeof node[key] === "number") made[key] = Math.round(node[key] * part);
      else if (key === "columns" && narrow) made[key] = 1;
      else if (key === "size" && narrow) made[key] = Math.round(node[key] * 0.4);
      else made[key] = fitted(node[key], part, narrow);
    });
    return made;
  }
  document.querySelectorAll("figure").forEach(function (figure) {
    var target = figure.querySelector(".chart");
    var spec = JSON.parse(figure.querySelector("script").textContent);
    var part = Math.min(1, (target.clientWidth - 175) / 640);
    vegaEmbed(target, fitted(spec, Math.max(part, 0.25), part < 0.8), { actions: false, renderer: "svg", mode: "vega-lite" });
  });
})();
