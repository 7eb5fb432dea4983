// `<button data-copy="id">` copies the text of that element, and says so aloud where an
// element is `#copied`. Without scripts the button is hidden, and the text can be selected.

// Of a listing the code alone, without its line numbers.
function text(source) {
  const lines = [...source.querySelectorAll(".line code")];
  if (!lines.length) return source.textContent;
  return `${lines.map((line) => line.textContent).join("\n").trimEnd()}\n`;
}

// The clipboard is there on https and localhost only; elsewhere the text is selected.
async function copied(source) {
  try {
    await navigator.clipboard.writeText(text(source));
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return false;
  }
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("button[data-copy]");
  if (!button || button.dataset.label) return;
  button.dataset.label = button.textContent;
  const done = await copied(document.getElementById(button.dataset.copy));
  button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
  const aloud = document.getElementById("copied");
  if (aloud) aloud.textContent = button.textContent;
  setTimeout(() => {
    button.textContent = button.dataset.label;
    delete button.dataset.label;
    if (aloud) aloud.textContent = "";
  }, 1500);
});
