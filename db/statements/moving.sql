-- name: place
-- Where this user's search path finds tables, in the order of their names here.
select nspname::text, given.name
from unnest(%(names)s::text[]) with ordinality as given (name, place)
join pg_class on pg_class.oid = to_regclass(quote_ident(given.name))
join pg_namespace on pg_namespace.oid = relnamespace
order by given.place;

-- name: wait_briefly
-- Bounds, until the transaction ends, how long a lock is waited for.
select set_config('lock_timeout', '10s', true);

-- name: hold_still
-- Lets nobody write to the tables until the transaction ends; reading goes on.
lock table {tables} in share mode

-- name: has_rows
-- Whether a table holds anything.
select exists (select from {table})

-- name: read
-- Every row of a table.
copy {table} to stdout

-- name: write
-- Every row of a table of the same columns.
copy {table} from stdin

-- name: read_batches
-- Every batch as it was before it ended, so that the guards, which stay on, let its checkpoints follow it.
copy (select id, created_at, run_date, benchmark_symbol, benchmark_initial_price, 'active' from {table}) to stdout

-- name: write_batches
-- Every batch, active.
copy {table} (id, created_at, run_date, benchmark_symbol, benchmark_initial_price, status) from stdin

-- name: endings
-- How batches ended.
select status, array_agg(id) as ids from {table} where status <> 'active' group by status

-- name: end
-- Ends batches as they had ended.
update {table} set status = %(status)s where id = any(%(ids)s)

-- name: guards_off
-- Lets the owner empty a table.
alter table {table} disable trigger user

-- name: guards_on
-- Sets the guards of a table again.
alter table {table} enable trigger user

-- name: empty
-- Removes every row of tables that refer to nothing but each other.
truncate {tables}
