/** Guesses at the ports that an orderly NAT gives next. */
import { expect, test } from "bun:test";
import { EARLY_GUESSES, GUESSES_MAX, guessPort } from "./predictor.ts";

test("goes on from the newest port by the NAT's step, up or down", () => {
  const up = { order: "sequential", step: 1, last: 40_000 } as const;
  expect([0, 1, 2].map((n) => guessPort(up, n))).toEqual([40_001, 40_002, 40_003]);
  const down = { order: "sequential", step: -2, last: 40_000 } as const;
  expect([0, 1, 2].map((n) => guessPort(down, n))).toEqual([39_998, 39_996, 39_994]);
});

test("begins again after the last port, and before the first that NATs give", () => {
  const end = { order: "sequential", step: 2, last: 65_534 } as const;
  expect([0, 1].map((n) => guessPort(end, n))).toEqual([1_024, 1_026]);
  const start = { order: "sequential", step: -1, last: 1_024 } as const;
  expect([0, 1].map((n) => guessPort(start, n))).toEqual([65_535, 65_534]);
});

test("guesses are ports, each another one, and there is an end to them", () => {
  for (const step of [-32, -1, 1, 7, 32]) {
    const ports = { order: "sequential", step, last: 60_000 } as const;
    const guesses = Array.from({ length: GUESSES_MAX }, (_, n) => guessPort(ports, n) ?? 0);
    expect(new Set(guesses).size).toBe(GUESSES_MAX);
    for (const port of guesses) expect(port).toBeWithin(1_024, 65_536);
    expect(guessPort(ports, GUESSES_MAX)).toBeUndefined();
  }
  expect(EARLY_GUESSES).toBeLessThan(GUESSES_MAX);
});

test("nothing is guessed of a NAT without an order, or of which too little is known", () => {
  expect(guessPort(undefined, 0)).toBeUndefined();
  expect(guessPort({ order: "random" }, 0)).toBeUndefined();
  expect(guessPort({ order: "preserving" }, 0)).toBeUndefined();
  expect(guessPort({ order: "sequential" }, 0)).toBeUndefined();
  expect(guessPort({ order: "sequential", step: 0, last: 4_000 }, 0)).toBeUndefined();
});
