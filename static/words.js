// The words of the scripts in the reader's language: Django's catalogue where there is one (a page in English loads none), else as they stand.
"use strict";

window.longreadWords = {
  gettext: window.gettext || ((text) => text),
  ngettext: window.ngettext || ((one, many, n) => (n === 1 ? one : many)),
  fill: (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]),
};
