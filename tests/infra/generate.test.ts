/** The generator: the examples are what it makes today, and mistakes in a regions file are told in words. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseRegions } from "../../infra/generate/regions.ts";
import { generate } from "../../infra/generate.ts";
import { infraFiles, ROOT } from "./files.ts";

const places = readFileSync(join(ROOT, "infra/modules/relay/places.json"), "utf8");

for (const path of infraFiles("examples/*/regions.json").keys()) {
  test(`${dirname(path)}/main.tf is up to date`, () => {
    const main = join(ROOT, dirname(path), "main.tf");
    // When this fails: bun infra/generate.ts infra/examples/*/regions.json
    expect(readFileSync(main, "utf8")).toBe(generate(join(ROOT, path)));
  });
}

test("the examples have twelve regions, and three clouds", () => {
  const regions = (name: string) =>
    parseRegions(readFileSync(join(ROOT, `infra/examples/${name}/regions.json`), "utf8"), places);
  expect(regions("twelve-regions")).toHaveLength(12);
  expect(new Set(regions("three-clouds").map(({ cloud }) => cloud)).size).toBe(3);
});

test("every place on earth is on earth, and not on the equator off Africa", () => {
  const table = JSON.parse(places) as Record<string, Record<string, readonly number[]>>;
  for (const [cloud, byName] of Object.entries(table)) {
    for (const [name, at] of Object.entries(byName)) {
      const [latitude = Number.NaN, longitude = Number.NaN] = at;
      const good =
        at.length === 2 && Math.abs(latitude) <= 70 && Math.abs(longitude) <= 180 && at.join() !== "0,0";
      expect(`${cloud} ${name} ${good}`).toBe(`${cloud} ${name} true`);
    }
  }
});

const aws = { cloud: "aws", at: "eu-central-1" };
const mistakes: readonly (readonly [what: string, regions: unknown, message: RegExp])[] = [
  ["no regions", [], /at least one region/],
  ["a cloud nobody knows", [{ cloud: "asw", at: "eu-central-1" }], /cloud must be one of aws, gcp/],
  ["a place the cloud has not", [{ cloud: "aws", at: "eu-centrall-1" }], /aws has no place eu-centrall-1/],
  ["a misspelt key", [{ ...aws, relay: 2 }], /regions\[0\] has relay; known: cloud, at, relays/],
  ["half a relay", [{ ...aws, relays: 1.5 }], /relays must be a whole number/],
  ["the same place twice", [aws, aws], /aws eu-central-1 is there twice/],
  [
    "an architecture where there is no choice",
    [{ cloud: "hetzner", at: "fsn1", architecture: "arm64" }],
    /for aws and gcp only/,
  ],
  [
    "zones where there are none",
    [{ cloud: "hetzner", at: "fsn1", zones: ["a"] }],
    /only aws and gcp have zones/,
  ],
  ["a name with a quote", [{ ...aws, machine: 't4g"small' }], /machine must be/],
];
for (const [what, regions, message] of mistakes) {
  test(`refuses ${what}`, () => {
    expect(() => parseRegions(JSON.stringify({ regions }), places)).toThrow(message);
  });
}

test("refuses what is not JSON", () => {
  expect(() => parseRegions("{", places)).toThrow(/not JSON/);
});
