"use strict";
// What the dashboard does in the browser itself: theme, address, and clicks that change the view.
(function () {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const set = (id, data) => window.dash_clientside.set_props(id, { data });
  const here = () => ({ path: window.location.pathname, search: window.location.search });

  function chosen() {
    try {
      const said = window.localStorage.getItem("lab-theme");
      if (said) return said === "dark";
    } catch (refused) { /* no storage: the system's theme */ }
    return system.matches;
  }
  function paint(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    return dark;
  }
  function mark(path) {
    for (const link of document.querySelectorAll("header nav a")) {
      if (link.getAttribute("href") === path) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const link = document.querySelector('header nav a[aria-current="page"]');
    document.title = link ? link.textContent + " · lab" : "lab";
  }
  function go() {
    const place = here();
    mark(place.path);
    set("place", place);
  }

  // Says so when nobody answers any more.
  const ask = window.fetch;
  const gone = (so) => {
    const said = document.getElementById("gone");
    if (said) said.hidden = !so;
  };
  window.fetch = (...question) => ask(...question).then(
    (answer) => { gone(false); return answer; },
    (error) => { gone(true); throw error; },
  );

  let started = false;
  function start() {
    if (!started) {
      started = true;
      // Links and the back button; an address a page writes itself makes no such event.
      window.addEventListener("popstate", go);
      window.addEventListener("_dashprivate_pushstate", go);
      system.addEventListener("change", () => set("dark", paint(chosen())));
    }
    const place = here();
    mark(place.path);
    return [place, paint(chosen())];
  }
  function address(query) {
    const place = here();
    if (typeof query === "string" && query !== place.search) {
      window.history.replaceState(window.history.state, "", place.path + query);
      window.dash_clientside.set_props("url", { search: query, href: window.location.href });
    }
  }
  function theme(clicks, dark) {
    try { window.localStorage.setItem("lab-theme", dark ? "light" : "dark"); } catch (refused) { /* for this page alone */ }
    return paint(!dark);
  }

  // Dash names a menu by its value alone; its label belongs to the name.
  function name() {
    for (const menu of document.querySelectorAll("button.dash-dropdown[id]:not([data-named])")) {
      const label = document.querySelector(`label[for="${CSS.escape(menu.id)}"]`);
      if (!label) continue;
      label.id = label.id || `${menu.id}-label`;
      menu.setAttribute("aria-labelledby", `${label.id} ${menu.getAttribute("aria-labelledby") || ""}`);
      menu.dataset.named = "";
    }
  }
  // Who closes a panel stands again where it was opened.
  let opener = null;
  function back() {
    if (opener && opener.panel && !document.querySelector(".panel")) {
      const again = [...document.querySelectorAll('[data-act="edit"]')].find((button) => button.dataset.of === opener.of);
      if (again && document.activeElement === document.body) again.focus();
      opener = null;
    } else if (opener && document.querySelector(".panel")) opener.panel = true;
  }
  new MutationObserver(() => { name(); back(); }).observe(document.documentElement, { childList: true, subtree: true });

  // A button with data-act says what it does in words: {act, of} to the Store that what holds it names in
  // data-acts. One listener for all of them, so that tables of hundreds of rows need no callback each.
  let count = 0;
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-act]");
    if (button && button.dataset.act === "edit") opener = { of: button.dataset.of, panel: false };
    const holder = button && button.closest("[data-acts]");
    if (holder) set(holder.dataset.acts, { act: button.dataset.act, of: button.dataset.of || "", count: ++count });
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector('[data-act="close"]');
    if (open) open.click();
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    lab: Object.assign({}, (window.dash_clientside || {}).lab, { start, address, theme }),
  });
})();
