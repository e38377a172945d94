/** Slips of the hand, and what is no slip any more. */
import { expect, test } from "bun:test";
import { meant } from "./suggest.ts";

const KNOWN = ["drain", "list", "remove", "set"];

test("one letter wrong, missing, too many or swapped, and two of them, are understood", () => {
  const typed = ["drian", "dran", "drainn", "brain", "rmove", "remvoe", "lsit", "lists", "sett"];
  const means = ["drain", "drain", "drain", "drain", "remove", "remove", "list", "list", "set"];
  expect(typed.map((word) => meant(word, KNOWN))).toEqual(means);
});

test("of several the nearest is meant; what is far from all is not guessed at", () => {
  expect(meant("lit", ["list", "lift", "lid"])).toBe("list");
  expect(meant("remvo", KNOWN)).toBe("remove");
  for (const word of ["", "x", "fly", "eu-central", "0011223344556677"])
    expect(meant(word, KNOWN)).toBeUndefined();
});
