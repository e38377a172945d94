/** Bytes as text and back: hex for ids, base64 for keys (as WireGuard writes them), UTF-8 for labels. */
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Bytes } from "./bytes.ts";

export const utf8 = utf8ToBytes;
export const toHex = bytesToHex;

/** Bytes of a hex string, or undefined when it is not one. */
export function fromHex(text: string): Bytes | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined;
  return hexToBytes(text);
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** RFC 4648 §4, with padding. Our own since the cores see neither `Buffer` nor `btoa`. */
export function toBase64(bytes: Bytes): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b, c] = [bytes[i] ?? 0, bytes[i + 1], bytes[i + 2]];
    const word = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    text += ALPHABET.charAt(word >>> 18) + ALPHABET.charAt((word >>> 12) & 63);
    text += b === undefined ? "=" : ALPHABET.charAt((word >>> 6) & 63);
    text += c === undefined ? "=" : ALPHABET.charAt(word & 63);
  }
  return text;
}

/** Bytes of padded, canonical base64 (RFC 4648 §4, §3.5), or undefined. */
export function fromBase64(text: string): Bytes | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const symbols = text.replace(/=+$/, "");
  const bytes = new Uint8Array(Math.floor((symbols.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const symbol of symbols) {
    bits = ((bits << 6) | ALPHABET.indexOf(symbol)) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = (bits >>> held) & 0xff;
    }
  }
  return toBase64(bytes) === text ? bytes : undefined;
}
