// The form of a run: drop, paste, preview, progress of the upload, one run per press.
// Without this script the form posts as forms do.

function setUp(form) {
  const maxBytes = Number(form.dataset.maxBytes);
  const inputs = [...form.querySelectorAll(".picture-input")];
  for (const input of inputs) {
    input.addEventListener("change", () => preview(input, maxBytes));
    preview(input, maxBytes); // chosen before this script was here, or before the way back
    const place = input.closest("[data-drop]");
    for (const kind of ["dragenter", "dragover"]) place.addEventListener(kind, () => place.classList.add("over"));
    for (const kind of ["dragleave", "drop"]) place.addEventListener(kind, () => place.classList.remove("over"));
  }
  // Another choice is another run: only the very same form pressed twice is one.
  form.addEventListener("change", () => { form.elements.key.value = fresh(); });
  form.addEventListener("submit", (event) => send(form, event));
}

function fresh() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function preview(input, maxBytes) {
  const image = input.closest(".field").querySelector(".preview");
  const file = input.files[0];
  if (image.src) URL.revokeObjectURL(image.src);
  input.setCustomValidity("");
  image.hidden = true;
  if (!file) return;
  if (file.size > maxBytes) {
    input.setCustomValidity(`This file has ${Math.ceil(file.size / 1e6)} MB; at most ${Math.floor(maxBytes / 1e6)} can be sent.`);
    input.reportValidity();
    return;
  }
  image.onload = () => { image.hidden = false; };
  if (file.type.startsWith("video/")) return firstFrame(file, (frame) => { if (input.files[0] === file) image.src = frame; });
  image.src = URL.createObjectURL(file);
}

// Nothing is shown of a video that this browser cannot play; the site may read it all the same.
function firstFrame(file, show) {
  const film = document.createElement("video");
  film.onloadeddata = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [film.videoWidth, film.videoHeight];
    canvas.getContext("2d").drawImage(film, 0, 0);
    URL.revokeObjectURL(film.src);
    canvas.toBlob((blob) => show(URL.createObjectURL(blob)));
  };
  film.muted = true;
  film.preload = "auto";
  film.src = URL.createObjectURL(file);
}

// A picture that is dropped beside a field, or pasted, goes to the first empty one.
function take(files, near) {
  const inputs = [...document.querySelectorAll("[data-send] .picture-input")];
  const input = near ?? inputs.find((one) => !one.files.length) ?? inputs[0];
  if (!input || !files.length) return;
  const one = new DataTransfer();
  one.items.add(files[0]);
  input.files = one.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// -- sending

function send(form, event) {
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  const body = new FormData(form, event.submitter);
  if (![...form.querySelectorAll(".picture-input")].some((input) => input.files.length)) return;
  event.preventDefault();
  upload(form, body);
}

function upload(form, body) {
  const row = form.querySelector("[data-sending]");
  const bar = row.querySelector("progress");
  row.hidden = false;
  const request = new XMLHttpRequest();
  request.upload.onprogress = ({ loaded, total }) => { bar.value = loaded / total; };
  request.upload.onload = () => bar.removeAttribute("value"); // all is sent, and being read
  request.onload = () => arrived(form, request);
  request.onerror = () => refused(form, "The connection broke off. Nothing is lost: press Run again.");
  request.onloadend = () => { row.hidden = true; delete form.dataset.sent; };
  request.open("POST", form.action);
  request.send(body);
}

function arrived(form, request) {
  if (new URL(request.responseURL).pathname.startsWith("/runs/")) return location.assign(request.responseURL);
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const main = page.querySelector("main:has([data-send])");
  if (!main) return refused(form, page.querySelector(".lede")?.textContent ?? page.body.textContent);
  document.querySelector("main").replaceWith(document.adoptNode(main));
  document.querySelectorAll("[data-send]").forEach(setUp);
  const first = main.querySelector("[autofocus], [data-refused] .notice, .notice");
  first?.setAttribute("tabindex", first.getAttribute("tabindex") ?? "-1");
  first?.focus();
}

function refused(form, words) {
  const notice = document.createElement("p");
  notice.className = "notice error";
  notice.textContent = words;
  form.querySelector("[data-refused]").replaceChildren(notice);
}

document.querySelectorAll("[data-send]").forEach(setUp);
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // or the browser would leave the page for the picture
    if (kind === "drop") take(event.dataTransfer.files, event.target.closest("[data-drop]")?.querySelector("input"));
  });
}
document.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
// Back from the run: the form can be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-send]")) delete form.dataset.sent;
});
