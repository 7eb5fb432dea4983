// A place in a picture, chosen by pointing at it: fills the fields x and y.
// Without this script, and for keyboards, the two fields are there by themselves.

const FIELDS = ["x", "y"];

// Width and height of what x and y run over, in pixels of the file; the whole if unsaid.
function plane(image) {
  const said = image.dataset.plane?.split(" ").map(Number);
  return said ?? [image.naturalWidth, image.naturalHeight];
}

function fractions(image, event) {
  const box = image.getBoundingClientRect();
  const scale = [image.naturalWidth / box.width, image.naturalHeight / box.height];
  const at = [event.clientX - box.left, event.clientY - box.top];
  return at.map((pixels, i) => Math.min(1, Math.max(0, pixels * scale[i] / plane(image)[i])));
}

function fill(form, values) {
  const fields = FIELDS.map((name) => form.elements[name]);
  fields.forEach((field, i) => { field.value = values[i].toFixed(2); });
  for (const kind of ["input", "change"]) fields[0].dispatchEvent(new Event(kind, { bubbles: true }));
}

// In the form the place is shown on the preview; a result shows it itself.
function mark(image, values) {
  const point = image.parentElement.querySelector(".point") ?? document.createElement("span");
  point.className = "point";
  [point.style.left, point.style.top] = values.map((value) => `${100 * value}%`);
  image.after(point);
}

document.addEventListener("click", (event) => {
  const image = event.target.closest("[data-plane], .preview");
  const form = image?.closest("form") ?? document.querySelector("form[data-live]");
  const opens = event.detail === 0 || event.ctrlKey || event.metaKey || event.shiftKey;
  if (!image || !form?.elements.x || !form.elements.y || opens) return;
  event.preventDefault(); // the link around a result's picture
  const values = fractions(image, event);
  fill(form, values);
  if (image.matches(".preview")) mark(image, values);
});

// Another picture, or a number typed: what the mark said is over.
document.addEventListener("change", (event) => {
  if (event.isTrusted || event.target.matches(".picture-input")) {
    event.target.form?.querySelector(".point")?.remove();
  }
});
