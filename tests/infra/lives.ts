/** The other services of the package on a booted machine: an agent beside a relay, a coordinator from its user data. */
import { expect } from "bun:test";
import { COORDINATOR, type Deployment } from "./deployment.ts";
import { type Machine, until } from "./machine.ts";

/** Of systemd-analyze(1), 0 is best and 10 worst. The agent makes interfaces and routes, as root. */
const EXPOSURE_MAX: Readonly<Record<string, number>> = {
  relay: 2.5,
  coordinator: 2.5,
  agent: 5,
  health: 2.5,
  forget: 2.5,
};

/** As docs/deploy.md has it: two files, and the unit. */
export async function agentLives(machine: Machine, deployment: Deployment): Promise<void> {
  const settings = `BURROW_COORDINATOR=http://${COORDINATOR}:8080\\nBURROW_NAME=alice\\n`;
  machine.run(`printf '${settings}' >/etc/burrow/agent.env`);
  machine.run(`echo '${deployment.token("agent")}' | install -m 0600 /dev/stdin /etc/burrow/agent.token`);
  machine.run("systemctl enable --now burrow-agent");
  await until("the agent's home relay", 30_000, () => {
    const { home } = JSON.parse(machine.run("burrow status --json")) as { home?: unknown };
    return home ?? undefined;
  });
  expect(machine.run("ip -brief address show dev burrow0")).toMatch(
    /\b100\.64\.\d+\.\d+\/.*\bfd[0-9a-f]{2}:/,
  );
  machine.run("systemctl disable --now burrow-agent");
  expect(machine.run("systemctl show --property=Result --value burrow-agent")).toBe("success");
  expect(machine.run("ip -brief link show dev burrow0", true)).toContain("does not exist");
}

export async function coordinatorLives(machine: Machine): Promise<void> {
  await until("the coordinator", 120_000, () => machine.get("http://127.0.0.1:8080/readyz"));
  await until("the end of the first boot", 20_000, () => machine.run("ls /var/lib/burrow-first-boot/done"));
  expect(machine.run("burrow token create --for relay")).toMatch(/^burrow_[\w-]+$/m);
  expect(machine.run("stat -c '%a %U' /var/lib/burrow/coordinator")).toBe("700 burrow");
  expect(machine.run("systemctl is-active burrow-forget.timer")).toBe("active");
  machine.run("systemctl start burrow-forget");
  machine.run("systemctl restart burrow-coordinator");
  await until("the coordinator again", 20_000, () => machine.get("http://127.0.0.1:8080/readyz"));
}

export function unitsAreConfined(machine: Machine): void {
  for (const [name, max] of Object.entries(EXPOSURE_MAX)) {
    const judged = machine.run(`systemd-analyze security --no-pager burrow-${name}.service`, true);
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(judged)?.[1]);
    console.log(`systemd-analyze security burrow-${name}: ${exposure} (0 is best, 10 worst)`);
    expect(exposure).toBeLessThan(max);
  }
}
