/** Paths and relays in few words, the same in every command. */
import type { PathView } from "../client/shapes.ts";
import type { Paint, Style } from "../terminal.ts";
import { milliseconds } from "./units.ts";

/** `direct 203.0.113.7:41641`, `relay eu-central`, `none`. */
export function pathText(path: PathView): string {
  switch (path.kind) {
    case "direct":
      return path.endpoint === undefined ? "direct" : `direct ${path.endpoint}`;
    case "relay":
      return `relay ${path.region ?? path.relay ?? ""}`.trimEnd();
    case "none":
      return "none";
  }
}

/** Green is as good as it gets, yellow works, red does not. */
export function pathPaint(path: PathView, style: Style): Paint {
  return path.kind === "direct" ? style.green : path.kind === "relay" ? style.yellow : style.red;
}

/** `eu-central (9c2f…), 12.1 ms`. */
export function relayText(relay: {
  readonly relay: string | undefined;
  readonly region: string;
  readonly rttMs?: number | undefined;
}): string {
  const name = `${relay.region} (${relay.relay})`;
  return relay.rttMs === undefined ? name : `${name}, ${milliseconds(relay.rttMs)}`;
}
