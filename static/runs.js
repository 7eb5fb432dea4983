// The form of a run (preview of the picture) and its page (live progress).
// Without this script both work: the form posts, the page refreshes itself.

const SVG = "http://www.w3.org/2000/svg";
const POLL_MS = 1500;
const MAX_FAILURES = 2;
const FINAL = new Set(["done", "failed", "cancelled", "expired"]);

// -- the form

function preview(input, maxBytes) {
  const image = input.closest(".field").querySelector(".preview");
  const file = input.files[0];
  if (image.src) URL.revokeObjectURL(image.src);
  input.setCustomValidity("");
  image.hidden = true;
  if (!file) return;
  if (file.size > maxBytes) {
    input.setCustomValidity(`This file has more than ${Math.floor(maxBytes / 1e6)} MB.`);
    input.reportValidity();
    return;
  }
  image.onload = () => { image.hidden = false; };
  image.src = URL.createObjectURL(file);
}

for (const form of document.querySelectorAll("[data-run-form]")) {
  const inputs = [...form.querySelectorAll(".picture-input")];
  for (const input of inputs) {
    input.addEventListener("change", () => preview(input, Number(form.dataset.maxBytes)));
  }
  // A picture from the clipboard goes to the first field.
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    inputs[0].files = event.clipboardData.files;
    inputs[0].dispatchEvent(new Event("change"));
  });
}

// -- curves

function element(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function shown(number) {
  return Math.abs(number) >= 0.001 || number === 0 ? number.toPrecision(4) : number.toExponential(2);
}

function drawCurve(name, all) {
  const figure = document.createElement("figure");
  figure.className = "curve";
  const points = all.filter(([, y]) => y !== null);
  const caption = document.createElement("figcaption");
  figure.append(caption);
  if (!points.length) {
    caption.textContent = `${name}: no finite value`;
    return figure;
  }
  const [width, height, left, edge] = [320, 150, 52, 12];
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const px = (x) => left + ((x - x0) / (x1 - x0 || 1)) * (width - left - edge);
  const py = (y) => height - 22 - ((y - y0) / (y1 - y0 || 1)) * (height - 22 - edge);
  const last = ys.at(-1);
  const said = `${name} from ${shown(ys[0])} at step ${x0} to ${shown(last)} at step ${x1}`;
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said });
  svg.append(
    element("polyline", { points: points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ") }),
    element("text", { x: left - 6, y: py(y1) + 4, "text-anchor": "end" }, shown(y1)),
    element("text", { x: left - 6, y: py(y0) + 4, "text-anchor": "end" }, shown(y0)),
    element("text", { x: left, y: height - 6 }, `step ${x0}`),
    element("text", { x: width - edge, y: height - 6, "text-anchor": "end" }, `step ${x1}`),
  );
  caption.textContent = `${name}: ${shown(last)}`;
  figure.prepend(svg);
  return figure;
}

// -- the page of a run

class Live {
  constructor(box) {
    this.box = box;
    this.last = 0;
    this.series = new Map();
    this.failures = 0;
  }

  async start() {
    // What has happened so far, in one answer: curves of finished runs come from here.
    const over = await this.poll().catch(() => false);
    if (over || "final" in this.box.dataset) return;
    this.listen();
  }

  listen() {
    if (!window.EventSource) return this.keepPolling();
    const source = new EventSource(`${this.box.dataset.events}?after=${this.last}`);
    const take = (event) => this.take([{
      seq: Number(event.lastEventId), kind: event.type, data: JSON.parse(event.data),
    }]);
    for (const kind of ["state", "progress"]) source.addEventListener(kind, take);
    source.addEventListener("place", (event) => this.place(JSON.parse(event.data)));
    source.addEventListener("open", () => { this.failures = 0; });
    source.addEventListener("end", () => { source.close(); this.refresh(); });
    source.addEventListener("error", () => {
      this.failures += 1;
      if (source.readyState === EventSource.CLOSED || this.failures > MAX_FAILURES) {
        source.close();
        this.keepPolling();
      }
    });
  }

  async keepPolling() {
    const over = await this.poll().catch(() => false);
    if (!over) setTimeout(() => this.keepPolling(), POLL_MS);
  }

  async poll() {
    const answer = await fetch(`${this.box.dataset.events}?after=${this.last}`, {
      headers: { Accept: "application/json" },
    });
    if (answer.status === 404) return true; // deleted meanwhile
    const { events, over } = await answer.json();
    await this.take(events);
    if (over && !("final" in this.box.dataset)) await this.refresh();
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
        changed ||= !FINAL.has(data.state);
        if (data.state === "running") this.series.clear(); // each attempt begins anew
      }
    }
    this.draw();
    if (changed && !("final" in this.box.dataset)) await this.refresh();
  }

  progress(data) {
    const bar = this.box.querySelector("progress");
    if (bar) {
      bar.max = data.total || 1;
      bar.value = data.step;
      this.box.querySelector("[data-message]").textContent = data.message;
    }
    for (const [name, points] of Object.entries(data.series)) {
      this.series.set(name, [...(this.series.get(name) ?? []), ...points]);
    }
  }

  place({ position, eta }) {
    const words = [];
    if (position) words.push(position === 1 ? "Next in line." : `Number ${position} in line.`);
    if (eta) words.push(`Done in about ${eta.low === eta.high ? eta.high : `${eta.low} to ${eta.high}`} s.`);
    const place = this.box.querySelector("[data-place]");
    if (place) place.textContent = words.join(" ");
  }

  draw() {
    const figures = [...this.series].map(([name, points]) => drawCurve(name, points));
    this.box.querySelector("[data-curves]")?.replaceChildren(...figures);
  }

  async refresh() {
    const answer = await fetch(this.box.dataset.status);
    if (!answer.ok) return;
    const focused = document.activeElement?.closest("#status form")?.getAttribute("action");
    this.box.innerHTML = await answer.text();
    this.draw();
    // Whoever was on a button stays on it.
    if (focused) this.box.querySelector(`form[action="${focused}"] button`)?.focus();
  }
}

const box = document.querySelector("#status[data-events]");
if (box) new Live(box).start();
