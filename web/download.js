// download - the whole export of a filter as a file.
//
// Owns its progress, its end and its failure.  A file is given only when all of it has come: a part
// would look whole.

import { CallFault, isAbort, open } from "./api.js";
import { CsvCounter } from "./csv.js";
import { target } from "./filter.js";
import { message, wordsOf } from "./messages.js";
import { count, element, plural } from "./show.js";

const BLOB_BYTES = 8 << 20; // pieces are given to the browser, which keeps large ones on disk
const TELL_MS = 250;
const WORK_MS = 20;         // then the page has its turn
const SPEAK_MS = 5000;      // a screen reader hears of it less often

class Gathered {
  constructor() {
    this.blobs = [];
    this.pieces = [];
    this.size = 0;
  }

  add(piece) {
    this.pieces.push(piece);
    this.size += piece.length;
    if (this.size >= BLOB_BYTES) this.pack();
  }

  pack() {
    this.blobs.push(new Blob(this.pieces));
    this.pieces = [];
    this.size = 0;
  }

  all() {
    this.pack();
    return new Blob(this.blobs, { type: "text/csv" });
  }
}

function fileName(filter, response) {
  const given = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  const name = given ?? `usage-${filter.org}-${filter.startDate}-${filter.endDate}.csv`;
  return name.replace(/[^A-Za-z0-9._-]/g, "_");
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

// The records that came; a CallFault when not all did.
async function receive(response, gathered, tell) {
  const counter = new CsvCounter();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let since = performance.now();
  for (;;) {
    if (performance.now() - since > WORK_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      since = performance.now();
    }
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      throw isAbort(error) ? error : new CallFault("broken", { requestId: response.headers.get("X-Request-Id") ?? "" });
    }
    if (piece.done) break;
    gathered.add(piece.value);
    counter.add(decoder.decode(piece.value, { stream: true }));
    tell(counter.records);
  }
  if (!counter.isWhole()) throw new CallFault("broken", { requestId: response.headers.get("X-Request-Id") ?? "" });
  return counter.records;
}

export class Download {
  constructor(place) {
    this.place = place;
    this.aborter = null;
  }

  cancel() {
    this.aborter?.abort();
  }

  // Fetches the export of a filter; expected is the summary's count, or null.
  async start(filter, expected) {
    this.cancel();
    const aborter = new AbortController();
    this.aborter = aborter;
    let records = 0;
    const shown = this.showProgress(expected, aborter);
    const tell = (now) => {
      records = now;
      shown(now);
    };
    try {
      const response = await open(target(filter, "usageRecordGroup"), { accept: "text/csv", signal: aborter.signal });
      const gathered = new Gathered();
      records = await receive(response, gathered, tell);
      if (expected !== null && records < expected) {
        this.say(this.shortWords(records, expected), [
          ["Try again", () => this.start(filter, expected)],
          ["Save it all the same", () => save(gathered.all(), fileName(filter, response))],
        ]);
        return;
      }
      save(gathered.all(), fileName(filter, response));
      this.place.replaceChildren(element("p", { role: "status" }, `Downloaded: ${plural(records, "record", "records")}, complete.`));
    } catch (error) {
      if (this.aborter !== aborter) return; // another one has begun
      if (isAbort(error)) {
        this.place.replaceChildren(element("p", { role: "status" }, "The download was cancelled. Nothing was saved."));
        return;
      }
      const words = wordsOf(error, filter.org);
      if (error.kind === "broken" || records > 0) {
        const of = expected === null ? "" : ` of ${count(expected)}`;
        words.title = `The download is not complete: it broke off after ${count(records)}${of} records`;
        words.text = "Nothing was saved, because a part would look whole. Try again.";
      }
      this.say(words, [["Try again", () => this.start(filter, expected)]]);
    }
  }

  shortWords(records, expected) {
    return {
      title: `The download may not be complete: ${count(records)} records came, ${count(expected)} were counted`,
      text: "Records may have changed meanwhile. Show the records anew to count them again.",
    };
  }

  say(words, actions) {
    this.place.replaceChildren(element("div", { role: "alert" }, message(words, actions)));
  }

  // A bar, words, and a way out; the function that moves them.
  showProgress(expected, aborter) {
    const bar = element("progress", { "aria-label": "Download", ...(expected === null ? {} : { max: Math.max(expected, 1), value: 0 }) });
    const words = element("span", {}, "Downloading …");
    const spoken = element("span", { class: "spoken", role: "status" }, "Downloading");
    const cancel = element("button", { type: "button" }, "Cancel download");
    cancel.addEventListener("click", () => aborter.abort());
    this.place.replaceChildren(element("div", { class: "progress" }, bar, words, cancel, spoken));
    cancel.focus();
    let told = 0;
    let spoke = performance.now();
    return (records) => {
      const now = performance.now();
      if (now - told < TELL_MS) return;
      told = now;
      if (expected !== null) bar.value = records;
      words.textContent = `${count(records)}${expected === null ? "" : ` of ${count(expected)}`} records`;
      if (now - spoke < SPEAK_MS) return;
      spoke = now;
      spoken.textContent = words.textContent;
    };
  }
}
