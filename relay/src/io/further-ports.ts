/** The ports beside the relay's own one, for networks that let only certain ones pass: opened where they can be had. */
import { UserError } from "@burrow/protocol";
import type { DataPlaneOptions } from "./data-plane.ts";

/**
 * Opens each further port by `open`, which is told its number among them (its door, from 1). One that cannot be had is
 * told to `onClosedPort`, and the relay does without.
 */
export async function openFurtherPorts<T>(
  { listen, furtherPorts, onClosedPort }: DataPlaneOptions,
  open: (port: number, door: number) => Promise<T>,
): Promise<readonly { readonly port: number; readonly door: number; readonly opened: T }[]> {
  const doors = [];
  for (const [i, port] of furtherPorts.entries()) {
    if (port === listen.port) continue;
    try {
      doors.push({ port, door: i + 1, opened: await open(port, i + 1) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onClosedPort(port, error.message);
    }
  }
  return doors;
}
