// Who is signed in, and what is followed for them.

import { connect, db, signIn, signOut, signUp } from "./database.js";
import { chosenThread, followThreads, markChosen } from "./threads.js";
import { followThread } from "./thread.js";

const [connection, signedIn, signedOut, account, problem, leave] = [
  "connection", "signed-in", "signed-out", "account", "account-error", "sign-out",
].map((id) => document.getElementById(id));

let list = new AbortController(); // ends what is followed now
let thread = new AbortController();

db.subscribe("reconnecting", sayAway);
db.subscribe("disconnected", sayAway);
// An access that ran out, or that the database doesn't know after a restart.
db.subscribe("auth", (tokens) => tokens || show(false));
window.addEventListener("hashchange", openThread);
leave.addEventListener("click", signOut);
account.addEventListener("submit", enter);
await connect(show);

function sayAway() {
  connection.textContent = "The database is away; trying again…";
}

/** Everything anew: after each connection, for what was followed ended with the one before. */
function show(isSignedIn) {
  connection.textContent = "Connected";
  signedIn.hidden = leave.hidden = !isSignedIn;
  signedOut.hidden = isSignedIn;
  list.abort();
  thread.abort();
  if (!isSignedIn) return;
  list = new AbortController();
  followThreads(list.signal).catch(report);
  openThread();
}

function openThread() {
  thread.abort();
  thread = new AbortController();
  markChosen();
  followThread(chosenThread(), thread.signal).catch(report);
}

async function enter(event) {
  event.preventDefault();
  problem.textContent = "";
  const data = new FormData(account);
  const enterAs = event.submitter?.value === "signup" ? signUp : signIn;
  try {
    await enterAs({ name: data.get("name"), password: data.get("password") });
    account.reset();
    show(true);
  } catch (error) {
    problem.textContent = `That didn't work: ${error.message}`;
  }
}

function report(error) {
  connection.textContent = `Something went wrong: ${error.message}`;
}
