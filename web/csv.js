// csv - how far an export is: counts the records of CSV text that comes in pieces.
//
// Owns RFC 4180 as far as counting needs it.  A record has a line for each of its amounts, one behind
// the other; so records are counted by their id's changing.

const [QUOTE, COMMA, LF, CR] = [34, 44, 10, 13];

export class CsvCounter {
  constructor() {
    this.records = 0;
    this.idColumn = null; // known after the first line
    this.column = 0;
    this.field = "";
    this.isQuoted = false;
    this.isFresh = true;  // nothing of a line has come yet
    this.names = [];
    this.lastId = null;
  }

  // Only fields that are looked at are kept.
  isKept() {
    return this.idColumn === null || this.column === this.idColumn;
  }

  add(text) {
    let start = 0; // of what belongs to the field
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) this.isQuoted = !this.isQuoted;
      else if (!this.isQuoted && (code === COMMA || code === LF)) {
        if (this.isKept()) this.field += text.slice(start, at);
        this.endField(code === LF);
        start = at + 1;
      }
      if (code !== LF && code !== CR) this.isFresh = false;
      else if (code === LF && !this.isQuoted) this.isFresh = true;
    }
    if (this.isKept()) this.field += text.slice(start);
  }

  endField(isLast) {
    if (this.idColumn === null) this.names.push(this.field.replace(/^\ufeff/, "").replace(/\r$/, "").replaceAll('"', ""));
    else if (this.column === this.idColumn && this.field !== this.lastId) {
      this.records += 1;
      this.lastId = this.field;
    }
    this.field = "";
    this.column += 1;
    if (!isLast) return;
    this.column = 0;
    if (this.idColumn === null) this.idColumn = this.names.indexOf("id");
  }

  // Whether the text may end here: behind a line.
  isWhole() {
    return this.idColumn !== null && this.isFresh && !this.isQuoted;
  }
}
