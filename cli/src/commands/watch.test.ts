/** What is drawn over, and what is shown one after another. */
import { expect, test } from "bun:test";
import { captured } from "../testing.ts";
import { drawnOver, watch } from "./watch.ts";

test("a screen is drawn over line by line, and never longer than the window", () => {
  expect(drawnOver("one\ntwo\n", true, 24)).toBe("\x1b[H\x1b[Jone\x1b[K\ntwo\x1b[K\n\x1b[J");
  expect(drawnOver("one\n", false, 24)).toBe("\x1b[Hone\x1b[K\n\x1b[J");
  const long = drawnOver(Array.from({ length: 50 }, (_, i) => `line ${i}`).join("\n"), false, 10);
  expect(long.split("\n").length).toBe(10);
  expect(long).toContain("…");
});

test("elsewhere only what changed is shown, and an error ends it", async () => {
  const terminal = captured();
  const answers = ["a\n", "a\n", "b\n"];
  const render = async () => {
    const next = answers.shift();
    if (next === undefined) throw new Error("gone");
    return next;
  };
  expect(watch(render, terminal, false, 1)).rejects.toThrow("gone");
  await Bun.sleep(200);
  expect(terminal.stdout()).toBe("a\n\nb\n");
});

test("JSON is a line each", async () => {
  const terminal = captured();
  const answers = ['{"a":1}\n', '{"a":2}\n'];
  const render = async () => answers.shift() ?? Promise.reject(new Error("gone"));
  expect(watch(render, terminal, false, 1)).rejects.toThrow("gone");
  await Bun.sleep(200);
  expect(terminal.stdout()).toBe('{"a":1}\n{"a":2}\n');
});
