// Draws the curves of a run. `series` events carry them: a Map of name to [step, value].

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, EDGE, FOOT] = [320, 150, 52, 12, 22];

function element(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function shown(number) {
  return Math.abs(number) >= 0.001 || number === 0 ? number.toPrecision(4) : number.toExponential(2);
}

function curve(name, all) {
  const figure = document.createElement("figure");
  figure.className = "curve";
  const points = all.filter(([, y]) => y !== null);
  const caption = document.createElement("figcaption");
  figure.append(caption);
  if (!points.length) {
    caption.textContent = `${name}: no finite value`;
    return figure;
  }
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const px = (x) => LEFT + ((x - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - EDGE);
  const py = (y) => HEIGHT - FOOT - ((y - y0) / (y1 - y0 || 1)) * (HEIGHT - FOOT - EDGE);
  const last = ys.at(-1);
  const said = `${name} from ${shown(ys[0])} at step ${x0} to ${shown(last)} at step ${x1}`;
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said });
  svg.append(
    element("polyline", { points: points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ") }),
    element("circle", { cx: px(xs.at(-1)), cy: py(last), r: 2.5 }),
    element("text", { x: LEFT - 6, y: py(y1) + 4, "text-anchor": "end" }, shown(y1)),
    element("text", { x: LEFT - 6, y: py(y0) + 4, "text-anchor": "end" }, y0 === y1 ? "" : shown(y0)),
    element("text", { x: LEFT, y: HEIGHT - 6 }, `step ${x0}`),
    element("text", { x: WIDTH - EDGE, y: HEIGHT - 6, "text-anchor": "end" }, `step ${x1}`),
  );
  caption.textContent = `${name}: ${shown(last)}`;
  figure.prepend(svg);
  return figure;
}

document.addEventListener("series", ({ target, detail }) => {
  const figures = [...detail].map(([name, points]) => curve(name, points));
  target.querySelector("[data-curves]")?.replaceChildren(...figures);
});
