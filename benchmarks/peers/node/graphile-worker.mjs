// Run graphile-worker with what its page on performance says: a local queue, batched completions.
import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker";
import { SLOTS, main } from "./protocol.mjs";

const logger = new Logger(() => () => {});
const TASK = "spookify";
const CONNECTIONS = 25;
const CONCURRENCY_NOT_SENDING = 24;
const LOCAL_QUEUE = 500;

main({
  tables: (url) => runMigrations({ connectionString: url, logger }),
  async produce(url, use, { single } = {}) {
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    await use(
      single
        ? ([data]) => utils.addJob(TASK, data)
        : (payloads) => utils.addJobs(payloads.map((data) => ({ identifier: TASK, payload: data }))),
    );
    await utils.release();
  },
  async work(url, perform, begin, { sending }) {
    await begin();
    await run({
      preset: {
        worker: {
          connectionString: url,
          concurrentJobs: sending ? SLOTS : CONCURRENCY_NOT_SENDING,
          maxPoolSize: CONNECTIONS,
          localQueue: { size: LOCAL_QUEUE },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
          logger,
        },
      },
      taskList: { [TASK]: perform },
    });
  },
});
