/** The relay's log. Ids, endpoints and reasons only: no key, token, ticket or payload is ever written. */
import { getLogger } from "@logtape/logtape";

export const log = getLogger(["burrow", "relay"]);
