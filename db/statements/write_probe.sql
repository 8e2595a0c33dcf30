-- name: is_replica
-- Whether the server is a replica, which takes no writes.
select pg_is_in_recovery();

-- name: commit
-- A transaction that writes to the log alone: it needs no right, and waits for the standby as any other does.
select pg_logical_emit_message(true, 'alpha-monday', '');
