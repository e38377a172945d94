/** Looking addresses up, with the traps of the databases; and which address a client has. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../testing/coordinator.ts";
import { buildDatabase } from "../testing/mmdb.ts";
import { clientAddress } from "./client-address.ts";
import { openGeoip } from "./geoip.ts";
import { followGeoip } from "./geoip-file.ts";

const file = new URL("../../../tests/data/geoip/GeoIP2-City-Test.mmdb", import.meta.url).pathname;
const locate = openGeoip(file);

test("addresses of both families, and mapped ones", () => {
  const london = {
    at: { lat: 51.5142, lon: -0.0931 },
    precision: "city",
    label: "London, GB",
    radiusKm: 10,
  } as const;
  expect(locate("81.2.69.142")).toEqual(london);
  expect(locate("::ffff:81.2.69.142")).toEqual(london);
  expect(locate("2001:218::1")).toMatchObject({ precision: "country", label: "JP" });
});

test("what is not an address has no place", () => {
  for (const text of ["81.2.69.142:443", "81.2.69.142 ", "81.2.69", "99.99.99.99.99", "", "localhost", "1"]) {
    expect(locate(text)).toBeUndefined();
  }
  expect(locate("127.0.0.1")).toBeUndefined();
});

test("records that only know the country say so: no city, a radius of 500 km and more, or no place at all", () => {
  expect(locate("67.43.156.1")).toMatchObject({ precision: "country", label: "BT" });
  expect(locate("149.101.100.1")).toMatchObject({ precision: "country", label: "US", radiusKm: 1000 });
  expect(locate("2a02:d180::1")).toMatchObject({ precision: "country", label: "DE" });
  for (const address of ["2.3.3.1", "214.1.1.1"]) expect(locate(address)).toBeUndefined();
});

test("the other test database, too", () => {
  const lite = openGeoip(file.replace("GeoIP2-City-Test", "GeoLite2-City-Test"));
  expect(lite("89.160.20.112")).toMatchObject({ precision: "city", label: "Linköping, SE" });
  expect(lite.attribution).toContain("MaxMind");
});

describe("databases of other makes", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await temporaryDirectory();
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const written = (name: string, bytes: Uint8Array) => {
    const path = join(directory, name);
    writeFileSync(path, bytes);
    return path;
  };
  const oslo = { city: "Oslo", country_code: "NO", latitude: 59.91, longitude: 10.75 };
  const lima = { city: "Lima", country_code: "PE", latitude: "-12.05", longitude: "-77.04" };

  test("flat records, numbers as texts, without a radius", () => {
    const path = written("flat.mmdb", buildDatabase(4, { "192.0.2.0/24": oslo, "198.51.100.0/24": lima }));
    const flat = openGeoip(path);
    expect(flat("192.0.2.7")).toEqual({
      at: { lat: 59.91, lon: 10.75 },
      precision: "city",
      label: "Oslo, NO",
    });
    expect(flat("::ffff:198.51.100.7")).toMatchObject({
      at: { lat: -12.05, lon: -77.04 },
      label: "Lima, PE",
    });
    expect(flat("203.0.113.1")).toBeUndefined();
  });

  test("one of IPv4 only knows no IPv6 address", () => {
    const path = written("v4.mmdb", buildDatabase(4, { "0.0.0.0/1": oslo, "128.0.0.0/1": lima }));
    const v4 = openGeoip(path);
    expect(v4("192.0.2.7")).toMatchObject({ label: "Lima, PE" });
    for (const address of ["2001:218::1", "::1", "fe80::1", "2002:c000:207::1"]) {
      expect(v4(address)).toBeUndefined();
    }
  });

  test("one of IPv6 knows both families", () => {
    const mapped4 = `${"0".repeat(24)}c0000200/120`;
    const path = written(
      "v6.mmdb",
      buildDatabase(6, { [mapped4]: oslo, "20010db8000000000000000000000000/32": lima }),
    );
    const v6 = openGeoip(path);
    expect(v6("192.0.2.7")).toMatchObject({ label: "Oslo, NO" });
    expect(v6("::ffff:192.0.2.7")).toMatchObject({ label: "Oslo, NO" });
    expect(v6("2001:db8::7")).toMatchObject({ label: "Lima, PE" });
  });

  test("a file that changes is read again; one that is no database changes nothing", async () => {
    const path = written("changing.mmdb", buildDatabase(4, { "192.0.2.0/24": oslo }));
    const followed = followGeoip(path, 10);
    expect(followed.locate("192.0.2.7")).toMatchObject({ label: "Oslo, NO" });
    expect(followed.locate.attribution).toBe("Test");
    expect(followed.look()).toBe(false);

    // As updaters do it: written beside, then moved into place.
    const next = written("next.mmdb", buildDatabase(4, { "192.0.2.0/24": lima, "198.51.100.0/24": oslo }));
    renameSync(next, path);
    await until(() => followed.locate("192.0.2.7")?.label === "Lima, PE");

    writeFileSync(path, readFileSync(path).subarray(0, 40));
    expect(followed.look()).toBe(false);
    rmSync(path);
    expect(followed.look()).toBe(false);
    expect(followed.locate("192.0.2.7")).toMatchObject({ label: "Lima, PE" });
    followed.close();
  });

  test("SIGHUP reads it again at once", async () => {
    const path = written("hup.mmdb", buildDatabase(4, { "192.0.2.0/24": oslo }));
    const followed = followGeoip(path, 3_600_000);
    writeFileSync(path, buildDatabase(4, { "192.0.2.0/24": lima, "198.51.100.0/24": oslo }));
    expect(followed.locate("192.0.2.7")).toMatchObject({ label: "Oslo, NO" });
    process.kill(process.pid, "SIGHUP");
    await until(() => followed.locate("192.0.2.7")?.label === "Lima, PE");
    followed.close();
  });
});

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error("it never came to be");
    await Bun.sleep(5);
  }
}

test("a client's address: the socket's, unless a proxy is trusted, and then its own last word only", () => {
  expect(clientAddress("::ffff:192.0.2.1", null, false)).toBe("192.0.2.1");
  expect(clientAddress("192.0.2.1", "198.51.100.7", false)).toBe("192.0.2.1");
  expect(clientAddress("192.0.2.1", "203.0.113.9, 198.51.100.7", true)).toBe("198.51.100.7");
  expect(clientAddress("192.0.2.1", "[2001:db8::1]", true)).toBe("2001:db8::1");
  expect(clientAddress("192.0.2.1", "203.0.113.9, garbage", true)).toBe("192.0.2.1");
  expect(clientAddress("192.0.2.1", "", true)).toBe("192.0.2.1");
});
