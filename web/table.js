// table - the records of a filter, going on by cursor while somebody scrolls.
//
// Owns the lines that are loaded and the few of them that are in the document: half a million would
// not fit there.  A record is kept as its JSON text until its line is seen.

import { ask, isAbort } from "./api.js";
import { COLUMNS, recordLink } from "./columns.js";
import { parse, write } from "./exact.js";
import { target } from "./filter.js";
import { message, wordsOf } from "./messages.js";
import { count, element, plural } from "./show.js";

const PAGE_ROWS = 200;
const LINE_PX = 30;   // as page.css has it
const MARGIN_LINES = 12;
const AHEAD_LINES = 120; // so many before the end the next page is fetched

export class RecordsTable {
  // addressOf gives the address of a record's view, onOpen is told the record that a link opens.
  constructor(place, { filter, signal, addressOf, onOpen }) {
    Object.assign(this, { filter, signal, addressOf, onOpen });
    this.texts = [];       // JSON of each record, in the list's order
    this.order = null;     // places in texts, where somebody has sorted
    this.sorted = null;    // { column, isDescending }
    this.next = target(filter, "usageRecordGroup", { limit: PAGE_ROWS, cursor: "" });
    this.isLoading = false;
    this.total = null;     // as the summary counts them, once it has
    this.lines = new Map(); // place -> line in the document
    this.build(place);
  }

  build(place) {
    this.head = element("tr", { "aria-rowindex": "1" }, element("th", { scope: "col" }, "Id"));
    for (const column of COLUMNS) this.head.append(this.headOf(column));
    this.before = element("tr", { class: "gap", "aria-hidden": "true" }, element("td", { colspan: COLUMNS.length + 1 }));
    this.after = this.before.cloneNode(true);
    this.body = element("tbody", {}, this.before, this.after);
    this.table = element("table", { class: "records" }, element("caption", {}, "Records, newest first"), element("thead", {}, this.head), this.body);
    this.scroll = element("div", { class: "scroll lines", role: "region", tabindex: "0", "aria-label": "List of records" }, this.table);
    this.state = element("p", { class: "state", id: "records-state" });
    this.fault = element("div", { role: "alert" });
    place.replaceChildren(this.scroll, this.state, this.fault);
    this.scroll.addEventListener("scroll", () => this.show(), { passive: true });
    this.body.addEventListener("click", (event) => this.click(event));
    const observer = new ResizeObserver(() => this.show());
    observer.observe(this.scroll);
    this.signal.addEventListener("abort", () => observer.disconnect());
  }

  headOf(column) {
    if (column.sort === undefined) return element("th", { scope: "col" }, column.label);
    const button = element("button", { type: "button", disabled: true }, column.label);
    button.addEventListener("click", () => this.sortBy(column));
    return element("th", { scope: "col" }, button);
  }

  // Loads a page.  A fault of the first one is thrown: it is the whole view's.
  async load() {
    if (this.isLoading || this.next === null || this.signal.aborted) return;
    this.isLoading = true;
    this.fault.replaceChildren();
    this.tell();
    try {
      const { value, next } = await ask(this.next, this.signal);
      for (const record of value.get("usageRecordGroups")) this.texts.push(write(record));
      this.next = next;
    } catch (error) {
      if (this.texts.length === 0 || isAbort(error)) throw error;
      this.failed = true;
      this.fault.replaceChildren(
        message(wordsOf(error, this.filter.org), [["Go on from here", () => this.goOn()]]),
      );
    } finally {
      this.isLoading = false;
      this.tell();
    }
    this.show();
  }

  goOn() {
    this.failed = false;
    this.load().catch(() => {});
  }

  isWhole() {
    return this.next === null;
  }

  setTotal(total) {
    this.total = total;
    this.tell();
  }

  // How far the list is, and that only a whole one can be sorted.
  tell() {
    const known = this.texts.length;
    this.table.setAttribute("aria-rowcount", this.isWhole() ? known + 1 : (this.total ?? -2) + 1);
    this.table.setAttribute("aria-busy", String(this.isLoading));
    const of = this.total === null || this.total < known ? "" : ` of ${count(this.total)}`;
    this.state.textContent = this.isWhole()
      ? `All ${plural(known, "record", "records")}. Columns can be sorted.`
      : `${count(known)}${of} records loaded${this.isLoading ? ", loading more …" : "; scroll for more"}. Columns can be sorted when all are.`;
    for (const button of this.head.querySelectorAll("button")) button.disabled = !this.isWhole();
  }

  sortBy(column) {
    const isDescending = this.sorted?.column === column && !this.sorted.isDescending;
    const keys = this.texts.map((text) => parse(text).get(column.sort));
    const direction = isDescending ? -1 : 1;
    // Equal ones stay in the list's order: the sort is stable.
    this.order = keys
      .map((_, place) => place)
      .sort((a, b) => (keys[a] < keys[b] ? -direction : keys[a] > keys[b] ? direction : a - b));
    this.sorted = { column, isDescending };
    COLUMNS.forEach((other, index) => {
      const head = this.head.children[index + 1];
      if (other === column) head.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.table.caption.textContent = `Records, sorted by ${column.label}`;
    this.forgetLines();
    this.show();
  }

  forgetLines() {
    for (const line of this.lines.values()) line.remove();
    this.lines.clear();
  }

  recordAt(place) {
    return parse(this.texts[this.order === null ? place : this.order[place]]);
  }

  // Puts into the document what is seen, and takes out what is not.
  show() {
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / LINE_PX) - MARGIN_LINES);
    const last = Math.min(this.texts.length, Math.ceil((this.scroll.scrollTop + this.scroll.clientHeight) / LINE_PX) + MARGIN_LINES);
    for (const [place, line] of this.lines) {
      if (place >= first && place < last) continue;
      if (line.contains(document.activeElement)) this.scroll.focus({ preventScroll: true });
      line.remove();
      this.lines.delete(place);
    }
    let behind = this.before;
    for (let place = first; place < last; place += 1) {
      if (!this.lines.has(place)) {
        this.lines.set(place, this.lineOf(place));
        behind.after(this.lines.get(place));
      }
      behind = this.lines.get(place);
    }
    this.before.firstChild.style.height = `${first * LINE_PX}px`;
    this.after.firstChild.style.height = `${(this.texts.length - last) * LINE_PX}px`;
    if (last + AHEAD_LINES > this.texts.length && !this.failed) this.load().catch(() => {});
  }

  lineOf(place) {
    const record = this.recordAt(place);
    return element(
      "tr",
      { "aria-rowindex": place + 2, "data-place": place },
      element("th", { scope: "row" }, recordLink(record, this.addressOf)),
      ...COLUMNS.map((column) => element("td", {}, ...column.cells(record))),
    );
  }

  click(event) {
    const line = event.target.closest("tr[data-place]");
    if (line === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.onOpen(this.recordAt(Number(line.dataset.place)));
  }
}
