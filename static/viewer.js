// Small helps over pages that work without them: opens the source at its quote, keeps folds as they are while a page refreshes
// itself, counts seconds, and a few keys. Knows no page in particular.
"use strict";

(() => {
  const { gettext, ngettext, fill } = window.longreadWords;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const beside = matchMedia("(min-width: 64rem)");

  // ------------------------------------------------------------------ the source opens at its quote

  function showQuote(source) {
    const wanted = source.querySelector("#quote") || source.querySelector("[data-page]") || wantedLine(source);
    const first = source.querySelector("[data-wanted]");
    const opensElsewhere = wanted && (source.querySelector("#quote") || !/-1$/.test(first ? first.dataset.wanted : "-1"));
    if (opensElsewhere) wanted.scrollIntoView({ block: wanted.id === "quote" ? "center" : "start" });
    else if (source.closest(".source-pane")) source.closest(".source-pane").scrollTop = 0;
  }

  function wantedLine(source) {
    const body = source.querySelector("[data-wanted]");
    return body && document.getElementById(body.dataset.wanted);
  }

  function openQuoteText(source) {
    for (const mark of all(".page-text mark", source)) {
      const sheet = mark.closest(".sheet");
      if (!sheet.querySelector(".marks")) mark.closest("details").open = true;
    }
  }

  function sourceArrived(source) {
    keepZoom(source);
    openQuoteText(source);
    showQuote(source);
  }

  // On a phone the panes stand one above the other: a page that has just been loaded begins with the answer, not with the source.
  function firstLook() {
    const source = document.getElementById("source");
    if (!source) return;
    openQuoteText(source);
    if (beside.matches || document.body.classList.contains("viewing")) showQuote(source);
  }

  // ------------------------------------------------------------------ what htmx puts in

  // A fold stays as somebody left it while the page refreshes itself, open or shut.
  let folds = [];
  let scrolled = 0;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const pane = event.detail.target.querySelector(".answer-pane");
    if (pane) scrolled = pane.scrollTop;
    folds = all("details[id]:not(.contents)", event.detail.target).map((fold) => [fold.id, fold.open]);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const [id, open] of folds) {
      const fold = document.getElementById(id);
      if (fold) fold.open = open;
    }
  });
  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt.id === "source") sourceArrived(event.detail.elt);
    if (event.detail.elt.id !== "reading") return;
    const answer = event.detail.elt.querySelector("[data-said]");
    if (answer) document.getElementById("said").textContent = answer.dataset.said;
    event.detail.elt.querySelector(".answer-pane").scrollTop = scrolled;
    firstLook();
  });

  // A stream that begins again, after a worker's death or a lost connection, tells everything once more.
  function emptyStream(stream) {
    for (const part of all("[data-streamed]", stream)) part.replaceChildren();
  }
  document.addEventListener("sse:restart", (event) => emptyStream(event.target.closest(".stream")));
  document.addEventListener("htmx:sseError", (event) => {
    if (event.detail.source && event.detail.source.readyState === EventSource.CLOSED) emptyStream(event.target);
  });
  // Without a connection at the moment of its end, the whole answer is fetched as soon as there is one.
  const AGAIN_MS = 1000;
  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(failure, (event) => {
      if (event.detail.elt.id === "stream") setTimeout(() => htmx.trigger(event.detail.elt, "sse:done"), AGAIN_MS);
    });
  }
  document.addEventListener("htmx:sseMessage", (event) => {
    const stream = event.target.closest(".stream");
    const state = stream && stream.querySelector(".answering .state");
    if (state && state.textContent !== gettext("Answering")) state.textContent = gettext("Answering");
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".citation-link");
    if (!link) return;
    for (const citation of all(".citation.open")) citation.classList.remove("open");
    link.closest(".citation").classList.add("open");
  });

  // ------------------------------------------------------------------ where a place opens

  // Beside the answer where there is room for both; on a narrow screen the link leads to a page of its own, as it does without a script.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[hx-target="#source"], a[data-source]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const pane = document.querySelector(".source-pane");
    if (link.closest(".source") || !pane) return;
    if (!beside.matches) return event.stopPropagation();
    if (link.hasAttribute("data-source")) {
      event.preventDefault();
      htmx.ajax("GET", link.getAttribute("href").split("#")[0], { target: "#source", swap: "outerHTML" });
    }
  }, true);

  // ------------------------------------------------------------------ the source's tools

  // Pages grow in place: what is being read stays where it is, and no page is fetched again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-zoom]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const body = document.querySelector(".source-body");
    const pane = body.closest(".source-pane");
    const scroller = pane && beside.matches ? pane : document.scrollingElement;
    const share = (scroller.scrollTop + scroller.clientHeight / 2) / scroller.scrollHeight;
    setZoom(body, link.dataset.zoom);
    scroller.scrollTop = share * scroller.scrollHeight - scroller.clientHeight / 2;
    body.scrollLeft = (body.scrollWidth - body.clientWidth) / 2;
    zoomed = link.dataset.zoom;
  }, true);

  let zoomed = null;
  function setZoom(body, zoom) {
    body.className = body.className.replace(/zoom-\d+/, `zoom-${zoom}`);
    for (const image of all("img[srcset]", body)) if (Number(zoom) > 100) image.sizes = `${zoom}vw`;
    for (const step of all("[data-zoom]")) {
      if (step.dataset.zoom === zoom) step.setAttribute("aria-current", "true");
      else step.removeAttribute("aria-current");
    }
  }
  function keepZoom(source) {
    const body = source.querySelector(".source-body.paged");
    if (zoomed && body) setZoom(body, zoomed);
  }

  // The list of contents closes when one looks elsewhere.
  document.addEventListener("click", (event) => {
    for (const fold of all(".contents[open]")) if (!fold.contains(event.target)) fold.open = false;
  });

  // ------------------------------------------------------------------ which documents are asked

  function tellChoice(choose) {
    const boxes = all("input[type=checkbox]", choose);
    const files = (some) => some.reduce((sum, box) => sum + Number(box.dataset.files), Number(choose.dataset.further));
    const [ticked, total] = [files(boxes.filter((box) => box.checked)), files(boxes)];
    const label = choose.form.querySelector("[data-ask-label]");
    const count = new Intl.NumberFormat(document.documentElement.lang || "en").format;
    const asked = ticked === total ? gettext("Ask all %(n)s documents") : ngettext("Ask %(n)s document", "Ask %(n)s documents", ticked);
    if (label) label.textContent = fill(asked, { n: count(ticked) });
    const summary = choose.closest("details").querySelector("summary");
    const some = fill(gettext("Choose documents (%(n)s of %(total)s)"), { n: count(ticked), total: count(total) });
    summary.textContent = ticked === total ? gettext("Choose documents") : some;
  }
  document.addEventListener("change", (event) => {
    const choose = event.target.closest("[data-choose]");
    if (choose) tellChoice(choose);
  });
  // The documents' list refreshes the label with itself.
  document.addEventListener("htmx:oobAfterSwap", () => {
    for (const choose of all("[data-choose]")) if (choose.querySelector("input[type=checkbox]:not(:checked)")) tellChoice(choose);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tick]");
    if (!button) return;
    const choose = button.closest("[data-choose]");
    for (const box of all("input[type=checkbox]", choose)) box.checked = button.dataset.tick === "all";
    tellChoice(choose);
  });

  // ------------------------------------------------------------------ seconds that pass

  setInterval(() => {
    for (const clock of all("[data-elapsed-since]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(clock.dataset.elapsedSince)) / 1000));
      clock.textContent = fill(gettext("%(seconds)s s"), { seconds });
    }
  }, 500);

  // ------------------------------------------------------------------ keys

  const KEYS = [
    ["/", gettext("ask"), () => document.getElementById("question") || document.getElementById("questions"), (box) => box.focus()],
    ["s", gettext("search"), () => document.getElementById("search"), searchIn],
    ["1 – 9", gettext("open that quote"), () => document.querySelector(".citation-link"), null],
    ["←", gettext("previous page"), () => document.querySelector('#source [rel="prev"]'), (link) => link.click()],
    ["→", gettext("next page"), () => document.querySelector('#source [rel="next"]'), (link) => link.click()],
    ["f", gettext("find in this document"), () => document.querySelector("[data-find]"), searchIn],
    ["n", gettext("next place found"), () => document.querySelector('[data-hit="next"]'), (link) => link.click()],
    ["p", gettext("previous place found"), () => document.querySelector('[data-hit="previous"]'), (link) => link.click()],
    ["c", gettext("contents of this document"), () => document.getElementById("contents"), (fold) => toggle(fold)],
    ["+", gettext("larger pages"), () => zoomStep(1), (link) => link.click()],
    ["-", gettext("smaller pages"), () => zoomStep(-1), (link) => link.click()],
  ];
  const NAMES = { ArrowLeft: "←", ArrowRight: "→" };

  // Selecting alone does not bring the keys there in every browser.
  function searchIn(box) {
    box.focus();
    box.select();
  }

  function toggle(fold) {
    fold.open = !fold.open;
    if (fold.open) fold.querySelector("a").focus();
  }

  function zoomStep(by) {
    const steps = all("[data-zoom]");
    const at = steps.findIndex((step) => step.hasAttribute("aria-current"));
    return steps[at + by];
  }

  function help() {
    const dialog = document.createElement("dialog");
    dialog.innerHTML = '<h2></h2><dl></dl><form method="dialog"><button></button></form>';
    dialog.querySelector("h2").textContent = gettext("Keys on this page");
    dialog.querySelector("button").textContent = gettext("Close");
    for (const [key, what, find] of [...KEYS, ["?", gettext("this help"), () => document.body]]) {
      if (!find()) continue;
      const term = document.createElement("dt");
      const meaning = document.createElement("dd");
      term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
      meaning.textContent = what;
      dialog.querySelector("dl").append(term, meaning);
    }
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    const box = event.target.closest("textarea[data-submit-on-enter]");
    if (box && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      box.form.requestSubmit();
      return;
    }
    // A dialog that closes holds the focus until it is removed; keys pressed meanwhile belong to the page.
    if (event.target.closest("input, textarea, select, dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") return help();
    if (event.key === "Escape") for (const fold of all(".contents[open]")) fold.open = false;
    const citation = /^[1-9]$/.test(event.key) && document.querySelector(`[data-citation="${event.key}"]`);
    if (citation) return citation.click();
    const entry = KEYS.find(([key]) => key === (NAMES[event.key] || event.key));
    const found = entry && entry[3] && entry[2]();
    if (found) {
      event.preventDefault();
      entry[3](found);
    }
  });

  for (const button of all("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", help);
  }

  // ------------------------------------------------------------------ a menu closes when one goes elsewhere

  function closeMenus(but) {
    for (const menu of all("[data-menu][open]")) if (!menu.contains(but)) menu.open = false;
  }
  document.addEventListener("click", (event) => closeMenus(event.target));
  document.addEventListener("focusin", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("[data-menu][open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  firstLook();
})();
