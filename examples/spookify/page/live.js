// Follow what a LIVE query sees.

import { db } from "./database.js";

/**
 * Call `refresh` now, and after each change that the LIVE query reports, until `signal` aborts.
 *
 * A report only says that something changed; what is shown is what `refresh` then finds. So it doesn't matter in which
 * order reports come, nor how many: a LIVE query ends with its connection, and is followed anew after it.
 */
export async function follow(query, bindings, refresh, signal) {
  const [id] = await db.query(query, bindings);
  const live = await db.liveOf(id);
  const end = () => live.kill().catch(() => {}); // it is gone already if the connection is
  if (signal.aborted) return end();
  signal.addEventListener("abort", end);
  live.subscribe(() => refresh().catch(console.error));
  await refresh(); // after subscribing, so that nothing is missed in between
}

/** `work`, never twice at once: a call during a run makes for one more run after it, and waits for that. */
export function oneAtATime(work) {
  let running = null;
  let again = false;
  return () => {
    again = true;
    running ??= (async () => {
      try {
        while (again) {
          again = false;
          await work();
        }
      } finally {
        running = null;
      }
    })();
    return running;
  };
}
