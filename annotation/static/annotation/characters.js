// A language's special characters as buttons under each text field that names them: a touch puts
// one where the caret is. Without this script there is simply no bar.
"use strict";
(() => {
  function put(field, character) {
    const from = field.selectionStart ?? field.value.length;
    const to = field.selectionEnd ?? from;
    const longest = field.maxLength < 0 ? Infinity : field.maxLength;
    if (field.value.length - (to - from) + character.length > longest) return;
    field.setRangeText(character, from, to, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus({ preventScroll: true });
  }

  function button(text, label) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (label) made.setAttribute("aria-label", label);
    // The field keeps the caret, and a phone its keyboard.
    made.addEventListener("pointerdown", (event) => event.preventDefault());
    return made;
  }

  // A mark that stands on another letter is shown on a circle.
  const face = (letter) => (/^\p{M}/u.test(letter) ? `\u25cc${letter}` : letter);

  function bar(field) {
    const row = document.createElement("div");
    row.className = "characters";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", field.dataset.charactersLabel);
    row.lang = field.dataset.charactersLang || "";
    row.dir = "auto";
    const letters = field.dataset.characters.split(" ").filter(Boolean);
    const buttons = letters.map((letter) => {
      const made = button(face(letter));
      made.onclick = () => put(field, made.dataset.up ? letter.toLocaleUpperCase() : letter);
      return made;
    });
    row.append(...buttons);
    if (letters.some((letter) => letter.toLocaleUpperCase() !== letter)) {
      const shift = button("⇧", field.dataset.charactersUpper);
      shift.setAttribute("aria-pressed", "false");
      shift.onclick = () => {
        const up = shift.getAttribute("aria-pressed") === "false";
        shift.setAttribute("aria-pressed", String(up));
        buttons.forEach((made, at) => {
          made.dataset.up = up ? "yes" : "";
          made.textContent = face(up ? letters[at].toLocaleUpperCase() : letters[at]);
        });
      };
      row.prepend(shift);
    }
    field.after(row);
  }

  for (const field of document.querySelectorAll("[data-characters]")) if (field.dataset.characters.trim()) bar(field);
})();
