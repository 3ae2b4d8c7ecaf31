runner.id, runner.beat_at, runner.version, runner.documents::text, runner.in_flight::text, runner.slots::text,
runner.draining
