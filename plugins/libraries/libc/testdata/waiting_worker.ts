import { Poller } from "../mod.ts";

const scope = self as unknown as { postMessage(message: unknown): void };
const set = new Poller();
scope.postMessage(set.wakeup);
set.wait(-1);
set.close();
scope.postMessage("ended");
