/**
 * As much of XML as routers' answers take: the contents of elements found by their local name. No document is built,
 * no entity but the five of XML is known, nothing is fetched, and any text is read in one pass.
 */

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
/** No description has so many of anything. */
const ELEMENTS_MAX = 256;

/** What stands between the start and the next end of each element of this name, inner elements of it included. */
export function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  for (let at = 0; found.length < ELEMENTS_MAX; ) {
    const start = tag(xml, at, name, "start");
    if (start === undefined) break;
    const end = tag(xml, start.after, name, "end");
    if (end === undefined) break;
    found.push(xml.slice(start.after, end.at));
    at = end.after;
  }
  return found;
}

/** The text of the first element of this name, without the blanks around it. */
export function elementText(xml: string, name: string): string | undefined {
  const text = elements(xml, name)[0]?.trim();
  return text?.replace(/&(\w+);/g, (whole, entity: string) => ENTITIES[entity] ?? whole);
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The next `<name …>` or `</name>`, with or without a prefix; an empty `<name/>` has no contents and is passed over. */
function tag(
  xml: string,
  from: number,
  name: string,
  kind: "start" | "end",
): { at: number; after: number } | undefined {
  let close = -1;
  for (let at = xml.indexOf("<", from); at !== -1; at = xml.indexOf("<", at + 1)) {
    // Looked for once, not from every "<" of a text that is full of them.
    if (close < at) close = xml.indexOf(">", at);
    if (close === -1) return undefined;
    const isEnd = xml[at + 1] === "/";
    if (isEnd !== (kind === "end") || xml[close - 1] === "/") continue;
    const [whole = ""] = xml.slice(at + (isEnd ? 2 : 1), Math.min(close, at + 200)).split(/\s/, 1);
    if (whole.slice(whole.indexOf(":") + 1) === name) return { at, after: close + 1 };
  }
  return undefined;
}
