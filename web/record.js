// record - one record in full, in a dialog, with the digits that came.

import { amountText, statusMark, timeInWords } from "./columns.js";
import { write } from "./exact.js";
import { element, foreign, scrollable, table } from "./show.js";

const STATUS_WORDS = {
  CREATED: "It was taken in and has not been reported yet.",
  REPORT_PENDING: "It is on its way to the marketplace.",
  REPORTED: "The marketplace has it.",
  REPORT_FAILED: "Reporting it to the marketplace failed. metaInfo below has what is known about it.",
  INVALID: "It was not valid and is not reported. metaInfo below has what is known about it.",
  DELETED: "It was deleted.",
};

const MEMBERS = [
  ["partner", "Partner"],
  ["buyerID", "Buyer"],
  ["entitlementID", "Entitlement"],
  ["organizationID", "Organization"],
  ["usageRecordReportID", "Report"],
  ["creationTime", "Created"],
  ["lastUpdateTime", "Last updated"],
  ["serialID", "Serial number"],
];

function memberText(record, name) {
  const value = record.get(name);
  if (value === "" || value === undefined) return element("span", { class: "quiet" }, "none");
  if (name.endsWith("Time")) return `${timeInWords(value)}${/\.\d+/.exec(value)?.[0] ?? ""} UTC`;
  return foreign(String(value));
}

// JSON for people, a line each, so that a right-to-left text does not turn what follows it.
function lines(value) {
  return write(value, 2)
    .split("\n")
    .flatMap((line) => [foreign(line), "\n"]);
}

// The record's content; links are [label, address] to views that have more like it.
export function describe(record, links) {
  const pairs = record.get("records").pairs;
  const members = element("dl", {});
  for (const [name, label] of MEMBERS) members.append(element("dt", {}, label), element("dd", {}, memberText(record, name)));
  const status = record.get("status");
  return [
    element("p", {}, statusMark(status), " ", STATUS_WORDS[status] ?? ""),
    members,
    pairs.length === 0
      ? element("p", { class: "quiet" }, "It has no amounts.")
      : scrollable(
          "Amounts",
          table("Amounts", ["Dimension", "Quantity"], pairs.map(([name, value]) => [foreign(name), foreign(amountText(value))]), {
            numeric: (index) => index === 1,
          }),
        ),
    element("h3", {}, "metaInfo"),
    scrollable("metaInfo", element("pre", {}, ...lines(record.get("metaInfo")))),
    element("p", { class: "links" }, ...links.flatMap(([label, address]) => [element("a", { href: address }, label), " "])),
  ];
}
