// view - what is shown of a filter: counts, amounts, failures, records.
//
// Owns the order in which a view is asked for, and where each part of an answer stands.

import { ask, isAbort } from "./api.js";
import { draw, forget } from "./charts.js";
import { statusMark, timeInWords } from "./columns.js";
import { inWords } from "./days.js";
import { FAILING, STATUSES, target, toAddress } from "./filter.js";
import { daysInWords, message, nothingFound, wordsOf } from "./messages.js";
import { count, element, foreign, plural, scrollable, table } from "./show.js";
import { askAmounts, askCounts, askFailures, failingIn } from "./summary.js";
import { RecordsTable } from "./table.js";

const FAILING_ROWS = 10;
const PRODUCT_ROWS = 50;
const PAPER_ROWS = 10; // as explorer.css has it
const CHARTS_MAX = 6; // more dimensions are in the table alone
const ALL = "";

const statusColour = (status) => (STATUSES.includes(status) ? status.toLowerCase() : "other");

// The list's own order, for records of several lists.
function newestFirst(a, b) {
  const [one, other] = [a, b].map((record) => record.get("creationTime"));
  if (one !== other) return one < other ? 1 : -1;
  return BigInt(a.get("serialID").text) < BigInt(b.get("serialID").text) ? 1 : -1;
}

// "from ... to ..., status X": what is shown, in words and as nodes.
export function describeFilter(filter) {
  const parts = [foreign(filter.org), ` ${daysInWords(filter)}`];
  const names = { partner: "partner", buyerId: "buyer", entitlementId: "entitlement", productId: "product", status: "status", source: "source", metaInfo: "metaInfo" };
  for (const [name, words] of Object.entries(names)) {
    if (filter[name] !== undefined) parts.push(`, ${words} `, filter[name] === "" ? "none" : foreign(filter[name]));
  }
  return parts;
}

export class View {
  // places: the elements of the page by id; onOpen(record); onKey(): a key is wanted.
  constructor(places, { onOpen, onKey }) {
    Object.assign(this, { places, onOpen, onKey });
    this.aborter = new AbortController();
    this.total = null;
  }

  stop() {
    this.aborter.abort();
  }

  async show(filter) {
    this.stop();
    this.aborter = new AbortController();
    const { signal } = this.aborter;
    Object.assign(this, { filter, total: null });
    this.addressOf = (id) => toAddress(filter, { record: id });
    this.begin();
    try {
      await this.showAll(signal);
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) this.fail(error);
    }
  }

  begin() {
    const { places } = this;
    forget(places.view);
    places.view.hidden = true;
    places.alert.replaceChildren();
    places.welcome.hidden = true;
    places.showing.hidden = false;
    places.showing.replaceChildren(...describeFilter(this.filter));
    for (const name of ["tiles", "counts", "amounts", "failures"]) places[name].replaceChildren(this.waiting());
    places.told.textContent = `Loading records ${daysInWords(this.filter)} …`;
    places.main.setAttribute("aria-busy", "true");
  }

  waiting() {
    return element("p", { class: "waiting" }, "Loading …");
  }

  // The list first: it is the quickest, and says whether there is anything, and whether the key is good.
  async showAll(signal) {
    const { places } = this;
    this.table = new RecordsTable(places.records, { filter: this.filter, signal, addressOf: this.addressOf, onOpen: this.onOpen });
    await this.table.load();
    places.main.setAttribute("aria-busy", "false");
    if (this.table.texts.length === 0 && this.table.isWhole()) {
      const nothing = nothingFound(this.filter);
      places.alert.replaceChildren(message(nothing));
      places.told.textContent = nothing.title;
      return;
    }
    places.view.hidden = false;
    places.told.textContent = this.table.isWhole() ? `${plural(this.table.texts.length, "record", "records")} found` : "Records found";
    this.table.show();
    const counts = await this.part("counts", signal, () => askCounts(this.filter, signal), (answer) => this.showCounts(answer));
    await this.part("failures", signal, () => this.askFailing(counts, signal), (answer) => this.showFailures(answer));
    await this.part("amounts", signal, () => askAmounts(this.filter, signal), (answer) => this.showAmounts(answer));
  }

  // One part of the view, whose failure is its own: others may have come.
  async part(name, signal, asked, shown) {
    try {
      const answer = await asked();
      if (signal.aborted) return null;
      forget(this.places[name]);
      shown(answer);
      return answer;
    } catch (error) {
      if (isAbort(error) || signal.aborted) throw error;
      const again = () => {
        this.places[name].replaceChildren(this.waiting());
        this.part(name, signal, asked, shown).catch(() => {});
      };
      if (name === "counts") this.places.tiles.replaceChildren();
      this.places[name].replaceChildren(element("div", { role: "alert" }, message(this.partWords(error), [["Try again", again]])));
      return null;
    }
  }

  partWords(error) {
    const words = wordsOf(error, this.filter.org);
    if (error.kind === "status" && error.status === 404) {
      return { title: "This service has no summaries", text: "So there are no counts and sums here; the records are below." };
    }
    return words;
  }

  fail(error) {
    const { places } = this;
    places.main.setAttribute("aria-busy", "false");
    const words = wordsOf(error, this.filter.org);
    places.alert.replaceChildren(message(words, [["Try again", () => this.show(this.filter)]]));
    places.told.textContent = words.title;
    if (error.kind === "status" && [401, 403].includes(error.status)) this.onKey();
  }

  // -- counts

  showCounts(counts) {
    const { places } = this;
    this.total = counts.total;
    this.table.setTotal(counts.total);
    places.told.textContent = `${plural(counts.total, "record", "records")} found`;
    const statuses = [...STATUSES, ...[...counts.byStatus.keys()].filter((status) => !STATUSES.includes(status))].filter(
      (status) => counts.byStatus.has(status),
    );
    this.showTiles(counts, statuses);
    const canvas = element("canvas", { role: "img", "aria-label": `Records by ${counts.unit} and status; the same numbers are in the table below` });
    places["counts-title"].textContent = `Records a ${counts.unit}, by status`;
    places.counts.replaceChildren(
      element("div", { class: "chart" }, canvas),
      element(
        "details",
        {},
        element("summary", {}, "The numbers as a table"),
        scrollable(
          "Records by status",
          table(
            `Records a ${counts.unit}, by status`,
            [counts.unit === "day" ? "Day (UTC)" : "Month (UTC)", ...statuses, "All"],
            counts.buckets.map((bucket, index) => {
              const values = statuses.map((status) => counts.byStatus.get(status).values[index]);
              return [inWords(bucket), ...values.map(count), count(values.reduce((sum, value) => sum + value, 0))];
            }),
            { numeric: (index) => index > 0, foot: ["All", ...statuses.map((status) => count(counts.byStatus.get(status).total)), count(counts.total)] },
          ),
        ),
      ),
    );
    draw(canvas, {
      buckets: counts.buckets,
      isStacked: true,
      series: statuses.map((status) => {
        const { values } = counts.byStatus.get(status);
        return { label: status, colour: statusColour(status), heights: values, texts: values.map((value) => (value === 0 ? "" : count(value))) };
      }),
    });
  }

  // The legend of the chart, with what there is of each, and the way to see it alone.
  showTiles(counts, statuses) {
    const tile = (label, value, address) =>
      element(
        "li",
        {},
        element(address === undefined ? "div" : "a", { class: "tile", href: address }, element("span", { class: "value" }, count(value)), " ", label),
      );
    this.places.tiles.replaceChildren(
      element(
        "ul",
        {},
        tile(element("span", {}, counts.total === 1 ? "record" : "records"), counts.total),
        ...statuses.map((status) =>
          tile(statusMark(status), counts.byStatus.get(status).total, this.filter.status === status ? undefined : toAddress({ ...this.filter, status })),
        ),
      ),
    );
  }

  // -- what failed

  // Which products, and the records themselves, newest first; counts may be null, where there are no summaries.
  async askFailing(counts, signal) {
    const statuses = failingIn(this.filter).filter((status) => counts === null || counts.byStatus.has(status));
    const records = [];
    for (const status of statuses) records.push(...(await this.askNewest({ ...this.filter, status }, signal)));
    records.sort(newestFirst);
    const products = counts === null || statuses.length === 0 ? [] : await askFailures(this.filter, statuses, signal);
    return { statuses, records: records.slice(0, FAILING_ROWS), products };
  }

  // The first records of a filter; a page may end early and still have a next one.
  async askNewest(filter, signal) {
    const records = [];
    let address = target(filter, "usageRecordGroup", { limit: FAILING_ROWS, cursor: "" });
    while (address !== null && records.length < FAILING_ROWS) {
      const { value, next } = await ask(address, signal);
      records.push(...value.get("usageRecordGroups"));
      address = next;
    }
    return records;
  }

  showFailures({ statuses, records, products }) {
    const { places } = this;
    if (records.length === 0) {
      places.failures.replaceChildren(
        element("p", { class: "quiet" }, failingIn(this.filter).length === 0 ? `The filter lets ${this.filter.status} through alone.` : "Nothing failed."),
      );
      return;
    }
    const line = (record) => {
      const link = element("a", { href: this.addressOf(record.get("id")) }, timeInWords(record.get("creationTime")));
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        event.stopPropagation();
        this.onOpen(record);
      });
      return [link, statusMark(record.get("status")), foreign(record.get("partner")), foreign(record.get("buyerID")), foreign(record.get("id"))];
    };
    const shown = [
      scrollable("Failing records", table("Failing records, newest first", ["Created (UTC)", "Status", "Partner", "Buyer", "Id"], records.map(line))),
      element(
        "p",
        { class: "links" },
        ...statuses.flatMap((status) =>
          this.filter.status === status ? [] : [element("a", { href: toAddress({ ...this.filter, status }) }, `All ${status}`), " "],
        ),
      ),
    ];
    if (products.length > 0) {
      const rows = products.slice(0, PRODUCT_ROWS).map((row) => [
        foreign(row.partner),
        row.productId === "" ? element("span", { class: "quiet" }, "none") : this.productCell(row.productId),
        ...FAILING.map((status) => count(row.counts.get(status) ?? 0)),
      ]);
      const list = scrollable(
        "Failures by partner and product",
        table("Failures by partner and product", ["Partner", "Product", ...FAILING], rows, { numeric: (index) => index > 1 }),
      );
      list.classList.add("products");
      if (products.length > PRODUCT_ROWS) list.append(element("p", { class: "quiet" }, `and ${count(products.length - PRODUCT_ROWS)} more`));
      if (products.length > PAPER_ROWS) list.append(element("p", { class: "quiet only-paper" }, `The first ${PAPER_ROWS} of ${count(products.length)}.`));
      shown.unshift(list);
    }
    places.failures.replaceChildren(...shown);
  }

  // A link to the product alone, where the filter has room for it.
  productCell(productId) {
    const { partner, buyerId, entitlementId } = this.filter;
    if ([partner, buyerId, entitlementId, this.filter.productId].some((value) => value !== undefined)) return foreign(productId);
    return element("a", { href: toAddress({ ...this.filter, productId }) }, foreign(productId));
  }

  // -- amounts

  showAmounts(amounts) {
    const { places } = this;
    const { unit, dimensions } = amounts;
    places["amounts-title"].textContent = `Amounts a ${unit}, by dimension`;
    if (dimensions.length === 0) {
      places.amounts.replaceChildren(element("p", { class: "quiet" }, "The records have no amounts."), ...this.unsummed(amounts));
      return;
    }
    const choice = element("select", { id: "dimension" }, element("option", { value: ALL }, "All dimensions"));
    dimensions.forEach((dimension, index) => choice.append(element("option", { value: index }, dimension.name)));
    const place = element("div", {});
    const show = () => {
      forget(place);
      this.showDimensions(place, amounts, choice.value === ALL ? dimensions : [dimensions[Number(choice.value)]]);
    };
    choice.addEventListener("change", show);
    places.amounts.replaceChildren(element("p", { class: "choice" }, element("label", { for: "dimension" }, "Dimension "), choice), place, ...this.unsummed(amounts));
    show();
  }

  unsummed({ unsummed }) {
    if (unsummed === 0) return [];
    return [element("p", { class: "warning" }, `${plural(unsummed, "value is", "values are")} no number and in no sum.`)];
  }

  showDimensions(place, { unit, buckets }, dimensions) {
    const charts = dimensions.slice(0, CHARTS_MAX).map((dimension) => ({
      dimension,
      canvas: element("canvas", { role: "img", "aria-label": `${dimension.name} by ${unit}; the exact sums are in the table below` }),
    }));
    place.replaceChildren(
      element(
        "div",
        { class: charts.length > 1 ? "multiples" : "single" },
        ...charts.map(({ dimension, canvas }) =>
          element(
            "figure",
            {},
            element("figcaption", {}, foreign(dimension.name), " ", element("b", { class: "sum" }, dimension.sum.text)),
            element("div", { class: "chart" }, canvas),
          ),
        ),
      ),
      ...(dimensions.length > CHARTS_MAX ? [element("p", { class: "quiet" }, `${count(dimensions.length - CHARTS_MAX)} more dimensions are in the tables, or can be chosen above.`)] : []),
      scrollable(
        "Sums",
        table(`Exact sums ${daysInWords(this.filter)}`, ["Dimension", "Sum"], dimensions.map(({ name, sum }) => [foreign(name), sum.text]), { numeric: (index) => index === 1 }),
      ),
      element(
        "details",
        { open: dimensions.length === 1 },
        element("summary", {}, `The sums of each ${unit} as a table`),
        scrollable(
          `Sums by ${unit}`,
          table(
            `Exact sums a ${unit}`,
            [unit === "day" ? "Day (UTC)" : "Month (UTC)", ...dimensions.map(({ name }) => foreign(name))],
            buckets.map((bucket, index) => [inWords(bucket), ...dimensions.map(({ values }) => values[index]?.text ?? "")]),
            { numeric: (index) => index > 0, foot: ["All", ...dimensions.map(({ sum }) => sum.text)] },
          ),
        ),
      ),
    );
    for (const { dimension, canvas } of charts) {
      draw(canvas, {
        buckets,
        isStacked: false,
        isSmall: charts.length > 1,
        series: [
          {
            label: dimension.name,
            colour: "bar",
            heights: dimension.values.map((value) => value?.height() ?? 0),
            texts: dimension.values.map((value) => value?.text ?? ""),
          },
        ],
      });
    }
  }
}

