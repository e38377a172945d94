/** The shell when the machine makes a mistake: it is told, and the thread goes on with everything else. */
import { expect, test } from "bun:test";
import { nativePrimitives, openDualStack } from "@burrow/platform";
import type { PublicKey } from "@burrow/protocol";
import { AgentShell, clock, type ShellReport } from "./shell.ts";
import { PORTABLE_SOCKETS } from "./sockets.ts";

test("a tick that throws is tried again a few times a second, not without end", async () => {
  const primitives = nativePrimitives();
  const privateKey = primitives.randomBytes(32).slice();
  const publicKey = primitives.x25519Public(privateKey) as PublicKey;
  const socket = await openDualStack({ port: 0, onBatch() {} });
  const reports: ShellReport[] = [];
  const shell = new AgentShell(
    {
      ...{ privateKey, publicKey, answersEchoes: true, loopbackCandidates: true, punchesHardNats: false },
      ...{
        mapsPorts: false,
        statedEndpoints: [],
        outsideClients: [],
        firstSequence: 1,
        interfacePort: undefined,
      },
    },
    {
      socket,
      sockets: PORTABLE_SOCKETS,
      report: (report) => reports.push(report),
      isBehind: () => false,
      settled() {},
    },
  );
  shell.agent.tick = () => {
    throw new Error("a mistake");
  };
  shell.agent.nextDeadline = () => 0;
  const untilMs = clock() + 450;
  while (clock() < untilMs) {
    const waitMs = shell.nextDeadline() - clock();
    if (waitMs > 0) await Bun.sleep(waitMs);
    shell.tick(clock());
  }
  expect(shell.mistakes).toBeWithin(2, 7);
  expect(reports).toHaveLength(shell.mistakes);
  // What comes from outside meanwhile does not wait.
  const { mistakes } = shell;
  shell.command({ type: "message", message: { type: "pong" } });
  expect(shell.mistakes).toBe(mistakes);
  shell.close();
  socket.close();
});
