// A button beside every field whose text is to be copied; without scripts the field is selected by hand.
const { copy, copied } = document.currentScript.dataset;
for (const field of document.querySelectorAll(".copied")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = copy;
  button.addEventListener("click", async () => {
    field.select();
    // Outside https there is no clipboard to write to, and the older way still works.
    if (navigator.clipboard) await navigator.clipboard.writeText(field.value);
    else document.execCommand("copy");
    button.textContent = copied;
  });
  const row = document.createElement("div");
  row.className = "row";
  row.append(button);
  field.parentElement.append(row);
}
