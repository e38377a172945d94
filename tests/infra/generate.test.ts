/** The generator: the examples are what it makes today, and mistakes in a regions file are told in words. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { mainFile } from "../../infra/generate/hcl.ts";
import { parseRegions, RegionsError } from "../../infra/generate/regions.ts";
import { generate } from "../../infra/generate.ts";
import { infraFiles, ROOT } from "./files.ts";
import { checkTerraform } from "./hcl/check.ts";

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

test("what it makes for every cloud, with all that a region can say, fits the modules", async () => {
  const place = { aws: "eu-central-1", gcp: "europe-west3", hetzner: "fsn1", digitalocean: "fra1" };
  const more = (cloud: string, at: string) => ({
    architecture: "amd64",
    zones: ["a", "b"].map((letter) => (cloud === "aws" ? `${at}${letter}` : `${at}-${letter}`)),
  });
  const regions = Object.entries(place).map(([cloud, at]) => ({
    ...{ cloud, at, relays: 0, region: "here", machine: "large.2" },
    ...(cloud === "aws" || cloud === "gcp" ? more(cloud, at) : {}),
  }));
  const main = mainFile(parseRegions(JSON.stringify({ regions }), places), "../../modules");
  const modules = infraFiles("modules/**/*.{tf,tftpl,service,sh}");
  expect(await checkTerraform(new Map(modules).set("infra/examples/all/main.tf", main))).toEqual([]);
  expect(main.match(/^module /gm)).toHaveLength(4);
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
  ["no regions", [], /with 1 to 200 regions/],
  ["regions that are no list", { length: 1, 0: aws }, /with 1 to 200 regions/],
  ["more regions than there are places", Array(201).fill(aws), /with 1 to 200 regions/],
  ["a region that is a word", ["aws"], /regions\[0\] must be an object/],
  ["a region that is a list", [["aws", "eu-central-1"]], /regions\[0\] must be an object/],
  ["no region at all", [null], /regions\[0\] must be an object/],
  ["a cloud that every object has", [{ cloud: "constructor", at: "name" }], /cloud must be one of/],
  ["a place that every object has", [{ cloud: "aws", at: "constructor" }], /aws has no place "constructor"/],
  ["a place that is a list of one", [{ cloud: "aws", at: ["eu-central-1"] }], /aws has no place \["eu-/],
  ["a place of another cloud", [{ cloud: "gcp", at: "eu-central-1" }], /gcp has no place "eu-central-1"/],
  ["relays in words", [{ ...aws, relays: "2" }], /relays must be a whole number/],
  ["fewer than no relays", [{ ...aws, relays: -1 }], /relays must be a whole number/],
  ["relays that are nothing", [{ ...aws, relays: null }], /relays must be a whole number/],
  ["a region's name with capitals", [{ ...aws, region: "EU" }], /region must have 1 to 32 small letters/],
  ["a name that ends the string", [{ ...aws, region: 'eu"\n}' }], /region must have 1 to 32/],
  ["an interpolated machine", [{ ...aws, machine: `$\{file("/etc/passwd")}` }], /machine must be/],
  ["an empty list of zones", [{ ...aws, zones: [] }], /zones must be a list of names/],
  ["a zone twice", [{ ...aws, zones: ["eu-central-1a", "eu-central-1a"] }], /has a zone twice/],
  [
    "a zone of another region",
    [{ ...aws, zones: ["eu-west-1a"] }],
    /"eu-west-1a" is no zone of eu-central-1/,
  ],
  [
    "a zone that only begins like one",
    [{ ...aws, zones: ["eu-central-12a"] }],
    /they are like eu-central-1a/,
  ],
  ["a cloud nobody knows", [{ cloud: "asw", at: "eu-central-1" }], /cloud must be one of aws, gcp/],
  ["a place the cloud has not", [{ cloud: "aws", at: "eu-centrall-1" }], /aws has no place "eu-centrall-1"/],
  ["a misspelt key", [{ ...aws, relay: 2 }], /regions\[0\] has "relay"; known: cloud, at, relays/],
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

const texts: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ["what is not JSON", "{", /not JSON/],
  ["an empty file", "", /not JSON/],
  ["a list", "[]", /the file must be an object/],
  ["nothing", "null", /the file must be an object/],
  ["a misspelt list", '{"region": []}', /the file has "region"; known: regions/],
  [
    "a prototype in disguise",
    '{"regions": [{"cloud": "aws", "at": "eu-central-1", "__proto__": {}}]}',
    /regions\[0\] has "__proto__"/,
  ],
];
for (const [what, text, message] of texts) {
  test(`refuses ${what}`, () => {
    expect(() => parseRegions(text, places)).toThrow(message);
  });
}

test("whatever a regions file holds, it is refused in words or understood", () => {
  const name = fc.oneof(
    fc.constantFrom("cloud", "at", "relays", "zones", "regions", "__proto__"),
    fc.string(),
  );
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom("aws", "gcp", "eu-central-1", "toString"));
  const region = fc.oneof(fc.jsonValue(), fc.dictionary(name, value), fc.constant(aws));
  fc.assert(
    fc.property(fc.array(region, { maxLength: 4 }), (regions) => {
      try {
        for (const { cloud, at } of parseRegions(JSON.stringify({ regions }), places))
          expect([cloud, at]).toEqual(["aws", "eu-central-1"]);
      } catch (error) {
        if (!(error instanceof RegionsError)) throw error;
      }
    }),
  );
});

test("says what is wrong with files in one line, and ends with 1", () => {
  const run = (...files: string[]) =>
    Bun.spawnSync([process.execPath, join(ROOT, "infra/generate.ts"), ...files], { stderr: "pipe" });
  for (const [file, message] of [
    ["no-such-file.json", /^error: no-such-file\.json: ENOENT.*\n$/],
    [ROOT, /^error: .*EISDIR.*\n$/],
    [join(ROOT, "README.md"), /^error: .*README\.md: not JSON: .*\n$/],
  ] as const) {
    const { exitCode, stderr } = run(file);
    expect(stderr.toString()).toMatch(message);
    expect(exitCode).toBe(1);
  }
  expect(run().exitCode).toBe(2);
});
