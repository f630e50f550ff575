"use strict";
// Keeps a reader's zoom while figures are drawn anew. Plotly does so by `uirevision`, but Dash writes a zoomed
// range back into its own figure, and then Plotly takes that range for the page's, not the reader's. So a range
// that the reader has changed is put into the next figure, as long as that asks for the same range as the last one
// did, and has the same `uirevision`.
(function () {
  const known = new WeakMap(); // graph -> what its last figure from the server asked for
  const asked = (axis) => JSON.stringify([axis.range, axis.autorange]);

  function keep(graph, layout) {
    if (!layout || layout.uirevision === undefined) return;
    const before = known.get(graph);
    const same = before && before.uirevision === layout.uirevision && graph.layout;
    const now = { uirevision: layout.uirevision, axes: {} };
    for (const name of Object.keys(layout)) {
      if (!/^[xy]axis\d*$/.test(name)) continue;
      const axis = layout[name], shown = same && graph.layout[name];
      const echo = shown && shown.range && asked(axis) === asked(shown);
      now.axes[name] = echo ? before.axes[name] : asked(axis);
      if (shown && shown.range && !echo && before.axes[name] === asked(axis)) {
        axis.range = shown.range.slice();
        axis.autorange = shown.autorange;
      }
    }
    known.set(graph, now);
  }

  let plotly;
  Object.defineProperty(window, "Plotly", {
    configurable: true,
    get: () => plotly,
    set: (loaded) => {
      plotly = loaded;
      const react = loaded.react;
      loaded.react = function (graph, data, layout, ...more) {
        if (graph && graph.nodeType) keep(graph, data && data.layout ? data.layout : layout);
        return react.call(this, graph, data, layout, ...more);
      };
    },
  });
})();
