// Uploads by drop or choice: one request a file, each with its own progress and, where it is refused, its own reason.
// Without this script the form sends the chosen files the plain way.
"use strict";

(() => {
  const { gettext, fill } = window.longreadWords;
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const input = form.querySelector('input[type="file"]');
  const list = form.querySelector(".uploads");
  const largestBytes = Number(form.dataset.largestMegabytes) * 1e6;
  const AT_ONCE = 3;
  const waiting = [];
  let running = 0;

  form.classList.add("scripted");
  input.addEventListener("change", () => {
    for (const file of input.files) add(file);
    input.value = "";
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  // ------------------------------------------------------------------ dropping, anywhere on the page

  let depth = 0;
  const holdsFiles = (event) => event.dataTransfer && event.dataTransfer.types.includes("Files");
  addEventListener("dragenter", (event) => holdsFiles(event) && (depth += 1, form.classList.add("over")));
  addEventListener("dragleave", (event) => holdsFiles(event) && (depth -= 1) < 1 && form.classList.remove("over"));
  addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    form.classList.remove("over");
    for (const item of event.dataTransfer.items) {
      const entry = item.webkitGetAsEntry && item.webkitGetAsEntry();
      if (entry && entry.isDirectory) refuse(line(entry.name), entry.name, gettext("is a folder. Pack it into a .zip file and drop that."));
      else if (item.getAsFile()) add(item.getAsFile());
    }
  });

  // ------------------------------------------------------------------ one file

  function add(file) {
    const row = line(file.name);
    if (file.size > largestBytes) {
      refuse(row, file.name, fill(gettext("has %(size)s; the most is %(most)s. Split it into parts."), { size: size(file.size), most: size(largestBytes) }));
      return;
    }
    row.textContent = fill(gettext("%(name)s: waits"), { name: file.name });
    waiting.push([file, row]);
    next();
  }

  function next() {
    while (running < AT_ONCE && waiting.length) {
      running += 1;
      send(...waiting.shift());
    }
  }

  function send(file, row) {
    const bar = Object.assign(document.createElement("progress"), { max: file.size || 1, value: 0 });
    const words = document.createElement("span");
    const started = performance.now();
    words.textContent = arrived(file, 0);
    row.replaceChildren(words, bar);
    const body = new FormData();
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.upload.addEventListener("progress", (event) => {
      bar.value = Math.min(event.loaded, file.size);
      const left = ((performance.now() - started) / 1000 / event.loaded) * (event.total - event.loaded);
      words.textContent = arrived(file, bar.value) + (left > 2 ? fill(gettext(", %(seconds)s s left"), { seconds: Math.round(left) }) : "");
    });
    request.addEventListener("load", () => finish(request, file, row));
    request.addEventListener("error", () => refuse(row, file.name, gettext("did not arrive: the connection broke. Drop it again.")));
    request.addEventListener("loadend", () => {
      running -= 1;
      next();
      if (!running) refresh();
    });
    request.send(body);
  }

  function arrived(file, bytes) {
    return fill(gettext("%(name)s: %(size)s of %(all)s"), { name: file.name, size: bytes ? size(bytes) : 0, all: size(file.size) });
  }

  function finish(request, file, row) {
    const outcome = outcomeOf(request);
    if (outcome.accepted) row.remove();
    else refuse(row, file.name, outcome.reason);
  }

  function outcomeOf(request) {
    if (request.status === 413) return { accepted: false, reason: gettext("is larger than the server in front of Longread lets through.") };
    if (request.status === 403) return { accepted: false, reason: gettext("was not accepted: this page is too old. Load it again.") };
    try {
      return JSON.parse(request.responseText).files[0];
    } catch {
      const reason = gettext("was not accepted (the server answered %(status)s). Try again.");
      return { accepted: false, reason: fill(reason, { status: request.status }) };
    }
  }

  // ------------------------------------------------------------------ what is shown

  function line(name) {
    const row = document.createElement("li");
    row.textContent = name;
    list.append(row);
    return row;
  }

  function refuse(row, name, reason) {
    row.className = "refused";
    row.textContent = `${name}: ${reason}`;
  }

  function size(bytes) {
    return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  }

  // While the list asks for itself it needs no help; an answer of before the upload may have ended that, so look again.
  function refresh() {
    if (document.querySelector("#documents[hx-trigger]")) setTimeout(fetchUnlessPolling, 1500);
    else fetchUnlessPolling();
  }

  function fetchUnlessPolling() {
    if (document.querySelector("#documents[hx-trigger]")) return;
    htmx.ajax("GET", location.pathname + location.search, { target: "#documents", swap: "outerHTML" });
  }
})();
