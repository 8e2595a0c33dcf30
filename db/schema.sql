--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: guard_append_only(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_append_only() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    raise exception 'table "%" is append-only: % is refused', tg_table_name, tg_op
        using errcode = 'restrict_violation', schema = tg_table_schema, table = tg_table_name, constraint = tg_name;
end
$$;


--
-- Name: guard_batch_ends_once(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_batch_ends_once() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    expected batches := old;
begin
    expected.status := new.status;
    -- Images are compared, not values: a price of 10.0 must not become 10.00.
    if old.status <> 'active' or new.status = 'active' or new *<> expected then
        raise exception 'batch of % is %: only its status may change, once, from active', old.run_date, old.status
            using errcode = 'restrict_violation', schema = tg_table_schema, table = tg_table_name,
                constraint = tg_name;
    end if;
    return new;
end
$$;


--
-- Name: guard_batch_is_active(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_batch_is_active() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    batch record;
    batch_ids uuid[] := array(select distinct batch_id from added);
begin
    -- The foreign key's own lock lets a status change pass. This one does not, and each row is judged as it is once
    -- locked: a condition on status in the query would overlook a batch that ends at this moment. Locks are taken
    -- in the order of ids; a writer of several batches has locked them before, in the order of run_date.
    for batch in
        select run_date, status from batches where id = any (batch_ids) order by id for share
    loop
        if batch.status <> 'active' then
            raise exception 'batch of % is %: it takes no more checkpoints', batch.run_date, batch.status
                using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name,
                    constraint = tg_name;
        end if;
    end loop;
    return null;
end
$$;


--
-- Name: guard_metric_fits(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_metric_fits() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
declare
    misfit record;
begin
    -- Picks and checkpoints never change, so they are read without a lock.
    select checkpoint.checkpoint_date, checkpoint.status, pick.ticker
    into misfit
    from added
    join checkpoints as checkpoint on checkpoint.id = added.checkpoint_id
    join picks as pick on pick.id = added.pick_id
    where checkpoint.status <> 'computed' or checkpoint.batch_id <> pick.batch_id
    limit 1;
    if found then
        raise exception 'pick % and the % checkpoint of % do not belong together',
            misfit.ticker, misfit.status, misfit.checkpoint_date
            using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name,
                constraint = tg_name,
                detail = 'A metric joins a pick with a computed checkpoint of the same batch.';
    end if;
    return null;
end
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: batches; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.batches (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    run_date date NOT NULL,
    benchmark_symbol text DEFAULT 'SPY'::text NOT NULL,
    benchmark_initial_price numeric NOT NULL,
    status text NOT NULL,
    CONSTRAINT batches_benchmark_initial_price_is_positive CHECK (((benchmark_initial_price > (0)::numeric) AND (benchmark_initial_price < 'Infinity'::numeric))),
    CONSTRAINT batches_run_date_is_monday CHECK ((isfinite(run_date) AND (EXTRACT(isodow FROM run_date) = (1)::numeric))),
    CONSTRAINT batches_status_check CHECK ((status = ANY (ARRAY['active'::text, 'completed'::text, 'failed'::text])))
);


--
-- Name: checkpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.checkpoints (
    id uuid NOT NULL,
    batch_id uuid NOT NULL,
    checkpoint_date date NOT NULL,
    status text NOT NULL,
    benchmark_price numeric,
    benchmark_return_pct numeric,
    CONSTRAINT checkpoints_benchmark_price_is_positive CHECK (((benchmark_price > (0)::numeric) AND (benchmark_price < 'Infinity'::numeric))),
    CONSTRAINT checkpoints_benchmark_return_pct_is_finite CHECK (((benchmark_return_pct > '-Infinity'::numeric) AND (benchmark_return_pct < 'Infinity'::numeric))),
    CONSTRAINT checkpoints_computed_has_benchmark CHECK ((num_nonnulls(benchmark_price, benchmark_return_pct) =
CASE status
    WHEN 'computed'::text THEN 2
    ELSE 0
END)),
    CONSTRAINT checkpoints_status_check CHECK ((status = ANY (ARRAY['computed'::text, 'skipped'::text])))
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    batch_id uuid,
    event_type text NOT NULL,
    payload jsonb NOT NULL
);


--
-- Name: migration_checksums; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.migration_checksums (
    version text NOT NULL,
    sha256 text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: pick_checkpoint_metrics; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pick_checkpoint_metrics (
    id uuid NOT NULL,
    checkpoint_id uuid NOT NULL,
    pick_id uuid NOT NULL,
    current_price numeric NOT NULL,
    absolute_return_pct numeric NOT NULL,
    vs_benchmark_pct numeric NOT NULL,
    CONSTRAINT pick_checkpoint_metrics_absolute_return_pct_is_finite CHECK (((absolute_return_pct > '-Infinity'::numeric) AND (absolute_return_pct < 'Infinity'::numeric))),
    CONSTRAINT pick_checkpoint_metrics_current_price_is_positive CHECK (((current_price > (0)::numeric) AND (current_price < 'Infinity'::numeric))),
    CONSTRAINT pick_checkpoint_metrics_vs_benchmark_pct_is_finite CHECK (((vs_benchmark_pct > '-Infinity'::numeric) AND (vs_benchmark_pct < 'Infinity'::numeric)))
);


--
-- Name: picks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.picks (
    id uuid NOT NULL,
    batch_id uuid NOT NULL,
    ticker text NOT NULL,
    action text NOT NULL,
    reasoning text NOT NULL,
    initial_price numeric NOT NULL,
    CONSTRAINT picks_action_check CHECK ((action = ANY (ARRAY['BUY'::text, 'SELL'::text]))),
    CONSTRAINT picks_initial_price_is_positive CHECK (((initial_price > (0)::numeric) AND (initial_price < 'Infinity'::numeric)))
);


--
-- Name: scheduler_lead; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.scheduler_lead AS
 SELECT
  WHERE false;


--
-- Name: scheduler_state; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.scheduler_state (
    name text NOT NULL,
    value jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);


--
-- Name: waiting_days; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.waiting_days (
    batch_id uuid NOT NULL,
    checkpoint_date date NOT NULL,
    cause text NOT NULL,
    detail text NOT NULL,
    attempts integer NOT NULL,
    first_tried_at timestamp with time zone NOT NULL,
    last_tried_at timestamp with time zone NOT NULL,
    next_try_at timestamp with time zone NOT NULL,
    evidence jsonb,
    CONSTRAINT waiting_days_attempts_check CHECK ((attempts > 0))
);


--
-- Name: week_backfills; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.week_backfills AS
 SELECT
  WHERE false;


--
-- Name: week_openings; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.week_openings AS
 SELECT
  WHERE false;


--
-- Name: batches batches_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (id);


--
-- Name: batches batches_run_date_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_run_date_key UNIQUE (run_date);


--
-- Name: checkpoints checkpoints_batch_id_checkpoint_date_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_batch_id_checkpoint_date_key UNIQUE (batch_id, checkpoint_date);


--
-- Name: checkpoints checkpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (id);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);


--
-- Name: migration_checksums migration_checksums_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.migration_checksums
    ADD CONSTRAINT migration_checksums_pkey PRIMARY KEY (version);


--
-- Name: pick_checkpoint_metrics pick_checkpoint_metrics_checkpoint_id_pick_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pick_checkpoint_metrics
    ADD CONSTRAINT pick_checkpoint_metrics_checkpoint_id_pick_id_key UNIQUE (checkpoint_id, pick_id);


--
-- Name: pick_checkpoint_metrics pick_checkpoint_metrics_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pick_checkpoint_metrics
    ADD CONSTRAINT pick_checkpoint_metrics_pkey PRIMARY KEY (id);


--
-- Name: picks picks_batch_id_ticker_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.picks
    ADD CONSTRAINT picks_batch_id_ticker_key UNIQUE (batch_id, ticker);


--
-- Name: picks picks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.picks
    ADD CONSTRAINT picks_pkey PRIMARY KEY (id);


--
-- Name: scheduler_state scheduler_state_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.scheduler_state
    ADD CONSTRAINT scheduler_state_pkey PRIMARY KEY (name);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: waiting_days waiting_days_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.waiting_days
    ADD CONSTRAINT waiting_days_pkey PRIMARY KEY (batch_id, checkpoint_date);


--
-- Name: checkpoints_batch_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX checkpoints_batch_id_idx ON public.checkpoints USING btree (batch_id);


--
-- Name: events_batch_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_batch_id_idx ON public.events USING btree (batch_id);


--
-- Name: events_event_type_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_event_type_idx ON public.events USING btree (event_type);


--
-- Name: pick_checkpoint_metrics_checkpoint_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pick_checkpoint_metrics_checkpoint_id_idx ON public.pick_checkpoint_metrics USING btree (checkpoint_id);


--
-- Name: pick_checkpoint_metrics_pick_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pick_checkpoint_metrics_pick_id_idx ON public.pick_checkpoint_metrics USING btree (pick_id);


--
-- Name: picks_batch_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX picks_batch_id_idx ON public.picks USING btree (batch_id);


--
-- Name: batches batches_are_kept; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER batches_are_kept BEFORE DELETE OR TRUNCATE ON public.batches FOR EACH STATEMENT EXECUTE FUNCTION public.guard_append_only();


--
-- Name: batches batches_end_once; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER batches_end_once BEFORE UPDATE ON public.batches FOR EACH ROW EXECUTE FUNCTION public.guard_batch_ends_once();


--
-- Name: checkpoints checkpoints_are_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER checkpoints_are_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.checkpoints FOR EACH STATEMENT EXECUTE FUNCTION public.guard_append_only();


--
-- Name: checkpoints checkpoints_batch_is_active; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER checkpoints_batch_is_active AFTER INSERT ON public.checkpoints REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.guard_batch_is_active();


--
-- Name: events events_are_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER events_are_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.events FOR EACH STATEMENT EXECUTE FUNCTION public.guard_append_only();


--
-- Name: pick_checkpoint_metrics pick_checkpoint_metrics_are_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER pick_checkpoint_metrics_are_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.pick_checkpoint_metrics FOR EACH STATEMENT EXECUTE FUNCTION public.guard_append_only();


--
-- Name: pick_checkpoint_metrics pick_checkpoint_metrics_fit; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER pick_checkpoint_metrics_fit AFTER INSERT ON public.pick_checkpoint_metrics REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.guard_metric_fits();


--
-- Name: picks picks_are_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER picks_are_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.picks FOR EACH STATEMENT EXECUTE FUNCTION public.guard_append_only();


--
-- Name: checkpoints checkpoints_batch_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.batches(id);


--
-- Name: events events_batch_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.batches(id);


--
-- Name: pick_checkpoint_metrics pick_checkpoint_metrics_checkpoint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pick_checkpoint_metrics
    ADD CONSTRAINT pick_checkpoint_metrics_checkpoint_id_fkey FOREIGN KEY (checkpoint_id) REFERENCES public.checkpoints(id);


--
-- Name: pick_checkpoint_metrics pick_checkpoint_metrics_pick_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pick_checkpoint_metrics
    ADD CONSTRAINT pick_checkpoint_metrics_pick_id_fkey FOREIGN KEY (pick_id) REFERENCES public.picks(id);


--
-- Name: picks picks_batch_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.picks
    ADD CONSTRAINT picks_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.batches(id);


--
-- Name: waiting_days waiting_days_batch_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.waiting_days
    ADD CONSTRAINT waiting_days_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.batches(id);


--
-- PostgreSQL database dump complete
--


