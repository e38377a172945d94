/** Fields that the answers of several paths share. Answers are shaped and documented by the same schemas. */
import { z } from "zod";

/** Of an agent, a relay or a network. */
export const idText = z.string().regex(/^[0-9a-f]{16}$/, "16 hex digits");
export const placeView = z
  .object({ lat: z.number(), lon: z.number() })
  .meta({ id: "Place", description: "Degrees north and east" });
export const atMs = z.number().meta({ description: "Unix milliseconds" });
export const millisecondsView = z.number();

/** Of a path that means one of many. */
export const idParams = z.object({ id: idText });

export const PAGE_MAX = 1_000;
/** Of a list in the order of ids: `after` is the last id of the page before. */
export const pageQuery = z.object({
  limit: z.coerce
    .number<string>()
    .int()
    .min(1)
    .max(PAGE_MAX)
    .default(PAGE_MAX)
    .meta({ description: "How many at most" }),
  after: idText.optional().meta({ description: "Only those after this id" }),
});
export const PAGE_HEADERS = {
  Link: 'rel="next": where the list goes on (RFC 8288); absent on the last page',
  "X-Total-Count": "How many there are on all pages",
} as const;
