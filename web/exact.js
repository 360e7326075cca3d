// exact - JSON whose numbers stay what was written.
//
// Owns the reading of JSON text (RFC 8259, strictly).  A number becomes Digits, its very text: it is
// never a JavaScript number, which would lose digits.  An object becomes Members, pairs in the order
// in which they came, so that nothing is lost of a name that comes twice.  Knows nothing of records.

export class Digits {
  constructor(text) {
    this.text = text;
  }

  // Near enough to draw a bar with, and for nothing else.
  height() {
    return Number(this.text);
  }

  toString() {
    return this.text;
  }
}

export class Members {
  constructor() {
    this.pairs = [];
  }

  // Of members of one name the last counts, as for the service.
  get(name) {
    return this.pairs.findLast((pair) => pair[0] === name)?.[1];
  }
}

// Where a text is no JSON, and why, in words that can be shown while somebody types.
export class JsonFault extends Error {
  constructor(reason, text, at) {
    const before = text.slice(0, at).split("\n");
    const place = before.length > 1 ? `line ${before.length}, character ${before.at(-1).length + 1}` : `character ${at + 1}`;
    super(`${reason} (${place})`);
    this.at = at;
  }
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// eslint-disable-next-line no-control-regex
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORDS = { true: true, false: false, null: null };
const WORD = /true|false|null/y;
const DEPTH_MAX = 512; // far beyond what the service has, and far from the end of the stack

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  fail(reason) {
    throw new JsonFault(reason, this.text, this.at);
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match !== null) this.at = pattern.lastIndex;
    return match?.[0];
  }

  // The next character after white space; it is not taken.
  peek() {
    this.take(SPACE);
    return this.text[this.at];
  }

  value(depth) {
    if (depth > DEPTH_MAX) this.fail("this is nested too deeply");
    const next = this.peek();
    if (next === "{") return this.object(depth);
    if (next === "[") return this.array(depth);
    if (next === '"') return this.string();
    const word = this.take(WORD);
    if (word !== undefined) return WORDS[word];
    const number = this.take(NUMBER);
    if (number !== undefined) return new Digits(number);
    return this.fail(next === undefined ? "a value is missing at the end" : `a value is wanted, not ${next}`);
  }

  string() {
    const text = this.take(STRING);
    if (text !== undefined) return text.includes("\\") ? JSON.parse(text) : text.slice(1, -1);
    return this.fail("this string does not end, or has a line break or an unknown escape");
  }

  object(depth) {
    const members = new Members();
    this.at += 1;
    if (this.peek() === "}") {
      this.at += 1;
      return members;
    }
    for (;;) {
      if (this.peek() !== '"') this.fail('the name of a member is wanted, in "quotes"');
      const name = this.string();
      if (this.peek() !== ":") this.fail(`a colon is wanted after "${name}"`);
      this.at += 1;
      members.pairs.push([name, this.value(depth + 1)]);
      if (this.end("}")) return members;
    }
  }

  array(depth) {
    const elements = [];
    this.at += 1;
    if (this.peek() === "]") {
      this.at += 1;
      return elements;
    }
    for (;;) {
      elements.push(this.value(depth + 1));
      if (this.end("]")) return elements;
    }
  }

  // Behind a member or an element: whether this was the last.
  end(closing) {
    const next = this.peek();
    if (next !== closing && next !== ",") this.fail(`a comma or ${closing} is wanted`);
    this.at += 1;
    return next === closing;
  }
}

export function parse(text) {
  const reader = new Reader(text);
  const value = reader.value(0);
  if (reader.peek() !== undefined) reader.fail("there is more behind the end");
  return value;
}

// JSON text of what parse gave: with a width in lines for people, else without white space.
export function write(value, width = 0, indent = "") {
  if (value instanceof Digits) return value.text;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const inner = width === 0 ? "" : indent + " ".repeat(width);
  const [line, space] = width === 0 ? ["", ""] : ["\n", " "];
  const list = Array.isArray(value)
    ? value.map((element) => inner + write(element, width, inner))
    : value.pairs.map(([name, member]) => `${inner}${JSON.stringify(name)}:${space}${write(member, width, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return list.length === 0 ? open + close : `${open}${line}${list.join(`,${line}`)}${line}${indent}${close}`;
}
