// Copies the reference. Without this file the text can be selected, and the files taken.

const button = document.querySelector(".copy-bibtex");
const text = document.querySelector("pre.bibtex");
if (button && text) offer();

function offer() {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const said = (await copied()) ? "Copied" : "Selected: press Ctrl+C";
    button.textContent = said;
    document.querySelector("#copied").textContent = said;
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}

// The clipboard is there on https and localhost only; elsewhere the text is selected.
async function copied() {
  try {
    await navigator.clipboard.writeText(text.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(text);
    return false;
  }
}
