// Several of many: to say that none holds takes the other ticks away, and the other way round; and
// a form without a tick is not sent. Without this script the server says so instead.
"use strict";
(() => {
  for (const group of document.querySelectorAll("[data-boxes]")) {
    const form = group.closest("form");
    const boxes = [...group.querySelectorAll("input[type=checkbox]")];
    const none = boxes.find((one) => "none" in one.dataset);
    const look = () => boxes[0].setCustomValidity(boxes.some((one) => one.checked) ? "" : group.dataset.boxes);
    group.addEventListener("change", ({ target }) => {
      if (target.checked) for (const one of boxes) if (one !== target && (one === none || target === none)) one.checked = false;
      look();
    });
    form.addEventListener("answer:shown", look);
    look();
  }
})();
