// Who this tab is to the server, so that it can tell which of a person's tabs has shown what. Lasts as long as the tab.

import { randomHex } from "./helpers/random.js";

const VIEWER = "outloud.viewer";

/** This tab's id: 16 hexadecimal characters, the same after a reload. */
export function viewerId(storage = globalThis.sessionStorage) {
  const known = storage.getItem(VIEWER);
  if (/^[0-9a-f]{16}$/.test(known ?? "")) return known;
  const made = randomHex(8);
  storage.setItem(VIEWER, made);
  return made;
}
