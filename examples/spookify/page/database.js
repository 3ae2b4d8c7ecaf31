// The connection to the SurrealDB server, as a record user; it comes back by itself.

import { Surreal } from "/surrealdb.js";

const REMEMBERED = "spookify.token";
const RECONNECT = { enabled: true, attempts: -1, retryDelay: 200, retryDelayMax: 2000 };

export const db = new Surreal();

db.subscribe("auth", (tokens) => {
  if (tokens) sessionStorage.setItem(REMEMBERED, tokens.access);
  else sessionStorage.removeItem(REMEMBERED);
});

/** Connect, and stay so. `onReady(isSignedIn)` is called after each time that a connection was made. */
export async function connect(onReady) {
  const { endpoint, ...where } = await (await fetch("/database.json")).json();
  const open = () => db.connect(endpoint, { ...where, reconnect: RECONNECT }).catch(() => {});
  db.subscribe("connected", async () => onReady(await resume()));
  // The client reconnects while a server is away, but gives up on one that answers and refuses, as one that starts may.
  db.subscribe("disconnected", () => setTimeout(open, RECONNECT.retryDelayMax));
  await open();
}

export const signUp = (variables) => db.signup({ access: "account", variables });
export const signIn = (variables) => db.signin({ access: "account", variables });
export const signOut = () => db.invalidate();

/** Whether somebody is signed in: since before, or again, with what this tab remembers. */
async function resume() {
  const token = sessionStorage.getItem(REMEMBERED);
  if (db.accessToken || !token) return Boolean(db.accessToken);
  try {
    await db.authenticate(token);
    return true;
  } catch {
    sessionStorage.removeItem(REMEMBERED); // it ran out, or the database is another one
    return false;
  }
}
