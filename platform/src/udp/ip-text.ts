/**
 * IP addresses between text and four 32-bit words, without allocating: what a packet loop that is given strings
 * needs. IPv4 is held as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). Everything else about endpoints is in the protocol.
 */

/** A home for four words, written by `parseIpWords`. */
export type IpWords = Uint32Array<ArrayBuffer>;

const ZERO = 48;
const NINE = 57;
const DOT = 46;
const COLON = 58;
const PERCENT = 37;
const MAPPED_PREFIX = 0xffff;

/** The 32 bits of a dotted quad in `text[from, to)`, or -1. */
function parseQuad(text: string, from: number, to: number): number {
  let value = 0;
  let part = -1;
  let dots = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code >= ZERO && code <= NINE) {
      part = (part === -1 ? 0 : part * 10) + code - ZERO;
      if (part > 255) return -1;
    } else if (code === DOT && part !== -1 && dots < 3) {
      value = value * 256 + part;
      part = -1;
      dots++;
    } else return -1;
  }
  return dots === 3 && part !== -1 ? value * 256 + part : -1;
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= NINE) return code - ZERO;
  const lower = code | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

const groups = new Uint16Array(8);

/** Parses IPv4 or IPv6 text (a zone after `%` is ignored) into `out`; false when it is no address. */
export function parseIpWords(text: string, out: IpWords): boolean {
  if (!text.includes(":")) {
    const quad = parseQuad(text, 0, text.length);
    if (quad < 0) return false;
    out[0] = 0;
    out[1] = 0;
    out[2] = MAPPED_PREFIX;
    out[3] = quad;
    return true;
  }
  return parseV6(text, out);
}

/** RFC 4291 §2.2: groups of hex, at most one `::`, perhaps a dotted quad at the end. */
function parseV6(text: string, out: IpWords): boolean {
  const zone = text.indexOf("%");
  const end = zone === -1 ? text.length : zone;
  let count = 0;
  let gapAt = -1;
  let i = 0;
  if (text.charCodeAt(0) === COLON && text.charCodeAt(1) !== COLON) return false;
  while (i < end) {
    if (text.charCodeAt(i) === COLON && text.charCodeAt(i + 1) === COLON) {
      if (gapAt !== -1) return false;
      gapAt = count;
      i += 2;
      continue;
    }
    if (text.charCodeAt(i) === COLON) i++;
    const start = i;
    let group = 0;
    while (i < end && hexDigit(text.charCodeAt(i)) !== -1)
      group = group * 16 + hexDigit(text.charCodeAt(i++));
    if (i < end && text.charCodeAt(i) === DOT) {
      const quad = parseQuad(text, start, end);
      if (quad < 0 || count > 6) return false;
      groups[count++] = quad >>> 16;
      groups[count++] = quad & 0xffff;
      i = end;
      break;
    }
    if (i === start || i - start > 4 || count === 8) return false;
    if (i < end && text.charCodeAt(i) !== COLON && text.charCodeAt(i) !== PERCENT) return false;
    groups[count++] = group;
  }
  if (gapAt === -1 ? count !== 8 : count > 7) return false;
  spread(count, gapAt === -1 ? count : gapAt, out);
  return true;
}

/** Lays `count` groups into eight places, with the run of zeros at `gapAt`. */
function spread(count: number, gapAt: number, out: IpWords): void {
  const missing = 8 - count;
  for (let word = 0; word < 4; word++) {
    let value = 0;
    for (let half = 0; half < 2; half++) {
      const place = word * 2 + half;
      const from = place < gapAt ? place : place < gapAt + missing ? -1 : place - missing;
      value = value * 65536 + (from === -1 ? 0 : (groups[from] ?? 0));
    }
    out[word] = value;
  }
}

/** Text for four words: a dotted quad where they hold IPv4, else eight groups of hex (canonicalise before showing). */
export function formatIpWords(w0: number, w1: number, w2: number, w3: number): string {
  if (isV4Words(w0, w1, w2)) {
    return `${w3 >>> 24}.${(w3 >>> 16) & 255}.${(w3 >>> 8) & 255}.${w3 & 255}`;
  }
  const pair = (word: number) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
  return `${pair(w0)}:${pair(w1)}:${pair(w2)}:${pair(w3)}`;
}

export function isV4Words(w0: number, w1: number, w2: number): boolean {
  return w0 === 0 && w1 === 0 && w2 === MAPPED_PREFIX;
}
