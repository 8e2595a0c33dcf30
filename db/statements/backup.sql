-- name: hold_on
-- Lets a session wait for a lock for a while only, then last for as long as its client is there, idle or not.
select set_config('lock_timeout', '10s', false),
       set_config('idle_in_transaction_session_timeout', '0', false),
       set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('tcp_user_timeout', '20s', false);

-- name: hold_off_openings
-- Keeps every other process from opening weeks until the transaction ends.
lock table week_openings in exclusive mode;
