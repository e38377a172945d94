/** Tables stay aligned and within their width. */
import { expect, test } from "bun:test";
import { COLOURED, PLAIN } from "../terminal.ts";
import { elide, facts, table, wrap } from "./table.ts";
import { age, bytes, milliseconds } from "./units.ts";

test("columns line up, numbers to the right, without trailing blanks", () => {
  const columns = [{ title: "NAME" }, { title: "RTT", align: "right" }, { title: "NOTE" }] as const;
  const rows = [
    ["ann", "1.0 ms", ""],
    ["longer-name", "120 ms", "x"],
  ];
  expect(table(columns, rows)).toBe(
    ["NAME            RTT  NOTE", "ann          1.0 ms", "longer-name  120 ms  x", ""].join("\n"),
  );
});

test("colour changes no width", () => {
  const columns = [{ title: "A" }, { title: "B" }] as const;
  const rows = [[{ text: "xx", paint: COLOURED.green }, "y"]];
  const esc = String.fromCharCode(27);
  const bare = table(columns, rows, COLOURED).replaceAll(new RegExp(`${esc}\\[[0-9;]+m`, "g"), "");
  expect(bare).toBe(table(columns, [["xx", "y"]], PLAIN));
});

test("a table too wide loses the middle of what may shrink", () => {
  const columns = [
    { title: "PEER", shrinkTo: 5 },
    { title: "PATH", shrinkTo: 10 },
    { title: "RTT" },
  ] as const;
  const rows = [["p".repeat(40), "[2001:db8:1111:2222:3333:4444:5555:6666]:41641", "1 ms"]];
  const lines = table(columns, rows).trimEnd().split("\n");
  expect(lines.map((line) => line.length <= 80)).toEqual([true, true]);
  expect(lines[1]).toContain("…");
  expect(lines[1]).toEndWith("1 ms");
});

test("elided text keeps its ends", () => {
  expect(elide("abcdefghij", 5)).toBe("ab…ij");
  expect(elide("abc", 3)).toBe("abc");
  expect(elide("abc", 1)).toBe("…");
  expect(elide("abc", 0)).toBe("");
});

test("facts leave out what is not known", () => {
  const pairs = [
    ["home", "fra"],
    ["standby", undefined],
    ["nat", "none"],
  ] as const;
  expect(facts(pairs, PLAIN)).toBe("home  fra\nnat   none\n");
});

test("words wrap", () => {
  expect(wrap("one two  three", 7)).toEqual(["one two", "three"]);
  expect(wrap("", 7)).toEqual([]);
});

test("numbers for people", () => {
  expect([0.214, 12.34, 184.4, undefined].map(milliseconds)).toEqual(["0.21 ms", "12.3 ms", "184 ms", "-"]);
  expect([0, 42_000, 300_000, 11_520_000, 7_200_000, 800_000_000].map(age)).toEqual([
    "now",
    "42s",
    "5m",
    "3h12m",
    "2h",
    "9d",
  ]);
  expect([0, 999, 1_400, 104_000_000, 999_999].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.4 KB",
    "104 MB",
    "1.0 MB",
  ]);
});
