-- What migrate of 0.1 made of an empty file.
CREATE TABLE "job" (
    "id" TEXT DEFAULT (lower(hex(randomblob(16)))),
    "path" TEXT,
    "payload" TEXT,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "retries" INTEGER DEFAULT 0,
    "max_retries" INTEGER DEFAULT 3,
    "retry_strategy" TEXT DEFAULT 'linear',
    "timeout" REAL,
    "assigned_to" TEXT,
    "errors" TEXT DEFAULT '[]',
    "result" TEXT,
    "dedup_key" TEXT,
    "traceparent" TEXT,
    "created_at" INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updated_at" INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "run_at" INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "deferred_since" INTEGER,
    "lease_epoch" INTEGER DEFAULT 0,
    "lease_until" INTEGER,
    "runner_id" TEXT,
    "last_error_name" TEXT,
    "last_error_code" INTEGER,
    PRIMARY KEY ("id"));
CREATE INDEX "job_due_idx" ON "job" ("run_at", "id") WHERE "status" = 'pending';
CREATE INDEX "job_deferred_idx" ON "job" ("deferred_since") WHERE "status" = 'pending' AND "deferred_since" IS NOT NULL;
CREATE INDEX "job_status_idx" ON "job" ("status", "updated_at");
CREATE INDEX "job_created_idx" ON "job" ("created_at", "id");
CREATE INDEX "job_assigned_idx" ON "job" ("assigned_to", "created_at") WHERE "assigned_to" IS NOT NULL;
CREATE UNIQUE INDEX "job_dedup_idx" ON "job" ("dedup_key") WHERE "status" IN ('pending', 'processing') AND "dedup_key" IS NOT NULL;
CREATE TABLE "sp00ky_runner" (
    "id" TEXT,
    "host" TEXT,
    "pid" INTEGER,
    "started_at" INTEGER,
    "beat_at" INTEGER,
    "version" TEXT,
    "documents" TEXT,
    PRIMARY KEY ("id"));
CREATE TABLE "sp00ky_breaker" (
    "backend" TEXT,
    "state" TEXT DEFAULT 'closed',
    "failures" INTEGER DEFAULT 0,
    "paused_until" INTEGER,
    "probe_runner" TEXT,
    "probe_until" INTEGER,
    PRIMARY KEY ("backend"));
CREATE TABLE "sp00ky_migration" (
    "table_name" TEXT,
    "version" INTEGER,
    "min_compatible" INTEGER,
    "applied_at" INTEGER,
    PRIMARY KEY ("table_name"));
INSERT INTO sp00ky_migration VALUES ('job', 1, 1, 1700000000000000);
INSERT INTO sp00ky_migration VALUES ('sp00ky_runner', 1, 1, 1700000000000000);
INSERT INTO sp00ky_migration VALUES ('sp00ky_breaker', 1, 1, 1700000000000000);
INSERT INTO sp00ky_migration VALUES ('sp00ky_migration', 1, 1, 1700000000000000);
