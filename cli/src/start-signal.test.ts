/** Daemons that still wait for a coordinator which takes connections and says nothing: told of, and stopped at once. */
import { afterAll, expect, test } from "bun:test";
import { Processes } from "./testing/processes.ts";

const mute = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
const url = `http://127.0.0.1:${mute.port}`;
const processes = new Processes();
afterAll(async () => {
  await processes.close();
  mute.stop(true);
});

const WAITS = [
  ["up", ["--device", "none", "--port-mapping", "off"]],
  ["relay", ["--region", "here", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]],
] as const;

for (const [name, more] of WAITS) {
  test(`burrow ${name}`, async () => {
    const args = [name, "--coordinator", url, "--token", "t".repeat(43), "--state", processes.state(name)];
    const { child, output } = processes.launch([...args, ...more]);
    for (let tries = 0; tries < 200 && !output().includes("connecting to the coordinator"); tries++) {
      await Bun.sleep(50);
    }
    expect(output()).toContain(`connecting to the coordinator at ${url} …`);
    const sentMs = performance.now();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    // Both wait for ten seconds if nobody stops them.
    expect(performance.now() - sentMs).toBeLessThan(5_000);
    expect(output()).not.toContain("error:");
  }, 30_000);
}

test("a name that leads nowhere is named as the obstacle", async () => {
  const args = [
    "up",
    "--coordinator",
    "http://burrow.invalid",
    "--token",
    "t".repeat(43),
    "--device",
    "none",
  ];
  const { stderr, exitCode } = await processes.run([...args, "--state", processes.state("nameless")]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /error: the coordinator at http:\/\/burrow\.invalid does not answer: (no|the) name server .*burrow doctor/,
  );
}, 30_000);
