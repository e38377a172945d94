/** Word of changes of the machine's network: at once where there is netlink, elsewhere by looking now and then. */
import { defaultRoutes, type Gateway, gatewayOf } from "./gateway.ts";
import { type LocalAddress, localAddresses } from "./interfaces.ts";
import { openNetlink } from "./netlink-socket.ts";

export interface LocalNetwork {
  readonly addresses: readonly LocalAddress[];
  /** Undefined where packets leave by no router: no network, or all of it through a tunnel. */
  readonly gateway: Gateway | undefined;
}

/** How the network looks now. Some 0.1 ms. */
export function localNetwork(): LocalNetwork {
  const addresses = localAddresses();
  return { addresses, gateway: gatewayOf(defaultRoutes(), addresses) };
}

export interface NetworkWatcher {
  readonly how: "netlink" | "polling";
  /** A watcher by netlink keeps the process alive until then. */
  close(): void;
}

/** A change seldom comes alone: a new address brings routes. */
const SETTLE_MS = 10;
const POLL_MS = 250;
/** After a netlink socket that overflowed, another is opened; not more often than this. */
const REOPEN_MS = 1_000;

export interface WatchOptions {
  /** For tests: where the state comes from, and how often it is looked at. */
  readonly look?: () => LocalNetwork;
  readonly pollMs?: number;
}

/** Calls back with the new state when it differs from the last one; not for the first. */
export function watchNetwork(
  callback: (network: LocalNetwork) => void,
  options: WatchOptions = {},
): NetworkWatcher {
  const look = options.look ?? localNetwork;
  let last = JSON.stringify(look());
  const compare = () => {
    const now = look();
    const text = JSON.stringify(now);
    if (text === last) return;
    last = text;
    callback(now);
  };
  return (
    (options.pollMs === undefined ? byNetlink(compare) : undefined) ?? byPolling(compare, options.pollMs)
  );
}

function byPolling(compare: () => void, pollMs = POLL_MS): NetworkWatcher {
  const timer = setInterval(compare, pollMs);
  timer.unref();
  return { how: "polling", close: () => clearInterval(timer) };
}

/** Undefined where there is no netlink. */
function byNetlink(compare: () => void): NetworkWatcher | undefined {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let socket: ReturnType<typeof openNetlink> | undefined;
  let isClosed = false;
  const soon = (ms: number, then: () => void) => {
    timer ??= setTimeout(() => {
      timer = undefined;
      if (!isClosed) then();
    }, ms);
  };
  const open = () => openNetlink(() => soon(SETTLE_MS, compare), reopen);
  const reopen = () => {
    clearTimeout(timer);
    timer = undefined;
    soon(REOPEN_MS, () => {
      try {
        socket = open();
      } catch {
        reopen();
      }
      compare();
    });
  };
  if (process.platform !== "linux") return undefined;
  try {
    socket = open();
  } catch {
    return undefined;
  }
  return {
    how: "netlink",
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      socket?.close();
    },
  };
}
