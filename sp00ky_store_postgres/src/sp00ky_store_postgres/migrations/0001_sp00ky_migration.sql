CREATE TABLE IF NOT EXISTS {{table}} (
    table_name text NOT NULL,
    version integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, version)
)
