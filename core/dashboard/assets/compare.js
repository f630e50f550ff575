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
  window.dash_clientside = Object.assign({}, window.dash_clientside, { compare: { copy, percent } });
})();
