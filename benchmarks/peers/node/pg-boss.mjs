// Run pg-boss with batches, several of them at a time, fetched without a pause while they come back full.
import { PgBoss } from "pg-boss";
import { SLOTS, main } from "./protocol.mjs";

const QUEUE = "spookify";
const WORKERS = 2; // of 1, 2, 4 and 10 the fastest
const BATCH_SENDING = SLOTS / WORKERS;
const BATCH_NOT_SENDING = 500;

async function started(url, options = {}) {
  const boss = new PgBoss({ connectionString: url, ...options });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}

main({
  async tables(url) {
    const boss = await started(url);
    await boss.createQueue(QUEUE, { notify: true });
    await boss.stop();
  },
  async produce(url, use, { single } = {}) {
    const boss = await started(url, { supervise: false, schedule: false });
    await use(
      single
        ? ([data]) => boss.send(QUEUE, data)
        : (payloads) => boss.insert(QUEUE, payloads.map((data) => ({ data }))),
    );
    await boss.stop();
  },
  async work(url, perform, begin, { sending }) {
    const boss = await started(url, { useListenNotify: true });
    await begin();
    await boss.work(
      QUEUE,
      {
        batchSize: sending ? BATCH_SENDING : BATCH_NOT_SENDING,
        localConcurrency: WORKERS,
        burstWhenBatchFull: true,
        pollingIntervalSeconds: 0.5,
      },
      (jobs) => Promise.all(jobs.map((job) => perform(job.data))),
    );
  },
});
