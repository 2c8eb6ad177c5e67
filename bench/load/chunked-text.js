'use strict';

/**
 * The text inside a chunked answer: a proxy may set its chunks' borders anywhere, in the middle of an event as well.
 * Latin1 text in, the text of the body out, the head of the answer left out.
 */
class ChunkedText {
  constructor() {
    this.rest = '';
    this.left = 0;
    this.inBody = false;
  }

  push(text) {
    let from = this.rest + text;
    this.rest = '';
    if (!this.inBody) {
      const end = from.indexOf('\r\n\r\n');
      if (end === -1) {
        this.rest = from;
        return '';
      }
      this.inBody = true;
      from = from.slice(end + 4);
    }
    return this.body(from);
  }

  body(from) {
    let at = 0;
    let out = '';
    while (at < from.length) {
      if (this.left > 0) {
        const piece = from.slice(at, at + this.left);
        out += piece;
        this.left -= piece.length;
        at += piece.length;
        continue;
      }
      // The line end after a chunk, then the size of the next one.
      const start = from.startsWith('\r\n', at) ? at + 2 : at;
      const end = from.indexOf('\r\n', start);
      if (end === -1) {
        this.rest = from.slice(at);
        break;
      }
      this.left = parseInt(from.slice(start, end), 16);
      at = end + 2;
      if (!(this.left > 0)) break;
    }
    return out;
  }
}

module.exports = { ChunkedText };
