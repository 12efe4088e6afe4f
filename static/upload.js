// Uploads by drop or choice: one request a file, and one a folder (static/folder.js), each with its own progress and, where it is refused,
// its own reason. What has the name of something that is here already is asked about first. Without this script the form sends the chosen
// files the plain way.
"use strict";

(() => {
  const { gettext, ngettext, fill } = window.longreadWords;
  const folder = window.longreadFolder;
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const input = form.querySelector('input[type="file"]');
  const folderInput = Object.assign(document.createElement("input"), { type: "file", webkitdirectory: true });
  const list = form.querySelector(".uploads");
  const largestBytes = Number(form.dataset.largestMegabytes) * 1e6;
  const leftOut = new Set(form.dataset.leftOut.split(" "));
  const AT_ONCE = 3;
  const NAMES_AT_ONCE = 40;
  const waiting = [];
  let running = 0;

  form.classList.add("scripted");
  input.addEventListener("change", takeChosen);
  takeChosen(); // what was chosen while this script was still on its way
  form.querySelector("[data-choose-folder]").addEventListener("click", () => folderInput.click());
  folderInput.addEventListener("change", () => {
    const files = [...folderInput.files];
    folderInput.value = "";
    if (files.length) takeFolder(files[0].webkitRelativePath.split("/")[0], () => folder.listed(files, leftOut));
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
    const files = [];
    for (const item of event.dataTransfer.items) {
      const entry = item.webkitGetAsEntry && item.webkitGetAsEntry();
      if (entry && entry.isDirectory) takeFolder(entry.name, (tell) => folder.walked(entry, leftOut, tell));
      else if (item.getAsFile()) files.push({ name: item.getAsFile().name, body: item.getAsFile() });
    }
    take(files);
  });

  function takeChosen() {
    const files = [...input.files].map((file) => ({ name: file.name, body: file }));
    input.value = "";
    take(files);
  }

  // ------------------------------------------------------------------ a folder

  async function takeFolder(name, look) {
    const row = line(fill(gettext("%(name)s: looking through it"), { name }));
    const found = await look((n) => (row.textContent = fill(gettext("%(name)s: looking through it, %(n)s files"), { name, n: n.toLocaleString() })));
    const { good, bad } = await folder.readable(found);
    const files = good.filter((one) => one.file).length;
    row.remove();
    for (const { path } of bad) refuse(line(), `${name}/${path}`, gettext("cannot be read by the browser and was left out."));
    if (files) take([{ name, body: folder.packed(good), files }]);
    else refuse(line(), name, gettext("holds no file that can be read."));
  }

  // ------------------------------------------------------------------ what is here already

  // Things to send: { name, body, files }, where `files` counts those of a folder.
  async function take(things) {
    const fitting = things.filter(fits);
    const here = await known(fitting.map((thing) => thing.name));
    for (const thing of fitting) if (!here[thing.name]) queue(thing, form.action);
    const again = fitting.filter((thing) => here[thing.name]);
    if (again.length) ask(again, here);
  }

  function fits(thing) {
    const said = { size: size(thing.body.size), most: size(largestBytes) };
    if (thing.body.size <= largestBytes) return true;
    const reason = thing.files
      ? gettext("has %(size)s; the most is %(most)s. Pack it as .tar.gz or .zip, or add its folders one by one.")
      : gettext("has %(size)s; the most is %(most)s. Split it into parts.");
    refuse(line(), thing.name, fill(reason, said));
    return false;
  }

  // To each name that is here the address to which its new version goes. Where that cannot be told, all is new.
  async function known(names) {
    const here = {};
    for (let first = 0; first < names.length; first += NAMES_AT_ONCE) {
      const query = new URLSearchParams(names.slice(first, first + NAMES_AT_ONCE).map((name) => ["name", name]));
      const answer = await fetch(`${form.dataset.here}?${query}`).catch(() => null);
      if (answer && answer.ok) Object.assign(here, await answer.json());
    }
    return here;
  }

  function ask(things, here) {
    const names = things.slice(0, 3).map((thing) => thing.name).join(", ") + (things.length > 3 ? " …" : "");
    const row = line();
    const words = document.createElement("p");
    const said = { names, n: things.length };
    words.textContent = fill(
      ngettext(
        "%(names)s is here already. A new version takes its place once it is read; what has not changed is not read again.",
        "%(n)s of these are here already: %(names)s. New versions take their place once they are read; what has not changed is not read again.",
        things.length,
      ),
      said,
    );
    const buttons = document.createElement("p");
    buttons.append(
      button(row, gettext("Replace"), () => things.forEach((thing) => queue(thing, here[thing.name])), "primary"),
      button(row, gettext("Keep both"), () => things.forEach((thing) => queue(thing, form.action))),
      button(row, gettext("Leave out"), () => {}),
    );
    row.className = "asked-first";
    row.append(words, buttons);
    buttons.firstChild.focus();
  }

  function button(row, label, press, css = "") {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: label, className: css });
    made.addEventListener("click", () => {
      row.remove();
      press();
    });
    return made;
  }

  // ------------------------------------------------------------------ sending

  function queue(thing, address) {
    waiting.push([thing, address, line(fill(gettext("%(name)s: waits"), { name: thing.name }))]);
    next();
  }

  function next() {
    while (running < AT_ONCE && waiting.length) {
      running += 1;
      send(...waiting.shift());
    }
  }

  function send(thing, address, row) {
    const all = thing.body.size;
    const bar = Object.assign(document.createElement("progress"), { max: all || 1, value: 0 });
    const words = document.createElement("span");
    const started = performance.now();
    words.textContent = arrived(thing, 0);
    row.replaceChildren(words, bar);
    const body = new FormData();
    body.append("file", thing.body, thing.name);
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.upload.addEventListener("progress", (event) => {
      bar.value = Math.min(event.loaded, all);
      const left = ((performance.now() - started) / 1000 / event.loaded) * (event.total - event.loaded);
      words.textContent = arrived(thing, bar.value) + (left > 2 ? fill(gettext(", %(seconds)s s left"), { seconds: Math.round(left) }) : "");
    });
    request.addEventListener("load", () => finish(request, thing, row));
    request.addEventListener("error", () => refuse(row, thing.name, broken(thing)));
    request.addEventListener("loadend", () => {
      running -= 1;
      next();
      if (!running) refresh();
    });
    request.send(body);
  }

  function broken(thing) {
    return thing.files
      ? gettext("did not arrive: the connection broke, or a file was changed meanwhile. Drop it again.")
      : gettext("did not arrive: the connection broke. Drop it again.");
  }

  function arrived(thing, bytes) {
    const said = { name: thing.name, size: bytes ? size(bytes) : 0, all: size(thing.body.size), n: (thing.files || 0).toLocaleString() };
    const words = thing.files ? ngettext("%(name)s, %(n)s file: %(size)s of %(all)s", "%(name)s, %(n)s files: %(size)s of %(all)s", thing.files) : gettext("%(name)s: %(size)s of %(all)s");
    return fill(words, said);
  }

  function finish(request, thing, row) {
    const outcome = outcomeOf(request);
    if (outcome.unchanged) keep(row, thing.name);
    else if (outcome.accepted) row.remove();
    else refuse(row, thing.name, outcome.reason);
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

  function line(words = "") {
    const row = document.createElement("li");
    row.textContent = words;
    list.append(row);
    return row;
  }

  function refuse(row, name, reason) {
    row.className = "refused";
    row.textContent = `${name}: ${reason}`;
  }

  function keep(row, name) {
    row.className = "unchanged";
    row.textContent = fill(gettext("%(name)s has not changed; nothing is read again."), { name });
  }

  function size(bytes) {
    return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  }

  // A list that asks for itself needs no help, but an answer of before the upload may end that: so look once that answer is there.
  function refresh() {
    const asking = document.querySelector("#documents[hx-trigger]");
    if (asking) afterwards(asking);
    else fetchUnlessAsking();
  }

  function afterwards(asking) {
    if (asking.isConnected) setTimeout(afterwards, 300, asking);
    else fetchUnlessAsking();
  }

  function fetchUnlessAsking() {
    if (document.querySelector("#documents[hx-trigger]")) return;
    htmx.ajax("GET", location.pathname + location.search, { target: "#documents", swap: "outerHTML" });
  }
})();
