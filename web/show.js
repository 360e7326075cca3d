// show - elements of the document, and text of records in it.
//
// Owns the one way in which text gets into the page: as text, never as markup.  Records hold what
// somebody else wrote: <script>, javascript:, marks that turn the direction of all that follows.

// Characters that nobody sees, or that change how their neighbours are shown.
// eslint-disable-next-line no-control-regex
const MARKS = /([\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff])/u;

// element("a", { href: "?" }, "text", other): an element with attributes and children; attributes that
// are false or undefined are left out.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...children);
  return made;
}

// Text of a record: its direction stays its own, and marks have a name that is seen, but not copied.
export function foreign(text) {
  const shown = element("bdi", { class: "foreign" });
  text.split(MARKS).forEach((piece, index) => {
    if (index % 2 === 0) shown.append(piece);
    else {
      const code = piece.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      shown.append(element("span", { class: "mark", "data-code": `U+${code}` }, piece));
    }
  });
  return shown;
}

// 61234 as 61,234, the same in every browser's language.  Text or number, an integer.
export function count(value) {
  return String(value).replace(/\B(?=(?:[0-9]{3})+$)/g, ",");
}

export function plural(value, one, many) {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}

// A table from rows of cells, each a text or a node; cells of numeric columns are set to the right, and
// those of the first column are what their row is about.
export function table(caption, head, rows, { numeric = () => false, foot } = {}) {
  const kind = (index) => (numeric(index) ? "number" : undefined);
  const line = (cells) =>
    element(
      "tr",
      {},
      ...cells.map((cell, index) =>
        index === 0 ? element("th", { scope: "row" }, cell) : element("td", { class: kind(index) }, cell),
      ),
    );
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head.map((cell, index) => element("th", { scope: "col", class: kind(index) }, cell)))),
    element("tbody", {}, ...rows.map(line)),
    ...(foot === undefined ? [] : [element("tfoot", {}, line(foot))]),
  );
}

// What is too wide or too high for its place, and scrolls there, by keyboard too.
export function scrollable(label, ...children) {
  return element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, ...children);
}
