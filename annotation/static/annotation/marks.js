// Marks in a text, by tapping: a class, the first word, the last word. Works in the form around it:
// what is marked lies in a hidden field, in code points, each mark with its words. Without this
// script the form has a field for the words of each class.
"use strict";
(() => {
  const UNSPACED = "Han Hiragana Katakana Thai Lao Khmer Myanmar Tai_Le New_Tai_Lue Tai_Tham Tibetan Javanese Balinese"
    .split(" ").map((name) => `\\p{Script=${name}}`).join("");
  const WORD = `(?:(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}])+`;
  const WORDS = new RegExp(`${WORD}(?:[\\u200c\\u200d]+${WORD})*`, "gu");
  const LETTER = /\P{M}[\p{M}\p{EMod}\u200c\u200d]*|\p{M}+/gu;
  const letters = (text, from) => {
    const found = self.Intl && Intl.Segmenter
      ? [...new Intl.Segmenter("und").segment(text)].map((one) => [one.index, one.segment])
      : [...text.matchAll(LETTER)].map((one) => [one.index, one[0]]);
    return found.filter(([, one]) => one.trim()).map(([at, one]) => [from + at, from + at + one.length]);
  };

  // The units that one tap marks, as places in the text: words, else letters with their marks.
  function cut(text, small) {
    if (small) return letters(text, 0);
    const units = [];
    let end = 0;
    for (const { index, 0: word } of text.matchAll(WORDS)) {
      units.push(...letters(text.slice(end, index), end), [index, index + word.length]);
      end = index + word.length;
    }
    return [...units, ...letters(text.slice(end), end)];
  }

  function begin(box) {
    const form = box.closest("form");
    const field = (name) => box.querySelector(`[name="a.${name}"]`);
    const say = (key, what = "") => { box.querySelector("[role=status]").textContent = (box.dataset[key] || key) + what; };
    const kinds = [...box.querySelectorAll("[data-mark]")];
    const nameOf = (key) => kinds.find((one) => one.dataset.mark === key)?.dataset.name || key;
    const list = box.querySelector("ul"), shape = box.querySelector("template"), nothing = field("nothing"), small = box.querySelector("[data-letters]");
    let source = null, text = "", marks = [], units = [], kind = kinds.length === 1 ? kinds[0].dataset.mark : "", first = -1, here = 0;
    for (let up = box; up && !source; up = up.parentElement) source = up.querySelector(".sample");
    if (!source || !form) return;

    // Places here count UTF-16 units; what is sent counts code points.
    const points = (place) => [...text.slice(0, place)].length;
    const place = (count) => [...text].slice(0, count).join("").length;
    const told = () => (marks.length ? JSON.stringify(marks.map(({ from, to, label }) => (
      { start: points(from), end: points(to), label, text: text.slice(from, to) }))) : "");
    const inside = (from, to) => marks.filter((one) => one.from < to && from < one.to);

    function keep() {
      marks.sort((a, b) => a.from - b.from);
      field("spans").value = told();
      field("length").value = [...text].length;
      if (marks.length) nothing.checked = false;
      draw();
    }

    function read() {
      try {
        marks = JSON.parse(field("spans").value || "[]").map((one) => (
          { from: place(one.start ?? one[0]), to: place(one.end ?? one[1]), label: one.label ?? one[2] }));
      } catch { marks = []; }
      marks = marks.filter((one) => one.to <= text.length && one.from < one.to);
    }

    function draw() {
      units = cut(text, small.checked);
      here = Math.min(here, Math.max(units.length - 1, 0));
      const parts = [];
      let end = 0;
      units.forEach(([from, to], number) => {
        const [mark] = inside(from, to), one = document.createElement("span");
        parts.push(text.slice(end, from), one);
        one.textContent = text.slice(from, to);
        one.setAttribute("role", "button");
        one.tabIndex = number === here ? 0 : -1;
        one.dataset.unit = number;
        one.setAttribute("aria-pressed", Boolean(mark) || number === first);
        if (mark) {
          one.className = "marked";
          one.setAttribute("aria-label", `${one.textContent}, ${nameOf(mark.label)}`);
          if (mark.to <= to) one.dataset.name = nameOf(mark.label);
        }
        end = to;
      });
      const had = source.contains(document.activeElement) && document.activeElement.dataset.unit;
      source.replaceChildren(...parts, text.slice(end));
      if (had) source.querySelector(`[data-unit="${here}"]`)?.focus({ preventScroll: true });
      for (const one of kinds) one.setAttribute("aria-pressed", one.dataset.mark === kind);
      list.replaceChildren(...marks.map((mark) => {
        const row = shape.content.cloneNode(true), words = text.slice(mark.from, mark.to);
        row.querySelector("q").textContent = words;
        row.querySelector("b").textContent = nameOf(mark.label);
        const off = row.querySelector("button");
        off.setAttribute("aria-label", `${off.textContent}: ${words}`);
        off.onclick = () => { drop([mark]); list.querySelector("button")?.focus(); };
        return row;
      }));
    }

    function drop(some) {
      marks = marks.filter((one) => !some.includes(one));
      keep();
      say("removed");
    }

    function tap(number) {
      const [from, to] = units[number] || [], there = from === undefined ? [] : inside(from, to);
      if (from === undefined) return;
      here = number;
      if (first < 0 && there.length) return void drop(there);
      if (!kind) return void say("choose");
      if (first < 0) {
        first = number;
        draw();
        return void say("last");
      }
      const [one, other] = [first, number].sort((a, b) => a - b), mark = { from: units[one][0], to: units[other][1], label: kind };
      first = -1;
      const under = inside(mark.from, mark.to);
      marks = [...marks.filter((old) => !under.includes(old)), mark];
      keep();
      say(`${nameOf(kind)}: `, text.slice(mark.from, mark.to));
    }

    const choose = (key) => { kind = key; draw(); say("first"); };
    const unitOf = (event) => event.target.closest?.("[data-unit]");

    source.addEventListener("click", (event) => { const unit = unitOf(event); if (unit) tap(Number(unit.dataset.unit)); });
    source.addEventListener("keydown", (event) => {
      if (!unitOf(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const onwards = getComputedStyle(source).direction === "rtl" ? -1 : 1;
      const step = { ArrowRight: onwards, ArrowLeft: -onwards, ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        here = Math.min(Math.max(here + step, 0), units.length - 1);
        draw();
      } else if (event.key === "Enter" || event.key === " ") tap(here);
      else if (event.key === "Escape" && first >= 0) { first = -1; draw(); } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    for (const one of kinds) one.onclick = () => choose(one.dataset.mark);
    document.addEventListener("keydown", (event) => {
      if (event.target.closest?.("input:not([type=checkbox]), textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
      const one = kinds[Number(event.key) - 1];
      if (one && one.querySelector("kbd")?.offsetParent) choose(one.dataset.mark);
    });
    small.onchange = () => { first = -1; draw(); };
    nothing.addEventListener("change", () => { if (nothing.checked && marks.length) { marks = []; keep(); } });
    form.addEventListener("submit", (event) => {
      const value = event.submitter?.name === "answer" ? event.submitter.value : "form:";
      if (!value.startsWith("form:") || marks.length || nothing.checked) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      say("empty");
    }, true);

    function fresh() {
      if (source.textContent !== text) { text = source.textContent; first = -1; here = 0; say(" "); }
      read();
      field("spans").value = told();
      field("length").value = [...text].length;
      draw();
    }
    form.addEventListener("answer:shown", fresh);
    new MutationObserver(() => {
      if (source.textContent !== text || (units.length && !source.querySelector("[data-unit]"))) fresh();
    }).observe(source, { childList: true });
    field("spans").value ||= box.dataset.given || "";
    for (const one of box.querySelectorAll("[data-plain]")) { one.hidden = true; for (const typed of one.querySelectorAll("textarea")) typed.disabled = true; }
    for (const one of box.querySelectorAll("[data-tool]")) one.hidden = false;
    fresh();
  }

  for (const box of document.querySelectorAll("[data-marks]:not([data-on])")) { box.dataset.on = ""; begin(box); }
})();
