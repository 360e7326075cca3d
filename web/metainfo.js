// metainfo - whether a text is a metaInfo filter that the service accepts.
//
// Owns the bounds of contract and API page for it, and the words that say what is wrong while somebody types.

import { Members, parse, write } from "./exact.js";

const BYTES_MAX = 4096;
const DEPTH_MAX = 16;

function depth(value) {
  if (value === null || typeof value !== "object" || !(Array.isArray(value) || value instanceof Members)) return 0;
  const inner = Array.isArray(value) ? value : value.pairs.map((pair) => pair[1]);
  return 1 + inner.reduce((most, element) => Math.max(most, depth(element)), 0);
}

// The filter as it is sent, without white space; a JsonFault or an Error says what is wrong.
export function compact(text) {
  const value = parse(text);
  if (!(value instanceof Members)) throw new Error('an object is wanted, like {"source": "API"}');
  if (depth(value) > DEPTH_MAX) throw new Error(`at most ${DEPTH_MAX} levels of { and [ are accepted`);
  const short = write(value);
  const bytes = new TextEncoder().encode(short).length;
  if (bytes > BYTES_MAX) throw new Error(`at most ${BYTES_MAX} bytes are accepted, not ${bytes}`);
  return short;
}
