/** Daemons where no name server answers: they say so, and are not held up by it when they are to end. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { Processes } from "../../cli/src/testing/processes.ts";
import { inNamespace, withNamespaces } from "../../platform/src/testing/namespaces.ts";
import { needs } from "../../platform/src/testing/needs.ts";

const possible = needs("daemons without a name server", { root: true, commands: ["ip"] });
const LIMIT_MS = 60_000;
const made: Processes[] = [];
afterAll(async () => {
  for (const processes of made) await processes.close();
});

test.skipIf(!possible)(
  "a relay and an agent name the name server as what is in the way, and end at the first signal",
  async () => {
    await withNamespaces(["mutedns"], async ([place]) => {
      // Whatever is asked goes out there and is lost.
      inNamespace(place, "ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1");
      inNamespace(place, "ip", "addr", "add", "10.99.0.2/24", "dev", "out0");
      for (const name of ["out0", "out1"]) inNamespace(place, "ip", "link", "set", name, "up");
      inNamespace(place, "ip", "route", "add", "default", "dev", "out0");
      // ip-netns(8): shown to what runs in the namespace in place of the machine's own.
      const settings = `/etc/netns/${place}`;
      mkdirSync(settings, { recursive: true });
      try {
        writeFileSync(`${settings}/resolv.conf`, "nameserver 198.51.100.53\n");
        const processes = new Processes({}, ["ip", "netns", "exec", place]);
        made.push(processes);
        const common = ["--coordinator", "http://burrow.example", "--token", "t".repeat(43)];
        const relay = ["relay", "--region", "here", "--http", "127.0.0.1:0", "--further-ports", "none"];
        const agent = ["up", "--device", "none", "--port-mapping", "off"];
        for (const [name, command] of Object.entries({ relay, agent })) {
          const { child, output } = processes.launch([
            ...command,
            ...common,
            "--state",
            processes.state(name),
          ]);
          for (let tries = 0; tries < 200 && !output().includes("connecting to"); tries++)
            await Bun.sleep(50);
          const sentMs = performance.now();
          child.kill("SIGTERM");
          expect([name, await child.exited]).toEqual([name, 0]);
          // The lookup itself takes ten seconds to give up.
          expect(performance.now() - sentMs).toBeLessThan(5_000);
        }
        const failed = await processes.run(
          [...agent, ...common, "--state", processes.state("late")],
          {},
          40_000,
        );
        expect(failed.exitCode).toBe(1);
        expect(failed.stderr).toContain("no name server answers for burrow.example");
      } finally {
        rmSync(settings, { recursive: true });
      }
    });
  },
  LIMIT_MS,
);
