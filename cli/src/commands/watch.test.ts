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
  const answers = [
    { text: "a, for 1s\n", told: "a" },
    { text: "a, for 2s\n", told: "a" },
    { text: "b, for 0s\n", told: "b" },
  ];
  const render = async () => answers.shift() ?? Promise.reject(new Error("gone"));
  expect(watch(render, terminal, false, 1)).rejects.toThrow("gone");
  await Bun.sleep(200);
  expect(terminal.stdout()).toBe("a, for 1s\n\nb, for 0s\n");
});

test("JSON is a line each", async () => {
  const terminal = captured();
  const answers = ['{"a":1}', '{"a":2}'].map((told) => ({ text: `${told}\n`, told }));
  const render = async () => answers.shift() ?? Promise.reject(new Error("gone"));
  expect(watch(render, terminal, false, 1)).rejects.toThrow("gone");
  await Bun.sleep(200);
  expect(terminal.stdout()).toBe('{"a":1}\n{"a":2}\n');
});
