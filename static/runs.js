// The page of a run: live progress, and controls that show the next result in place.
// Without this script it works as well: the page refreshes itself, the controls post.

const POLL_MS = 1500;
const FIRST_BEAT_MS = 4000; // a stream that says nothing at once is held back somewhere
const BEAT_MS = 40000; // the server beats every 15 s
const MAX_FAILURES = 2;
const ASK = { headers: { "HX-Request": "true" } };

const box = document.querySelector("#status[data-run]");
const part = (name, within = box) => within.querySelector(`[data-part="${name}"]`);

// -- what the server renders, put in place

function parsed(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  return fresh.content;
}

function put(fresh, names) {
  // Pictures that are there already stay, so nothing flickers. What was sent is the same
  // in every run made from it, under an address of each.
  const key = (image) => image.dataset.name ?? image.getAttribute("src");
  const known = new Map([...box.querySelectorAll("img")].map((image) => [key(image), image]));
  for (const image of fresh.querySelectorAll("img")) {
    if (known.has(key(image))) image.replaceWith(known.get(key(image)));
  }
  const focused = box.contains(document.activeElement) && document.activeElement.closest("form, a");
  const same = focused && (focused.getAttribute("action") ?? focused.getAttribute("href"));
  for (const name of names) part(name).replaceWith(part(name, fresh));
  // This line is the one that screen readers follow, so it stays the same element.
  const [state, now] = [box.querySelector(".state"), fresh.querySelector(".state")];
  if (state.innerHTML !== now.innerHTML) state.innerHTML = now.innerHTML;
  state.className = now.className;
  state.toggleAttribute("data-final", now.hasAttribute("data-final"));
  if (same && !box.contains(focused)) {
    box.querySelector(`form[action="${same}"] button, a[href="${same}"]`)?.focus();
  }
}

// The picture that is looked at comes whole, so the page does not jump.
async function loaded(fresh) {
  const lead = fresh.querySelector(".lead img");
  if (!lead) return;
  const image = document.importNode(lead, true);
  await image.decode().catch(() => {});
  lead.replaceWith(image);
}

const isFinal = (within = box) => within.querySelector(".state").hasAttribute("data-final");

// -- live progress

class Live {
  constructor(url) {
    this.url = url;
    this.last = 0;
    this.series = new Map();
    this.failures = 0;
  }

  async start() {
    // What has happened so far, in one answer: curves of finished runs come from here.
    const over = await this.poll().catch(() => false);
    if (!over && !isFinal()) this.listen();
  }

  listen() {
    if (!window.EventSource) return this.keepPolling();
    const source = new EventSource(`${this.url}events?after=${this.last}`);
    const leave = () => { source.close(); clearTimeout(this.silence); };
    const heard = (patience) => {
      clearTimeout(this.silence);
      this.silence = setTimeout(() => { leave(); this.keepPolling(); }, patience);
    };
    heard(FIRST_BEAT_MS);
    const on = (kind, act) => source.addEventListener(kind, (event) => {
      heard(BEAT_MS);
      act(event, JSON.parse(event.data));
    });
    for (const kind of ["state", "progress"]) {
      on(kind, (event, data) => {
        this.failures = 0; // only news count: a stream may be cut after each first beat
        this.take([{ seq: Number(event.lastEventId), kind, data }]);
      });
    }
    on("beat", () => {});
    on("place", (event, data) => this.place(data));
    on("end", () => { leave(); this.refresh(); });
    source.onerror = () => {
      this.failures += 1;
      if (source.readyState === EventSource.CLOSED || this.failures > MAX_FAILURES) {
        leave();
        this.keepPolling();
      }
    };
  }

  async keepPolling() {
    const over = await this.poll().catch(() => false);
    if (!over) setTimeout(() => this.keepPolling(), POLL_MS);
  }

  async poll() {
    const answer = await fetch(`${this.url}events?after=${this.last}`, {
      headers: { Accept: "application/json" },
    });
    if (answer.status === 404) return true; // deleted meanwhile
    const { events, over } = await answer.json();
    await this.take(events);
    if (over && !isFinal()) await this.refresh();
    return over;
  }

  async take(events) {
    let changed = false;
    for (const { seq, kind, data } of events) {
      if (seq <= this.last) continue;
      this.last = seq;
      if (kind === "progress") {
        this.progress(data);
        changed ||= data.artifacts.length > 0;
      } else {
        // The last state is shown once, when the stream or the poll says it is over.
        changed ||= data.state === "running" || data.state === "cancelling";
        if (data.state === "running") this.series.clear(); // each attempt begins anew
      }
    }
    this.draw();
    if (changed && !isFinal()) await this.refresh();
  }

  progress(data) {
    const bar = box.querySelector("progress");
    if (bar) {
      bar.max = data.total || 1;
      bar.value = data.step;
      box.querySelector("[data-message]").textContent = data.message;
    }
    for (const [name, points] of Object.entries(data.series)) {
      this.series.set(name, [...(this.series.get(name) ?? []), ...points]);
    }
  }

  place({ position, eta }) {
    const words = [];
    if (position) words.push(position === 1 ? "Next in line." : `Number ${position} in line.`);
    if (eta) words.push(`Done in about ${eta.low === eta.high ? eta.high : `${eta.low} to ${eta.high}`} s.`);
    const place = box.querySelector("[data-place]");
    if (place) place.textContent = words.join(" ");
  }

  draw() {
    box.dispatchEvent(new CustomEvent("series", { detail: this.series, bubbles: true }));
  }

  async refresh() {
    const answer = await fetch(`${this.url}status/`);
    if (!answer.ok) return;
    const fresh = parsed(await answer.text());
    await loaded(fresh);
    put(fresh, ["progress", "controls", "result"]);
    this.draw();
  }
}

// -- controls: the same pictures with other options, one question at a time

class Controls {
  constructor() {
    this.busy = this.wanted = this.held = false;
    // One visit to a control is one step back, however many values it went through.
    for (const kind of ["pointerdown", "focusin"]) {
      box.addEventListener(kind, ({ target }) => { if (target.form) this.held = false; });
    }
    for (const kind of ["input", "submit"]) {
      box.addEventListener(kind, (event) => {
        const form = event.target.closest("[data-live]");
        if (!form) return;
        if (kind === "submit") event.preventDefault();
        for (const output of form.querySelectorAll("output")) {
          output.value = form.elements[output.getAttribute("for")].value;
        }
        this.ask(form);
      });
    }
    window.addEventListener("popstate", () => this.back());
  }

  // At once; while an answer is on its way, only the last place of a slider counts.
  async ask(form) {
    this.wanted = true;
    if (this.busy) return;
    this.busy = true;
    while (this.wanted) {
      this.wanted = false;
      if (form.checkValidity()) await this.change(form).catch(() => this.say("The site does not answer. Try again in a moment."));
      else this.say([...form.elements].find((one) => !one.validity.valid)?.validationMessage ?? "");
    }
    this.busy = false;
  }

  async change(form) {
    let answer = await fetch(form.action, { method: "POST", body: new FormData(form), ...ASK });
    if (!answer.ok) return this.say(sentence(await answer.text()));
    const url = new URL(answer.url).pathname.replace(/status\/$/, "");
    let fresh = parsed(await answer.text());
    while (!isFinal(fresh)) {
      this.say("Working…");
      answer = await fetch(`${url}status/?wait=1`, ASK);
      if (!answer.ok) return this.say("This result was deleted.");
      fresh = parsed(await answer.text());
    }
    const wrong = fresh.querySelector(".notice.error p");
    if (wrong) return this.say(wrong.textContent);
    await loaded(fresh);
    this.say("");
    put(fresh, ["progress", "result"]);
    form.elements.from.value = url.split("/").at(-2);
    if (url !== location.pathname) {
      history[this.held ? "replaceState" : "pushState"](null, "", url);
      this.held = true;
    }
    follow(url);
  }

  async back() {
    const answer = await fetch(`${location.pathname}status/`, ASK);
    if (!answer.ok) return location.reload();
    put(parsed(await answer.text()), ["progress", "controls", "result"]);
    follow(location.pathname);
  }

  say(words) {
    const said = box.querySelector("[data-said]");
    if (said) said.textContent = words;
  }
}

// A refusal is a sentence, or a page with one in it.
function sentence(text) {
  return parsed(text).querySelector(".lede")?.textContent ?? text;
}

function follow(url) {
  live = new Live(url);
  live.start();
}

let live;
if (box) {
  follow(box.dataset.run);
  new Controls();
}
