// One thread: what it says, its button, and how its newest job is doing.

import { db } from "./database.js";
import { CHANGES, attempts, bindings, createJob, isRunning, newestJob } from "./jobs.js";
import { follow, oneAtATime } from "./live.js";

const THREAD = "SELECT id, title, content, spooky FROM $thread";
const THREAD_CHANGES = "LIVE SELECT id FROM thread WHERE id = $thread";

const [article, placeholder, title, content, spooky, button, status, failure] = [
  "thread", "no-thread", "title", "content", "spooky", "spookify", "status", "failure",
].map((id) => document.getElementById(id));

/** Show a thread, or that there is none, and follow it and its jobs until `signal` aborts. */
export async function followThread(id, signal) {
  showNone(id ? "Looking for the thread…" : "Choose a thread, or write one.");
  if (id) await new ThreadView(id, signal).follow();
}

class ThreadView {
  #id;
  #signal;
  #job;
  #isSubmitting = false;

  constructor(id, signal) {
    this.#id = id;
    this.#signal = signal;
    button.addEventListener("click", () => this.#spookify(), { signal });
  }

  async follow() {
    await follow(CHANGES, bindings(this.#id), this.#refreshJob, this.#signal);
    await follow(THREAD_CHANGES, { thread: this.#id }, this.#refreshThread, this.#signal);
  }

  #refreshJob = oneAtATime(async () => {
    this.#job = await newestJob(this.#id);
    this.#showJob();
  });

  #refreshThread = oneAtATime(async () => {
    const [[thread]] = await db.query(THREAD, { thread: this.#id });
    if (this.#signal.aborted) return;
    if (thread) showThread(thread);
    else showNone("There is no such thread, or it is somebody else's.");
  });

  async #spookify() {
    this.#isSubmitting = true;
    this.#showJob();
    let problem = "";
    try {
      await createJob(this.#id);
      await this.#refreshJob();
    } catch (error) {
      problem = `Not spookified: ${error.message}`;
    }
    this.#isSubmitting = false;
    this.#showJob(problem);
  }

  #showJob(problem = "") {
    if (this.#signal.aborted) return; // another thread is shown by now
    button.disabled = this.#isSubmitting || isRunning(this.#job);
    say(button, isRunning(this.#job) ? "Spookifying..." : "Spookify Thread");
    say(status, progress(this.#job));
    say(failure, problem || (this.#job?.status === "failed" ? ended(this.#job) : ""));
  }
}

function showNone(why) {
  article.hidden = true;
  placeholder.hidden = false;
  say(placeholder, why);
}

function showThread(thread) {
  say(title, thread.title);
  say(content, thread.content);
  say(spooky, thread.spooky ?? "");
  spooky.hidden = !thread.spooky;
  article.hidden = false;
  placeholder.hidden = true;
}

function progress(job) {
  switch (job?.status) {
    case "pending":
      return job.retries ? `Attempt ${job.retries} didn't work, another one follows.` : "Waiting for a runner.";
    case "processing":
      return `Attempt ${attempts(job)} of at most ${job.max_retries + 1}.`;
    case "success":
      return "Spookified.";
    default:
      return "";
  }
}

function ended(job) {
  const count = attempts(job);
  return `Job failed after ${count} ${count === 1 ? "attempt" : "attempts"}`;
}

/** Set a text, but only where it is another one: screen readers announce what changes. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
