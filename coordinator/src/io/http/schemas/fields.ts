/** Fields that the answers of several paths share. Answers are checked and documented by the same schemas. */
import { z } from "zod";

/** Of an agent, a relay or a network. */
export const idText = z.string().regex(/^[0-9a-f]{16}$/, "16 hex digits");
export const placeView = z.object({ lat: z.number(), lon: z.number() });
/** Unix milliseconds. */
export const atMs = z.number();
export const millisecondsView = z.number();
