-- How many rows the planner expects: it knows without reading them.
EXPLAIN (FORMAT JSON) SELECT FROM ONLY {{table}} AS job WHERE {{condition}}
