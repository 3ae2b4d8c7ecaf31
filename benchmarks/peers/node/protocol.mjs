// Drive a peer written for Node.js: the same tasks, lines and payloads as protocol.py.
import readline from "node:readline";
import { Pool } from "undici";

export const SLOTS = 100;
const SAID_EVERY = 500;

function payload(number) {
  return { id: number, note: String(number).padStart(170, "0") };
}

async function begin() {
  const lines = readline.createInterface({ input: process.stdin });
  console.log("ready");
  await new Promise((resolve) => lines.once("line", resolve));
  lines.close();
}

function performer(target) {
  if (target === "-") {
    let done = 0;
    return async () => {
      done += 1;
      if (done % SAID_EVERY === 0) console.log(String(done));
    };
  }
  const pool = new Pool(target, { connections: SLOTS, pipelining: 1 });
  const headers = { "content-type": "application/json" };
  return async (data) => {
    const { body } = await pool.request({
      method: "POST", path: "/spookify", headers, body: JSON.stringify(data),
    });
    await body.dump();
  };
}

async function enqueue(add, jobs, batch) {
  for (let first = 0; first < jobs; first += batch) {
    const size = Math.min(batch, jobs - first);
    await add(Array.from({ length: size }, (_, number) => payload(first + number)));
  }
}

async function measure(add, jobs, batch) {
  await enqueue(add, batch, batch);
  await begin();
  const wall = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  await enqueue(add, jobs, batch);
  const seconds = Number(process.hrtime.bigint() - wall) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ jobs, seconds, cpu_seconds: (user + system) / 1e6 }));
}

export async function main(peer) {
  const [task, url, ...rest] = process.argv.slice(2);
  if (task === "tables") await peer.tables(url);
  else if (task === "fill") await peer.produce(url, (add) => enqueue(add, Number(rest[0]), 1000));
  else if (task === "enqueue") {
    const [jobs, batch] = rest.map(Number);
    await peer.produce(url, (add) => measure(add, jobs, batch), { single: batch === 1 });
  } else return peer.work(url, performer(rest[0]), begin, { sending: rest[0] !== "-" });
  process.exit(0);
}
