// A better text begins with the text as it is: nobody types a whole one anew on a phone.
"use strict";
for (const button of document.querySelectorAll("button[data-copies]")) {
  const text = document.getElementById("text");
  const area = button.closest(".better").querySelector("textarea");
  if (!text) continue;
  button.hidden = false;
  button.onclick = () => {
    // Below a line of its own stands what it was made from.
    if (!area.value.trim()) area.value = text.textContent.split("\n\u2e3b\n")[0];
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.focus();
  };
}
