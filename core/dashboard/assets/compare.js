"use strict";
// The Compare page's acts in the browser itself: the address is the view, and a button copies it.
(function () {
  async function copy() {
    try {
      await navigator.clipboard.writeText(window.location.href);
      return "Link copied";
    } catch (refused) {
      return "Copy it from the address bar";
    }
  }
  const percent = (value) => (Number(value) ? `Smoothing: ${value} % of the axis` : "Smoothing: none");

  // One listener for all chips: a press on the same one twice is two presses, so they are counted.
  let count = 0;
  document.addEventListener("click", (event) => {
    const chip = event.target.closest && event.target.closest("[data-entry]");
    if (chip) window.dash_clientside.set_props("compare-pressed", { data: { label: chip.dataset.entry, count: ++count } });
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, { compare: { copy, percent } });
})();
