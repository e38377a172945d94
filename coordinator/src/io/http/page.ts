/** Long lists in pages: in the order of ids, which stays while members come and go, with a link to where it goes on. */

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly headers: Readonly<Record<string, string>>;
}

/** The first `limit` after `after`. Ids of one length sort as text. */
export function pageOf<Item>(
  path: string,
  all: Iterable<Item>,
  idOf: (item: Item) => string,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Page<Item> {
  const ordered = [...all].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const start = after === undefined ? 0 : countWhile(ordered, (item) => idOf(item) <= after);
  const items = ordered.slice(start, start + limit);
  const last = items.at(-1);
  const goesOn = last !== undefined && start + items.length < ordered.length;
  const link = goesOn ? { link: `<${path}?limit=${limit}&after=${idOf(last)}>; rel="next"` } : {};
  return { items, headers: { "x-total-count": String(ordered.length), ...link } };
}

/** How many at the start of a list hold, when none holds after the first that does not. */
function countWhile<Item>(ordered: readonly Item[], holds: (item: Item) => boolean): number {
  let [low, high] = [0, ordered.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = ordered[middle];
    if (item !== undefined && holds(item)) low = middle + 1;
    else high = middle;
  }
  return low;
}
