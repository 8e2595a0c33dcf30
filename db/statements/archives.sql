-- name: without_guards
-- Lets rows arrive in the order of their tables, however long each takes to be read, until the transaction ends.
select set_config('session_replication_role', 'replica', true),
       set_config('idle_in_transaction_session_timeout', '0', true);

-- name: write
-- Rows of a table, as a dump holds them.
copy {table} ({columns}) from stdin
