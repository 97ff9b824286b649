-- What refitd knows. The columns follow the values in refitd.core.deployment.

-- Which tables are watched, and what their columns are called. By oid, so that a renamed table
-- stays watched; the name is kept beside it to be able to speak of a table that was dropped.
create table if not exists refitd.watched (
  source             regclass    primary key,
  source_name        text        not null,
  target             text        not null,
  id_column          name        not null,
  enabled_column     name        not null,
  has_backend_column name        not null,
  version_column     name,
  installed_column   name,
  since              timestamptz not null default now()
);

create index if not exists watched_target on refitd.watched (target);

-- One row per attempt to bring a target in step.
create table if not exists refitd.deployment (
  id             bigint generated always as identity primary key,
  target         text        not null,
  action         text        not null check (action in ('rebuild', 'restart', 'rollback')),
  state          text        not null default 'pending' check (state in (
                               'pending', 'building', 'replacing', 'proving',
                               'succeeded', 'failed', 'rolled_back', 'cancelled', 'superseded')),
  reason         text        not null,
  wake           text        not null,
  epoch          bigint      not null,
  instance       text        not null,
  modules        text[]      not null,
  enabled        text[]      not null,
  build_key      text        not null,
  run_key        text        not null,
  commit         text,
  image_key      text,
  image_id       text,
  old_container  text,
  new_container  text,
  strategy       text,
  step           text,
  progress_step  integer,
  progress_total integer,
  outage_s       double precision,
  error          text,
  goal           jsonb,
  created_at     timestamptz not null default now(),
  started_at     timestamptz,
  updated_at     timestamptz not null default now(),
  finished_at    timestamptz
);

create index if not exists deployment_newest on refitd.deployment (target, id desc);
create index if not exists deployment_unfinished on refitd.deployment (target, id desc)
  where finished_at is null;

create table if not exists refitd.deployment_step (
  id            bigint generated always as identity primary key,
  deployment_id bigint           not null references refitd.deployment on delete cascade,
  step          text             not null,
  duration_s    double precision not null,
  detail        text             not null default '',
  error         text,
  at            timestamptz      not null default clock_timestamp()
);

create index if not exists deployment_step_of on refitd.deployment_step (deployment_id, id);

create table if not exists refitd.build_log (
  id            bigint generated always as identity primary key,
  deployment_id bigint      not null references refitd.deployment on delete cascade,
  line          text        not null,
  at            timestamptz not null default clock_timestamp()
);

create index if not exists build_log_of on refitd.build_log (deployment_id, id);

-- What was written to the watched tables, one row per statement that mattered. Acknowledged by
-- exact ids and never by a cursor: transactions commit in another order than they number rows.
create table if not exists refitd.change (
  id            bigint generated always as identity primary key,
  target        text        not null,
  source_name   text        not null,
  operation     text        not null,
  effect        text        not null check (effect in ('rebuild', 'restart')),
  modules       text[]      not null,  -- the first hundred
  touched       integer     not null,  -- all of them
  who           text        not null,
  txid          xid8        not null,
  at            timestamptz not null default clock_timestamp(),
  handled_at    timestamptz,
  deployment_id bigint      references refitd.deployment on delete set null
);


-- What operators and the web app ask for. Taken up with a deployment, closed with its outcome.
create table if not exists refitd.request (
  id            bigint generated always as identity primary key,
  target        text        not null check (length(target) between 1 and 63),
  kind          text        not null check (kind in (
                              'rebuild', 'restart', 'rollback',
                              'pause', 'resume', 'retry', 'cancel')),
  args          jsonb       not null default '{}' check (jsonb_typeof(args) = 'object'),
  requested_by  text        not null default session_user,
  requested_at  timestamptz not null default now(),
  deployment_id bigint      references refitd.deployment on delete set null,
  taken_at      timestamptz,
  closed_at     timestamptz,
  outcome       text
);

-- These two are written in the web app's own transactions. CREATE INDEX IF NOT EXISTS takes its
-- lock before it looks, and would wait for all of them, with the next ones queueing behind.
do $$
begin
  if to_regclass('refitd.change_open') is null then
    create index change_open on refitd.change (target, id) where handled_at is null;
    create index change_of on refitd.change (deployment_id);
    create index request_open on refitd.request (target, id) where closed_at is null;
    create index request_of on refitd.request (deployment_id);
  end if;
end
$$;

-- The container that stands for the target, as refitd left or found it.
create table if not exists refitd.record (
  target        text        primary key,
  container_id  text        not null,
  image_id      text        not null,
  started_at    text        not null,  -- the engine's own text, compared for equality only
  build_key     text        not null,
  modules       text[]      not null,
  enabled       text[]      not null,
  commit        text,
  deployment_id bigint,
  adopted       boolean     not null default false,
  updated_at    timestamptz not null default now()
);

-- What failed and is not tried again by itself, or not yet. No run key: no toggle could mend it.
create table if not exists refitd.quarantine (
  id            bigint generated always as identity primary key,
  target        text        not null,
  build_key     text        not null,
  run_key       text,
  attempts      integer     not null,
  cause         text        not null,
  deployment_id bigint      not null,
  retry_at      timestamptz,
  at            timestamptz not null default now()
);

create unique index if not exists quarantine_key
  on refitd.quarantine (target, build_key, coalesce(run_key, ''));

-- Containers kept, stopped, behind their successors.
create table if not exists refitd.retiree (
  id            bigint generated always as identity primary key,
  target        text        not null,
  container_id  text        not null,
  name          text        not null,
  image_id      text        not null,
  successor_id  text        not null,
  deployment_id bigint      not null,
  due_at        timestamptz not null,
  unique (target, container_id)
);

create table if not exists refitd.target_state (
  target     text        primary key,
  paused     boolean     not null default false,
  problem    text,
  updated_at timestamptz not null default now()
);

-- Who acts on a target. A row is never deleted, so that its epoch can only grow.
create table if not exists refitd.lease (
  target     text        primary key,
  holder     text        not null,
  engine_id  text        not null,
  epoch      bigint      not null,
  taken_at   timestamptz not null,
  renewed_at timestamptz not null,
  expires_at timestamptz not null,
  asked_ns   bigint      not null default 0   -- of the last renewal, by its holder's own clock
);
alter table refitd.lease add column if not exists asked_ns bigint not null default 0;
