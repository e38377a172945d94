/** A test agent at a real relay: binds with cookies, and sends from a socket of its own. */
import { BindStatus, type Endpoint, endpoint, type RelayId } from "@burrow/protocol";
import { seededRandom, TestAgent, type TicketSource } from "./harness.ts";
import { UdpPeer } from "./udp-agent.ts";

export class LiveAgent {
  readonly agent: TestAgent;
  readonly peer: UdpPeer;
  readonly #door: Endpoint;

  private constructor(agent: TestAgent, peer: UdpPeer, door: Endpoint) {
    this.agent = agent;
    this.peer = peer;
    this.#door = door;
  }

  send(bytes: Uint8Array): void {
    this.peer.send(this.#door, bytes);
  }

  async bindOnce() {
    this.send(this.agent.bindBytes());
    const bytes = await this.peer.next();
    const bound = this.agent.open(bytes && { bytes, to: this.agent.at });
    this.agent.cookie = bound.cookie;
    return bound;
  }

  async bind() {
    const first = await this.bindOnce();
    return first.status === BindStatus.challenge ? await this.bindOnce() : first;
  }

  /** `port`: where it knocks, if not at the relay's own port. */
  static async open(
    { ticketKey }: { readonly ticketKey: Uint8Array },
    relay: { readonly id: RelayId; readonly port: number },
    {
      address = "127.0.0.1",
      port = relay.port,
      acceptsOutside = false,
    }: { readonly address?: string; readonly port?: number; readonly acceptsOutside?: boolean } = {},
  ): Promise<LiveAgent> {
    const peer = await UdpPeer.open(address);
    const source: TicketSource = { id: relay.id, ticketKey };
    const random = seededRandom(crypto.getRandomValues(new Uint32Array(1))[0] ?? 1);
    const options = { privateKey: random(32), expiresAtMs: Date.now() + 3_600_000, acceptsOutside };
    return new LiveAgent(new TestAgent(source, peer.at, options), peer, endpoint(address, port));
  }
}
