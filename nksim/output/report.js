// Draws each chart at the width of the page; a narrow page gets narrower plots and legends in one column.
(function () {
  var MOST = 1.3, LEAST = 0.25, NARROW = 0.8;
  function fitted(node, part) {
    if (Array.isArray(node)) return node.map(function (x) { return fitted(x, part); });
    if (node === null || typeof node !== "object") return node;
    var narrow = part < NARROW, made = {};
    Object.keys(node).forEach(function (key) {
      if (key === "data" || key === "datasets") made[key] = node[key];
      else if (key === "width" && typeof node[key] === "number") made[key] = Math.round(node[key] * part);
      else if (key === "columns" && narrow) made[key] = 1;
      else if (key === "size" && narrow) made[key] = Math.round(node[key] * 0.6);
      else made[key] = fitted(node[key], part);
    });
    return made;
  }
  function draw(target, spec, part) {
    return vegaEmbed(target, fitted(spec, part), { actions: false, renderer: "svg", mode: "vega-lite", logLevel: 1 });
  }
  document.querySelectorAll("figure").forEach(function (figure) {
    var target = figure.querySelector(".chart");
    var spec = JSON.parse(figure.querySelector("script").textContent);
    var part = Math.max(LEAST, Math.min(1, (target.clientWidth - 100) / 640));
    // How much room axes and labels take is known only once a chart stands: then it is drawn again to fill the page.
    draw(target, spec, part).then(function () {
      var left = target.clientWidth - target.querySelector("svg").getAttribute("width");
      var better = Math.max(LEAST, Math.min(MOST, part + left / 640));
      if (Math.abs(better - part) > 0.02) draw(target, spec, better);
    });
  });
})();
