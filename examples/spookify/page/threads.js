// The list of the user's threads, and a form for a new one.

import { RecordId, Table } from "/surrealdb.js";
import { db } from "./database.js";
import { follow, oneAtATime } from "./live.js";

const MINE = "SELECT id, title, created_at FROM thread ORDER BY created_at DESC";
const CHANGES = "LIVE SELECT id FROM thread";

const list = document.querySelector("#threads");
const form = document.querySelector("#new-thread");
const problem = document.querySelector("#new-thread-error");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    const [thread] = await db.create(new Table("thread")).content(Object.fromEntries(new FormData(form)));
    form.reset();
    location.hash = thread.id.id;
  } catch (error) {
    problem.textContent = `Not saved: ${error.message}`;
  }
});

/** The thread that the address names, or null. */
export function chosenThread() {
  const key = decodeURIComponent(location.hash.slice(1));
  return key ? new RecordId("thread", key) : null;
}

export const followThreads = (signal) => follow(CHANGES, {}, showThreads, signal);

const showThreads = oneAtATime(async () => {
  const [threads] = await db.query(MINE);
  list.replaceChildren(...threads.map(item));
  markChosen();
});

function item(thread) {
  const link = document.createElement("a");
  link.href = `#${encodeURIComponent(thread.id.id)}`;
  link.textContent = thread.title;
  const entry = document.createElement("li");
  entry.append(link);
  return entry;
}

export function markChosen() {
  for (const link of list.querySelectorAll("a")) {
    if (link.hash === location.hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
