// A folder as one tar archive, put together while it is sent: the headers are made here, and the files stand between them as they are on disk.
// Folders that are never anybody's own work (the server names them) are not looked into; a mark in the archive says that they are there.
"use strict";

window.longreadFolder = (() => {
  const encoder = new TextEncoder();
  const BLOCK = 512;
  const NAME_BYTES = 100;

  // ------------------------------------------------------------------ what is in it: a list of { path, file }, file null for a folder left out

  async function walked(root, leftOut, tell) {
    const found = [];
    const folders = [[root, ""]];
    while (folders.length) {
      const [folder, prefix] = folders.pop();
      for (const entry of await entriesOf(folder)) {
        const path = prefix + entry.name;
        if (entry.isFile) found.push({ path, file: await opened(entry) });
        else if (leftOut.has(entry.name.toLowerCase())) found.push({ path: `${path}/*`, file: null });
        else folders.push([entry, `${path}/`]);
      }
      tell(found.length);
    }
    return found;
  }

  async function entriesOf(folder) {
    const reader = folder.createReader();
    const all = [];
    for (;;) {
      const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
      if (!some.length) return all;
      all.push(...some);
    }
  }

  const opened = (entry) => new Promise((resolve) => entry.file(resolve, () => resolve(undefined)));

  // Of a chosen folder the browser has made the list; each path begins with the folder's name.
  function listed(files, leftOut) {
    const found = new Map();
    for (const file of files) {
      const parts = file.webkitRelativePath.split("/").slice(1);
      const end = parts.findIndex((part, place) => place < parts.length - 1 && leftOut.has(part.toLowerCase()));
      const path = end < 0 ? parts.join("/") : `${parts.slice(0, end + 1).join("/")}/*`;
      found.set(path, { path, file: end < 0 ? file : null });
    }
    return [...found.values()];
  }

  // Those that cannot be read would break the whole upload, so they are found before: { good, bad }.
  async function readable(found) {
    const good = [];
    const bad = [];
    for (const one of found) {
      const fine = one.file === null || (one.file && (await one.file.slice(0, 1).arrayBuffer().then(() => true, () => false)));
      (fine ? good : bad).push(one);
    }
    return { good, bad };
  }

  // ------------------------------------------------------------------ tar

  // Sorted and without times, so that the same folder is the same archive, byte for byte.
  function packed(found) {
    const parts = [];
    for (const { path, file } of [...found].sort((a, b) => (a.path < b.path ? -1 : 1))) {
      const size = file ? file.size : 0;
      const name = encoder.encode(path);
      if (name.length > NAME_BYTES || name.length !== path.length) parts.push(...record(path));
      parts.push(header(name.slice(0, NAME_BYTES), size, "0"));
      if (size) parts.push(file, padding(size));
    }
    parts.push(new Uint8Array(2 * BLOCK));
    return new Blob(parts);
  }

  // What a name of any length is written in (pax): "LENGTH path=NAME", the length with its own digits.
  function record(path) {
    const rest = encoder.encode(` path=${path}\n`);
    let length = rest.length;
    while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
    const digits = encoder.encode(`${length}`);
    return [header(encoder.encode("path"), length, "x"), digits, rest, padding(length)];
  }

  function header(name, size, kind) {
    const block = new Uint8Array(BLOCK);
    const put = (text, at) => block.set(encoder.encode(text), at);
    block.set(name, 0);
    put("0000644\0" + "0000000\0" + "0000000\0" + `${size.toString(8).padStart(11, "0")}\0` + "00000000000\0" + "        " + kind, NAME_BYTES);
    put("ustar\0" + "00", 257);
    const sum = block.reduce((all, byte) => all + byte, 0);
    put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return block;
  }

  const padding = (size) => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);

  return { walked, listed, readable, packed };
})();
