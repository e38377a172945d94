/**
 * Who watches the mesh over `GET /v1/events`: numbers the events, keeps the latest for those who come back, and writes
 * them to each watcher's stream as server-sent events (HTML Living Standard §9.2). A watcher that does not read is cut
 * off. What the events say is event-views.ts's business.
 */
import { hostOf } from "@burrow/protocol";
import type { MeshEventView } from "./http/schemas/event.ts";

/** Agents are shown to operators alone. */
export type Audience = "everybody" | "operators";

/** Enough for a browser that lost its connection for a moment; whoever was away longer asks for the lists again. */
export const KEPT_BYTES_MAX = 1024 * 1024;
/** A stream that holds this much unread is cut off: its reader comes back by itself, with Last-Event-ID. */
export const UNREAD_BYTES_MAX = 4 * 1024 * 1024;
/** Proxies close what is silent for a minute. */
export const HEARTBEAT_MS = 15_000;
const LOADS_INTERVAL_MS = 2_000;
/** How long a reader waits before it connects again. */
const RETRY_MS = 2_000;
export const WATCHERS_MAX = 1_000;
/** Of these, kept for operators, who must see what goes on while all the world watches. */
export const OPERATORS_PLACES = 100;
/** A browser opens six connections to one host; several may share an address. Of IPv6 a /64 counts as one. */
export const WATCHERS_PER_HOST_MAX = 50;

export interface EventHubParts {
  /** Differs for each start of the coordinator: ids of an earlier one are not taken for this one's. */
  readonly boot: string;
  readonly now: () => number;
  /** What changed in the relays' loads since it was asked last. */
  readonly loads: () => MeshEventView | undefined;
  readonly published: (type: string) => void;
  readonly cutOff: () => void;
}

interface Kept {
  readonly number: number;
  readonly audience: Audience;
  readonly bytes: Uint8Array;
}

interface Watcher {
  readonly isOperator: boolean;
  /** Whose limit it counts against. */
  readonly host: string;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
}

const encoder = new TextEncoder();
const HEARTBEAT = encoder.encode(":\n\n");

export class EventHub {
  readonly #parts: EventHubParts;
  readonly #watchers = new Set<Watcher>();
  readonly #perHost = new Map<string, number>();
  readonly #kept: Kept[] = [];
  #keptBytes = 0;
  #last = 0;
  #timers: ReturnType<typeof setInterval>[] = [];
  #stopped = false;

  constructor(parts: EventHubParts) {
    this.#parts = parts;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** What operators' streams were opened with is valid no more: their readers come back with what they have now. */
  endOperators(): void {
    for (const watcher of this.#watchers) {
      if (!watcher.isOperator) continue;
      this.#leave(watcher);
      watcher.controller.close();
    }
  }

  publish(event: MeshEventView, audience: Audience): void {
    const number = ++this.#last;
    const bytes = encoder.encode(`id: ${this.#idOf(number)}\n${dataLine(event)}`);
    this.#parts.published(event.type);
    this.#keep({ number, audience, bytes });
    this.#write(bytes, audience);
  }

  /** A stream of all that happens from now on, after what was missed; undefined when there are too many. */
  watch(
    audience: Audience,
    lastEventId: string | undefined,
    address: string,
  ): ReadableStream<Uint8Array> | undefined {
    const isOperator = audience === "operators";
    // An operator and the strangers behind one address do not crowd each other out.
    const host = `${audience} ${hostOf(address)}`;
    const places = isOperator ? WATCHERS_MAX : WATCHERS_MAX - OPERATORS_PLACES;
    const isFull = this.#watchers.size >= places || (this.#perHost.get(host) ?? 0) >= WATCHERS_PER_HOST_MAX;
    if (this.#stopped || isFull) return undefined;
    let watcher: Watcher;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          watcher = { isOperator, host, controller };
          this.#join(watcher, lastEventId);
        },
        cancel: () => this.#leave(watcher),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_BYTES_MAX }),
    );
  }

  stop(): void {
    this.#stopped = true;
    for (const watcher of this.#watchers) {
      this.#leave(watcher);
      watcher.controller.close();
    }
  }

  #join(watcher: Watcher, lastEventId: string | undefined): void {
    const missed = this.#missedSince(lastEventId);
    const hello: MeshEventView = {
      type: "hello",
      atMs: this.#parts.now(),
      resumed: missed !== undefined,
      operator: watcher.isOperator,
    };
    // With the id of where it starts: a reader that loses the connection at once has missed nothing.
    const id = missed === undefined ? this.#idOf(this.#last) : (lastEventId ?? "");
    watcher.controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\nid: ${id}\n${dataLine(hello)}`));
    for (const { audience, bytes } of missed ?? []) {
      if (watcher.isOperator || audience === "everybody") watcher.controller.enqueue(bytes);
    }
    this.#watchers.add(watcher);
    this.#perHost.set(watcher.host, (this.#perHost.get(watcher.host) ?? 0) + 1);
    if (this.#timers.length > 0) return;
    this.#timers = [
      setInterval(() => this.#write(HEARTBEAT, "everybody"), HEARTBEAT_MS),
      setInterval(() => this.#tellLoads(), LOADS_INTERVAL_MS),
    ];
  }

  #leave(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    const left = (this.#perHost.get(watcher.host) ?? 1) - 1;
    if (left === 0) this.#perHost.delete(watcher.host);
    else this.#perHost.set(watcher.host, left);
    if (this.#watchers.size > 0) return;
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  #write(bytes: Uint8Array, audience: Audience): void {
    for (const watcher of this.#watchers) {
      if (!watcher.isOperator && audience === "operators") continue;
      if ((watcher.controller.desiredSize ?? 0) > 0) {
        watcher.controller.enqueue(bytes);
        continue;
      }
      this.#leave(watcher);
      this.#parts.cutOff();
      // Not closed: that would keep what is unread until it is read.
      watcher.controller.error(new Error("the reader does not read"));
    }
  }

  /** Stale after two seconds, and so neither numbered nor kept. */
  #tellLoads(): void {
    const event = this.#parts.loads();
    if (event !== undefined) this.#write(encoder.encode(dataLine(event)), "everybody");
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    this.#keptBytes += kept.bytes.length;
    while (this.#keptBytes > KEPT_BYTES_MAX) this.#keptBytes -= this.#kept.shift()?.bytes.length ?? 0;
  }

  /** Undefined when it cannot be told any more what was missed. */
  #missedSince(lastEventId: string | undefined): readonly Kept[] | undefined {
    const [boot, digits] = (lastEventId ?? "").split("-");
    const number = /^\d{1,15}$/.test(digits ?? "") ? Number(digits) : Number.NaN;
    // What is no number is in no order, and so is not taken.
    if (boot !== this.#parts.boot || !(number <= this.#last)) return undefined;
    const oldest = this.#kept[0]?.number ?? this.#last + 1;
    return number < oldest - 1 ? undefined : this.#kept.slice(number + 1 - oldest);
  }

  #idOf(number: number): string {
    return `${this.#parts.boot}-${number}`;
  }
}

/** JSON has no line breaks of its own. */
function dataLine(event: MeshEventView): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
