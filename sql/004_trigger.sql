-- What a write to a watched table leaves behind: one row in refitd.change and one notification,
-- in the writer's own transaction, and only where something changed that a backend is made of.
--
-- The rules:
--   * The web app's write never fails through this. Whatever goes wrong (a column was dropped,
--     refitd.change is locked or gone) becomes a WARNING, and the notification is sent all the
--     same: what it costs is a look, and the daemon decides by the table and never by this log.
--   * Nothing relevant, nothing sent: NOTIFY takes a lock that all of the server's commits share.
--     The payload is empty, so that a transaction sends one however many rows it writes.
--   * Constant work per statement: transition tables, never a trigger per row.
--   * SECURITY DEFINER with a pinned search path: the writer needs no right in this schema, and
--     cannot slip us a function of theirs.
--
-- Two things no trigger can help: a full notification queue makes COMMIT fail (`refitd doctor`
-- warns long before), and a transaction that notified cannot be prepared for a two-phase commit.
-- Logical replication applies rows without statement triggers; there the periodic look serves.

create or replace function refitd.table_written()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set row_security = off
  set lock_timeout = '500ms'
as $$
declare
  w       record;  -- and not refitd.watched: a type that is missing could not be caught
  came    text;
  went    text;
  touched text[];
  rebuild boolean;
  limit_s double precision;
begin
  begin
    -- Waiting for a lock is on the writer's time: where their statement must end soon, no more than
    -- a quarter of what is left is spent on it. Being out of time is not to be caught here.
    limit_s := extract(epoch from current_setting('statement_timeout')::interval);
    if limit_s > 0 then
      limit_s := limit_s - extract(epoch from clock_timestamp() - statement_timestamp());
      perform set_config(
        'lock_timeout', greatest(1, least(500, floor(limit_s * 250)))::integer::text, true);
    end if;

    select * into w from refitd.watched where source = tg_relid;
    if not found then
      return null;
    end if;

    -- Each row that came counts +1, each that went -1. TRUNCATE has no transition tables: its
    -- trigger runs before it, with the rows still there.
    came := 'select *, 1 as n from (' || refitd.module_query(
      'refitd_new', w.id_column, w.enabled_column, w.has_backend_column,
      w.version_column, w.installed_column) || ') came';
    went := 'select *, -1 as n from (' || refitd.module_query(
      case tg_op when 'TRUNCATE' then w.source::text else 'refitd_old' end,
      w.id_column, w.enabled_column, w.has_backend_column,
      w.version_column, w.installed_column) || ') went';

    -- What does not cancel out has changed. Where an id with its version came or went, the
    -- backend must be rebuilt; where all of them are still there, `enabled` was flipped.
    execute
      'select array_agg(distinct coalesce(id, '''')), bool_or(balance <> 0) from ('
      'select id, version, sum(n) as balance from ('
      || case tg_op
        when 'INSERT' then came
        when 'UPDATE' then went || ' union all ' || came
        else went
      end ||
      ') side group by id, version having sum(n) <> 0 or sum(n) filter (where enabled) <> 0'
      ') moved'
      into touched, rebuild;
    perform refitd.check_columns(watched) from refitd.watched where source = tg_relid;

    if touched is null then
      return null;
    end if;

    insert into refitd.change (target, source_name, operation, effect, modules, touched, who, txid)
    values (
      w.target,
      w.source::text,
      lower(tg_op),
      case when rebuild then 'rebuild' else 'restart' end,
      touched[1:100],
      cardinality(touched),
      session_user,
      pg_current_xact_id()
    );
  exception
    when others then
      raise warning 'refitd could not log this change of %, and looks at the table instead: % (%)',
        tg_relid::regclass, sqlerrm, sqlstate;
  end;

  perform pg_notify('refitd', '');
  return null;
end
$$;

-- A request only wakes the daemon; that it is there stands in its row.
create or replace function refitd.request_written()
  returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('refitd', '');
  return null;
end
$$;

do $$
begin
  if not exists (  -- as with its indexes: no lock on a table that the web app writes
    select from pg_catalog.pg_trigger
    where tgrelid = 'refitd.request'::regclass and tgname = 'refitd_request'
  ) then
    create trigger refitd_request
      after insert on refitd.request
      for each statement execute function refitd.request_written();
    alter table refitd.request enable always trigger refitd_request;
  end if;
end
$$;

-- Whoever shows progress listens on refitd_status, and reads refitd.status for the target named.
create or replace function refitd.status_written()
  returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('refitd_status', new.target);
  return null;
end
$$;

create or replace trigger refitd_status
  after insert or update on refitd.deployment
  for each row execute function refitd.status_written();

create or replace trigger refitd_status
  after insert or update on refitd.target_state
  for each row execute function refitd.status_written();

create or replace trigger refitd_status
  after insert or update on refitd.record
  for each row execute function refitd.status_written();
