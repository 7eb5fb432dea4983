/* The search box: `/` focuses it, the arrow keys walk through suggestions and hits.
   Both come by htmx; without this script the box is a form and each hit a link. */

const box = document.getElementById("q");
const list = document.getElementById("suggestions");
const results = document.getElementById("results");
const said = document.getElementById("search-said");

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
  if (at < 0) return;
  if (event.key === "Escape") return box.focus();
  if (!/^Arrow(Up|Down)$/.test(event.key)) return;
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

/* A swap takes away what was chosen or focused; the link to the same place takes over,
   and where there is none the box does. */
let chosen = null;
let focused = null;
const place = (link) => link && link.pathname + link.hash; // the words to mark may differ

function beforeSwap(event) {
  if (event.target !== list && event.target !== results) return;
  /* An answer without an index has words that are worth showing. */
  if (event.detail.xhr.status === 503) event.detail.shouldSwap = true;
  if (event.target === list) chosen = place(active());
  else focused = results.contains(document.activeElement) ? document.activeElement : null;
}

function afterSwap(event) {
  if (event.target === list) {
    show(options().length > 0 && document.activeElement === box);
    choose(options().find((option) => place(option) === chosen) ?? null);
  } else if (event.target === results && focused) {
    (hits().find((hit) => place(hit) === place(focused)) ?? box).focus();
  }
  if (event.target === list || event.target === results) say();
}

/* For screen readers: a region that stays while what it speaks of is swapped. */
function say() {
  const number = options().length;
  const suggested = number && !list.hidden ? `${number} suggestion${number > 1 ? "s" : ""}.` : "";
  const found = results?.querySelector("[data-said]")?.dataset.said ?? "";
  said.textContent = [suggested, found].filter(Boolean).join(" ");
}

if (box && list) {
  document.addEventListener("keydown", focusBySlash);
  box.addEventListener("keydown", onKey);
  document.addEventListener("keydown", onHit);
  box.addEventListener("focus", () => show(options().length > 0 && box.value !== ""));
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterSwap", afterSwap);
  box.form.addEventListener("focusout", (event) => {
    if (!box.form.contains(event.relatedTarget)) show(false);
  });
  /* A click on a suggestion must not take the focus before it is followed. */
  list.addEventListener("pointerdown", (event) => event.preventDefault());
}
markWords();

/* Words carried over from a search (?h=…) are marked without touching the document. */
function markWords() {
  const words = new URLSearchParams(location.search).get("h")?.toLowerCase();
  if (!words?.trim() || !("highlights" in CSS)) return;
  const wanted = new RegExp(words.trim().split(/\s+/).map(pattern).join("|"), "giu");
  const ranges = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (const match of walker.currentNode.data.matchAll(wanted)) {
      const found = new Range();
      found.setStart(walker.currentNode, match.index);
      found.setEnd(walker.currentNode, match.index + match[0].length);
      ranges.push(found);
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

/* Plain words in any of their endings, inside of names too; all else as it is typed. */
function pattern(word) {
  const exact = word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  if (!/^\p{L}{4,}$/u.test(word)) return `(?<![\\p{L}\\p{N}])${exact}(?![\\p{L}\\p{N}])`;
  const stem = word.length > 5 ? word.replace(/(?:ations?|ings?|ed|es|e|s)$/u, "") : word;
  return `${stem.length > 3 ? stem : word}\\p{Ll}*`;
}
