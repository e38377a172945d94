/** Connections that have proven no key: one address has its share of them, and no more. */
import { afterEach, expect, test } from "bun:test";
import { CHANNEL_PATH } from "@burrow/protocol";
import { TestCoordinator } from "../testing/coordinator.ts";
import { STRANGERS_PER_HOST_MAX } from "./channel.ts";

let coordinator: TestCoordinator;
afterEach(() => coordinator?.end());

/** The status of an upgrade that is refused; 101 is not among them. */
async function refusalOf(from: string): Promise<number> {
  const response = await fetch(coordinator.url + CHANNEL_PATH, { headers: { "x-forwarded-for": from } });
  return response.status;
}

test("strangers of one address or /64 are held to a share; others, and those who prove themselves, come in", async () => {
  coordinator = await TestCoordinator.start({ trustProxy: true });
  const idle = Array.from({ length: STRANGERS_PER_HOST_MAX }, () =>
    coordinator.client(undefined, "192.0.2.1"),
  );
  for (const client of idle) await client.next("challenge");
  expect(await refusalOf("192.0.2.1")).toBe(503);
  expect(await refusalOf("192.0.2.2")).toBe(426);
  await coordinator.agent({ from: "192.0.2.2" });

  // Whoever has proven a key or is gone is no stranger.
  idle[0]?.close();
  await idle[0]?.closed;
  for (let n = 0; (await refusalOf("192.0.2.1")) === 503 && n < 50; n++) await Bun.sleep(20);
  for (let n = 0; n < 3; n++) await coordinator.agent({ from: "192.0.2.1" });

  const six = Array.from({ length: STRANGERS_PER_HOST_MAX }, (_, n) =>
    coordinator.client(undefined, `2001:db8::${(n + 1).toString(16)}`),
  );
  for (const client of six) await client.next("challenge");
  expect(await refusalOf("2001:db8::ffff:1")).toBe(503);
  expect(await refusalOf("2001:db8:0:1::1")).toBe(426);
});
