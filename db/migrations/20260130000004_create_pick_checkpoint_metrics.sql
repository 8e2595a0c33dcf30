-- migrate:up
create table pick_checkpoint_metrics (
    id uuid primary key,
    checkpoint_id uuid not null references checkpoints (id),
    pick_id uuid not null references picks (id),
    current_price numeric not null,
    absolute_return_pct numeric not null,
    vs_benchmark_pct numeric not null,
    unique (checkpoint_id, pick_id)
);

create index pick_checkpoint_metrics_checkpoint_id_idx on pick_checkpoint_metrics (checkpoint_id);
create index pick_checkpoint_metrics_pick_id_idx on pick_checkpoint_metrics (pick_id);

-- migrate:down
drop table pick_checkpoint_metrics;
