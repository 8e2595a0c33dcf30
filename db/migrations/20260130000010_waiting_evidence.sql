-- What was seen that a due day waits for an operator's word on: closes that moved beyond all likelihood.
-- migrate:up
alter table waiting_days add column evidence jsonb;

-- migrate:down
alter table waiting_days drop column evidence;
