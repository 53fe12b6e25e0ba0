// Letters instead of a mouse. Every key does what a link, button or field of the page does anyway: without
// scripts nothing is missing.
const rows = () => [...document.querySelectorAll("[data-rows] > tr")];
const here = () => rows().findIndex((row) => row.contains(document.activeElement));
const typing = (node) => node.matches("textarea, select, input:not([type=checkbox], [type=radio])");

function walk(step) {
  const all = rows();
  if (!all.length) return;
  const at = here();
  const next = at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].querySelector("a").focus();
  all[next].scrollIntoView({ block: "nearest" });
}

function press(key) {
  const row = rows()[here()];
  if (key === "j" || key === "k") return walk(key === "j" ? 1 : -1), true;
  if (key === "x" && row) return row.querySelector("[type=checkbox]")?.click(), true;
  if (key === "o" && row) return row.querySelector("a").click(), true;
  if (key === "?") {
    const keys = document.querySelector("details.keys");
    if (!keys) return false;
    keys.open = !keys.open;
    keys.querySelector("summary").focus();
    return true;
  }
  // Two may share a letter where only one of them is on the page at a time.
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!target) return false;
  target.closest("details")?.setAttribute("open", "");
  if (typing(target) || target.matches("[type=radio]")) target.focus();
  else target.click();
  return true;
}

// Who speaks to the computer, or hits keys by chance, turns them off; the browser remembers.
const NAME = "vernacular-keys";
const listening = () => localStorage.getItem(NAME) !== "off";
for (const button of document.querySelectorAll(".keys-switch")) {
  const label = () => { button.textContent = listening() ? button.dataset.off : button.dataset.on; };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    localStorage.setItem(NAME, listening() ? "off" : "on");
    label();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !listening()) return;
  // Whoever writes a text, or walks through a list of choices by its first letters, is left alone.
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (press(event.key)) event.preventDefault();
});
