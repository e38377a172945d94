/**
 * A MaxMind DB file from a few records, for tests: of either address family, with records of any shape. The format is
 * MaxMind DB 2.0; 24-bit tree records, and of the data types only maps, strings, doubles and unsigned integers.
 */

type Value = string | number | { readonly [name: string]: Value };

const RECORD_BITS = 24;
const SEPARATOR_BYTES = 16;
const METADATA_MARK = "\xab\xcd\xefMaxMind.com";

/** @param records by network, as `192.0.2.0/24`; IPv6 as 32 hex digits and `/bits` */
export function buildDatabase(ipVersion: 4 | 6, records: Readonly<Record<string, Value>>): Uint8Array {
  const tree: [Child, Child][] = [[undefined, undefined]];
  const data: number[] = [];
  for (const [network, record] of Object.entries(records)) {
    insert(tree, bitsOf(network), { data: data.length });
    data.push(...encode(record));
  }
  const nodes = tree.flatMap((children) => children.flatMap((child) => uint24(recordOf(child, tree.length))));
  const metadata = encode({
    binary_format_major_version: 2,
    build_epoch: 1,
    database_type: "Test",
    ip_version: ipVersion,
    node_count: tree.length,
    record_size: RECORD_BITS,
  });
  const mark = [...METADATA_MARK].map((character) => character.charCodeAt(0));
  return Uint8Array.from([...nodes, ...new Uint8Array(SEPARATOR_BYTES), ...data, ...mark, ...metadata]);
}

type Child = undefined | number | { readonly data: number };

function insert(tree: [Child, Child][], bits: readonly (0 | 1)[], leaf: { readonly data: number }): void {
  let node = 0;
  for (const [depth, bit] of bits.entries()) {
    const children = tree[node];
    if (children === undefined) return;
    if (depth === bits.length - 1) {
      children[bit] = leaf;
      return;
    }
    let next = children[bit];
    if (typeof next !== "number") {
      next = tree.length;
      tree.push([undefined, undefined]);
      children[bit] = next;
    }
    node = next;
  }
}

function recordOf(child: Child, nodes: number): number {
  if (child === undefined) return nodes;
  return typeof child === "number" ? child : nodes + SEPARATOR_BYTES + child.data;
}

function bitsOf(network: string): (0 | 1)[] {
  const [address = "", length = ""] = network.split("/");
  const bytes = address.includes(".")
    ? address.split(".").map(Number)
    : (address.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  const bits = bytes.flatMap((byte) =>
    [...byte.toString(2).padStart(8, "0")].map((bit) => (bit === "1" ? 1 : 0)),
  );
  return bits.slice(0, Number(length));
}

function encode(value: Value): number[] {
  if (typeof value === "string") {
    const bytes = [...new TextEncoder().encode(value)];
    return [...control(2, bytes.length), ...bytes];
  }
  if (typeof value === "object") {
    const entries = Object.entries(value);
    return [
      ...control(7, entries.length),
      ...entries.flatMap(([name, inner]) => [...encode(name), ...encode(inner)]),
    ];
  }
  if (Number.isInteger(value) && value >= 0) {
    const bytes = [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
    return [...control(6, 4), ...bytes];
  }
  const double = new DataView(new ArrayBuffer(8));
  double.setFloat64(0, value);
  return [...control(3, 8), ...new Uint8Array(double.buffer)];
}

/** Sizes up to 284, which is enough here. */
function control(type: number, size: number): number[] {
  return size < 29 ? [(type << 5) | size] : [(type << 5) | 29, size - 29];
}

function uint24(value: number): number[] {
  return [(value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
