// The rows of the job table: written here, run by `sp00ky run`.

import { RecordId } from "/surrealdb.js";
import { db } from "./database.js";

const PATH = "/spookify";
const NEWEST = `
  SELECT id, status, retries, max_retries, created_at FROM job
  WHERE assigned_to = $thread AND path = $path ORDER BY created_at DESC LIMIT 1`;

/** For `follow`, with `bindings`. */
export const CHANGES = "LIVE SELECT id FROM job WHERE assigned_to = $thread AND path = $path";
export const bindings = (thread) => ({ thread, path: PATH });

/** The thread's newest job, or undefined. */
export async function newestJob(thread) {
  const [jobs] = await db.query(NEWEST, bindings(thread));
  return jobs[0];
}

/**
 * Write the row that asks for it: `db.run("api", "/spookify", { id }, { assignedTo: id })` of the TypeScript client.
 *
 * The client library sends a statement again if the connection broke before its answer came. With an id that is
 * chosen here, and IGNORE, that makes no second job.
 */
export async function createJob(thread) {
  const id = new RecordId("job", crypto.randomUUID().replaceAll("-", ""));
  const job = {
    id,
    path: PATH,
    payload: JSON.stringify({ id: thread.toString() }),
    assigned_to: thread,
    max_retries: 2,
    retry_strategy: "linear",
  };
  const [, found] = await db.query("INSERT IGNORE INTO job $job; SELECT VALUE id FROM $id", { job, id });
  if (found.length === 0) throw new Error("the database refused the job"); // permissions say no without an error
}

export const isRunning = (job) => ["pending", "processing"].includes(job?.status);

/** Attempts made, of a job that has ended: `retries` counts those after the first. */
export const attempts = (job) => job.retries + 1;
