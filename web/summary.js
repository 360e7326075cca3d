// summary - the calls of usageRecordSummary that the page makes, and their answers as series.
//
// Owns the way from groups to what charts and tables show.  Sums stay Digits; only counts are numbers.

import { ask } from "./api.js";
import { countDays, eachDay, eachMonth } from "./days.js";
import { FAILING, target } from "./filter.js";

const CALL = "usageRecordSummary";
const DAYS_MAX = 124;     // more are shown by month
const BUCKETS_MAX = 1200; // more are not shown where nothing happened

// "day" or "month": what the bars of these days are.
export function unitOf(filter) {
  return countDays(filter.startDate, filter.endDate) > DAYS_MAX ? "month" : "day";
}

function bucketsOf(filter, unit, groups) {
  const all = (unit === "day" ? eachDay : eachMonth)(filter.startDate, filter.endDate);
  if (all.length <= BUCKETS_MAX) return all;
  return [...new Set(groups.map((group) => group.get(unit)))].sort();
}

function number(digits) {
  return digits === undefined ? 0 : Number(digits.text);
}

// Counts: { unit, buckets, total, byStatus: status -> { total, values } }.
export async function askCounts(filter, signal) {
  const unit = unitOf(filter);
  const { value } = await ask(target(filter, CALL, { groupBy: `${unit},status`, amounts: "false" }), signal);
  const groups = value.get("groups");
  const buckets = bucketsOf(filter, unit, groups);
  const places = new Map(buckets.map((bucket, index) => [bucket, index]));
  const byStatus = new Map();
  for (const group of groups) {
    const status = group.get("status");
    if (!byStatus.has(status)) byStatus.set(status, { total: 0, values: buckets.map(() => 0) });
    const series = byStatus.get(status);
    const records = number(group.get("count"));
    series.total += records;
    series.values[places.get(group.get(unit))] += records;
  }
  return { unit, buckets, total: number(value.get("count")), byStatus };
}

// Amounts: { unit, buckets, unsummed, dimensions: [{ name, sum, values }] }, the values Digits or undefined,
// dimensions by name.
export async function askAmounts(filter, signal) {
  const unit = unitOf(filter);
  const { value } = await ask(target(filter, CALL, { groupBy: unit }), signal);
  const groups = value.get("groups");
  const buckets = bucketsOf(filter, unit, groups);
  const places = new Map(buckets.map((bucket, index) => [bucket, index]));
  const dimensions = new Map(
    value.get("amounts").pairs.map(([name, sum]) => [name, { name, sum, values: buckets.map(() => undefined) }]),
  );
  for (const group of groups) {
    for (const [name, sum] of group.get("amounts").pairs) {
      dimensions.get(name).values[places.get(group.get(unit))] = sum;
    }
  }
  const byName = [...dimensions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { unit, buckets, unsummed: number(value.get("unsummed")), dimensions: byName };
}

// What failed: [{ partner, productId, counts: status -> count, total }], most first.
export async function askFailures(filter, statuses, signal) {
  const rows = new Map();
  for (const status of statuses) {
    const { value } = await ask(
      target({ ...filter, status }, CALL, { groupBy: "partner,productId", amounts: "false" }),
      signal,
    );
    for (const group of value.get("groups")) {
      const [partner, productId] = [group.get("partner"), group.get("productId") ?? ""];
      const name = JSON.stringify([partner, productId]);
      if (!rows.has(name)) rows.set(name, { partner, productId, counts: new Map(), total: 0 });
      const row = rows.get(name);
      row.counts.set(status, number(group.get("count")));
      row.total += number(group.get("count"));
    }
  }
  return [...rows.values()].sort((a, b) => b.total - a.total || (a.partner + a.productId < b.partner + b.productId ? -1 : 1));
}

// The statuses of a failure that a filter lets through.
export function failingIn(filter) {
  return filter.status === undefined ? FAILING : FAILING.filter((status) => status === filter.status);
}
