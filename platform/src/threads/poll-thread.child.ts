/** For poll-thread.test.ts: answers numbers with the same numbers, and tells how many of its answers are not heard; sticks if told to. */
import { Poller } from "../udp/linux/poller.ts";
import { PollThreadEnd } from "./poll-thread.ts";

const { settings, end } = PollThreadEnd.ofThisThread<
  { readonly fails: boolean; readonly backlog: Int32Array },
  { readonly echo: number } | "backlog" | "stick" | "close",
  number
>();
if (settings.fails) throw new Error("no luck");
const poller = new Poller([end.eventFd]);
end.ready();
for (let isOpen = true; isOpen; ) {
  poller.wait(60_000);
  if (!poller.canRead(0)) continue;
  for (const message of end.fetch()) {
    if (message === "close") isOpen = false;
    else if (message === "stick") for (;;) Bun.sleepSync(10);
    else if (message === "backlog") Atomics.store(settings.backlog, 0, end.backlog);
    else end.tell(message.echo);
  }
}
end.close();
