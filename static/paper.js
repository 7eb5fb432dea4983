// Ties the text to its code. Without this file every link still jumps to its line.

const pane = document.querySelector(".case");
const listing = document.querySelector(".listing");
const article = document.querySelector("article.entry");
if (pane && listing && article) tie();

function tie() {
  const lines = [...listing.querySelectorAll(".line")];
  const linked = [...article.querySelectorAll("[data-lines]")];
  const prose = linked.filter((element) => !element.closest("svg")); // read from top to bottom
  const narrow = window.matchMedia("(max-width: 62rem)");
  const peek = pane.querySelector(".peek");
  let pinned = null;
  let held = false; // an address, a click or the keyboard asked for these lines: reading on lets go
  let pointed = false; // the pointer rests on linked text: scrolling does not lead away from it

  const range = (element) => {
    const [first, last] = element.dataset.lines.split("-").map(Number);
    return lines.slice(first - 1, last);
  };
  const paint = (name, group) => {
    for (const line of listing.querySelectorAll(`.${name}`)) line.classList.remove(name);
    for (const line of group) line.classList.add(name);
  };
  const bring = (group) => {
    if (!group.length) return;
    const top = group[0].offsetTop - listing.offsetTop;
    const bottom = top + group.at(-1).offsetTop + group.at(-1).offsetHeight - group[0].offsetTop;
    const room = listing.clientHeight;
    if (top >= listing.scrollTop + 16 && bottom <= listing.scrollTop + room - 16) return;
    const middle = top - Math.max(24, (room - (bottom - top)) / 3);
    listing.scrollTo({ top: middle, behavior: calm() ? "auto" : "smooth" });
  };
  const light = (element) => {
    const group = range(element);
    paint("lit", group);
    bring(group);
  };
  const open = () => {
    pane.classList.add("open");
    pane.classList.remove("shut");
    name();
  };
  const rest = () => {
    paint("lit", pinned ? range(pinned) : []);
    for (const element of article.querySelectorAll(".lit")) element.classList.remove("lit");
  };

  // Text to code: pointing lights, a click pins and keeps the address.
  for (const element of linked) {
    element.addEventListener("pointerenter", () => {
      if (narrow.matches) return;
      pointed = true;
      light(element);
    });
    element.addEventListener("pointerleave", () => {
      pointed = false;
      rest();
    });
    element.addEventListener("focusin", () => {
      if (narrow.matches) return;
      held = true;
      light(element);
    });
    element.addEventListener("focusout", rest);
    element.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#L']");
      if (!link && !element.matches("figure")) return;
      event.preventDefault();
      pinned = element;
      if (link) history.replaceState(null, "", link.getAttribute("href")); // an SVG link has no hash
      open();
      held = true;
      light(element);
      // The pane rises over what was asked about: bring that above it.
      if (narrow.matches) element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    });
  }

  // Code to text: a line shows what speaks of it, a click goes there.
  const speakers = (line) => {
    const number = lines.indexOf(line) + 1;
    return linked.filter((element) => {
      const [first, last] = element.dataset.lines.split("-").map(Number);
      return first <= number && number <= last;
    });
  };
  for (const line of lines) {
    if (!line.classList.contains("told")) continue;
    const show = () => speakers(line).forEach((element) => element.classList.add("lit"));
    line.addEventListener("pointerenter", show);
    line.addEventListener("pointerleave", rest);
    line.addEventListener("focusin", show);
    line.addEventListener("focusout", rest);
    line.addEventListener("click", (event) => {
      if (event.target.closest("a")) return;
      // The narrowest range is the closest explanation.
      const [closest] = speakers(line).sort((a, b) => range(a).length - range(b).length);
      closest?.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
      if (narrow.matches) close();
    });
  }

  // Reading brings the code along: the last link above the middle of the window leads.
  for (const kind of ["wheel", "touchmove", "keydown"]) {
    window.addEventListener(kind, () => { held = false; }, { passive: true });
  }
  let waiting = false;
  const follow = () => {
    waiting = false;
    if (held || pointed || narrow.matches || listing.matches(":hover")) return;
    const middle = window.innerHeight * 0.45;
    let lead = null;
    for (const element of prose) {
      if (element.getBoundingClientRect().top < middle) lead = element;
      else break;
    }
    paint("near", lead ? range(lead) : []);
    if (lead) bring(range(lead));
  };
  window.addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(follow);
    waiting = true;
  }, { passive: true });

  const contents = [...document.querySelectorAll(".toc a[href^='#']")];
  const headings = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of contents) {
        if (link.hash === `#${entry.target.id}`) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }
  }, { rootMargin: "-15% 0px -70% 0px" });
  for (const section of article.querySelectorAll("section[id]")) headings.observe(section);

  // The pane itself.
  const name = () => {
    if (peek) peek.textContent = pane.classList.contains("open") ? "Close" : "Code";
  };
  const close = () => {
    pane.classList.remove("open");
    pane.classList.add("shut");
    if (location.hash.startsWith("#L")) history.replaceState(null, "", " ");
    pinned = null;
    name();
    rest();
  };
  peek?.removeAttribute("hidden");
  peek?.addEventListener("click", () => (pane.classList.contains("open") ? close() : open()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  // Arriving at an address: light the equation's or the symbol's lines.
  const arrive = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    held = target.matches("[data-lines]") || listing.contains(target);
    if (target.matches("[data-lines]")) light((pinned = target));
    else if (held) bring([target.closest(".line")]);
    else follow();
  };
  window.addEventListener("hashchange", arrive);
  arrive();
}

function calm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
