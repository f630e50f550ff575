"use strict";
// Draws trees of [tag, attributes, children] without React: a table of hundreds of rows stands at once, and when
// it changes only the elements that differ are touched, so that focus and open menus stay. Words become text
// nodes, never markup; tags and attributes are those below, links lead to our own pages.
(function () {
  const TAGS = new Set(("a b br caption code col colgroup div em h2 h3 h4 li ol p pre section small span strong table "
    + "tbody td th thead tr ul button").split(" "));
  const PLAIN = new Set(["class", "title", "role", "type", "scope", "colspan", "rowspan", "tabindex", "disabled", "id", "href"]);
  const drawn = new WeakMap();

  const named = (name) => PLAIN.has(name) || name.startsWith("aria-") || name.startsWith("data-");
  const safe = (name, value) => named(name) && (name !== "href" || /^\/(?!\/)/.test(value));

  function dress(element, before, after) {
    for (const name of Object.keys(before)) {
      if (!(name in after) && name !== "style") element.removeAttribute(name);
    }
    for (const [name, value] of Object.entries(after)) {
      if (JSON.stringify(before[name]) === JSON.stringify(value)) continue;
      if (name === "style") for (const [key, size] of Object.entries(value)) element.style[key] = size;
      else if (value === false || value === null) element.removeAttribute(name);
      else if (safe(name, String(value))) element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  function make(tree) {
    if (typeof tree === "string") return document.createTextNode(tree);
    const [tag, attributes, children] = tree;
    const element = document.createElement(TAGS.has(tag) ? tag : "span");
    dress(element, {}, attributes);
    for (const child of children) element.append(make(child));
    return element;
  }
  function patch(node, before, after) {
    if (typeof before === "string" && typeof after === "string") {
      if (before !== after) node.data = after;
    } else if (typeof before === "string" || typeof after === "string" || before[0] !== after[0]) {
      node.replaceWith(make(after));
    } else {
      dress(node, before[1], after[1]);
      inside(node, before[2], after[2]);
    }
  }
  function inside(element, before, after) {
    const nodes = Array.from(element.childNodes);
    before.forEach((child, i) => (i < after.length ? patch(nodes[i], child, after[i]) : nodes[i].remove()));
    for (const child of after.slice(before.length)) element.append(make(child));
  }

  function draw(trees, id) {
    const place = document.getElementById(id.replace(/-tree$/, ""));
    if (!place || !trees) return;
    const before = drawn.get(place) || [];
    if (before.length === place.childNodes.length) inside(place, before, trees);
    else place.replaceChildren(...trees.map(make));
    drawn.set(place, trees);
  }
  // A link to one of our pages, without loading the browser's page anew.
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-inside]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    window.history.pushState({}, "", link.getAttribute("href"));
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  });

  const lab = Object.assign({}, (window.dash_clientside || {}).lab, { draw });
  window.dash_clientside = Object.assign({}, window.dash_clientside, { lab });
})();
