-- name: fix_text
-- Fixes, until the transaction ends, everything that the text of a row depends on, and what could end a long look.
select pg_catalog.set_config(name, setting, true)
from (values ('search_path', ''), ('timezone', 'UTC'), ('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'),
             ('extra_float_digits', '3'), ('bytea_output', 'hex'), ('row_security', 'off'),
             ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0')) as fixed (name, setting);

-- name: tables
-- Every table that holds rows of its own, and whether this user may read it; an extension's tables are its own affair.
select n.nspname::text as schema, c.relname::text as name,
       has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as is_readable
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (
      select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
order by 1, 2;

-- name: digest
-- How many rows a table has, and a digest that is the same for the same rows, whatever order or collation they come in.
select count(*) as rows,
       encode(sha256(coalesce(string_agg(row_digest, ''::bytea order by row_digest), ''::bytea)), 'hex') as digest
from (select sha256(convert_to("the whole row"::text, 'UTF8')) as row_digest from only {table} as "the whole row") hashed
