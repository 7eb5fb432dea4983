/* The search box: `/` focuses it, the arrow keys walk through the suggestions.
   The suggestions themselves come by htmx; without this script the box is a form. */

const box = document.getElementById("q");
const list = document.getElementById("suggestions");

const options = () => [...list.querySelectorAll("[role=option]")];
const hits = () => [...document.querySelectorAll("#results .hit-title")];
const active = () => list.querySelector("[aria-selected=true]");

function show(open) {
  list.hidden = !open;
  box.setAttribute("aria-expanded", String(open));
  if (!open) choose(null);
}

function choose(option) {
  active()?.setAttribute("aria-selected", "false");
  if (!option) return box.removeAttribute("aria-activedescendant");
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", option.id);
}

/* One step down or up; past either end the text itself is active again. Where nothing
   is suggested, the first hit below is next. */
function step(by) {
  const all = options();
  if (list.hidden && by > 0 && hits().length) return hits()[0].focus();
  if (!all.length) return;
  show(true);
  const places = all.length + 1;
  const at = all.indexOf(active()) + 1;
  choose(all[((at + by + places) % places) - 1] ?? null);
}

/* On a hit the arrows go to the hits beside it, and up from the first to the box. */
function onHit(event) {
  const at = hits().indexOf(event.target);
  if (at < 0 || !/^Arrow(Up|Down)$/.test(event.key)) return;
  event.preventDefault();
  (hits()[at + (event.key === "ArrowDown" ? 1 : -1)] ?? (at ? event.target : box)).focus();
}

const typing = (element) =>
  element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);

function focusBySlash(event) {
  const held = event.ctrlKey || event.metaKey || event.altKey;
  if (event.key !== "/" || held || typing(event.target)) return;
  event.preventDefault();
  box.focus();
  box.select();
}

function onKey(event) {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && active()) {
    event.preventDefault();
    active().click();
  } else if (event.key === "Escape") {
    /* First the list, then the text, then the box itself. */
    if (!list.hidden) event.preventDefault();
    else if (!box.value) box.blur();
    show(false);
  }
}

if (box && list) {
  document.addEventListener("keydown", focusBySlash);
  box.addEventListener("keydown", onKey);
  document.addEventListener("keydown", onHit);
  box.addEventListener("focus", () => show(options().length > 0 && box.value !== ""));
  list.addEventListener("htmx:afterSwap", () =>
    show(options().length > 0 && document.activeElement === box));
  box.form.addEventListener("focusout", (event) => {
    if (!box.form.contains(event.relatedTarget)) show(false);
  });
  /* A click on a suggestion must not take the focus before it is followed. */
  list.addEventListener("pointerdown", (event) => event.preventDefault());
}
