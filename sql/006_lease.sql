-- Who acts on a target: a lease on the database's clock, and the fence that keeps a deposed
-- holder's writes out.
--
-- Locks: a take-over locks the row FOR UPDATE, the fence locks it FOR KEY SHARE until its
-- transaction ends, a renewal locks neither out. So a take-over waits for a write that passed
-- the fence, a write waits for a take-over that is under way, and renewing waits for nothing.

-- Take the lease if it is free, expired, or our own instance's (which was restarted: its earlier
-- self is dead). Each taking is a new epoch, above the last and above `floor`: the highest epoch
-- seen on container labels, which counts where the row went back in a failover.
create or replace function refitd.take_lease(
  for_target text, instance text, engine text, seconds double precision, floor bigint
)
  returns table (holder text, epoch bigint, ours boolean, engine_id text, expires_in_s double precision)
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  taken boolean;
begin
  perform from refitd.lease l where l.target = for_target for update;

  insert into refitd.lease as l (target, holder, engine_id, epoch, taken_at, renewed_at, expires_at)
  values (for_target, instance, engine, greatest(0, floor) + 1, clock_timestamp(), clock_timestamp(),
          clock_timestamp() + make_interval(secs => seconds))
  on conflict on constraint lease_pkey do update
  set holder     = excluded.holder,
      engine_id  = excluded.engine_id,
      epoch      = greatest(l.epoch, floor) + 1,
      taken_at   = clock_timestamp(),
      renewed_at = clock_timestamp(),
      expires_at = clock_timestamp() + make_interval(secs => seconds),
      asked_ns   = 0
  where l.holder = excluded.holder or l.expires_at <= clock_timestamp();
  taken := found;

  return query
    select l.holder, l.epoch, taken, l.engine_id,
           extract(epoch from l.expires_at - clock_timestamp())::double precision
    from refitd.lease l
    where l.target = for_target;
end
$$;

-- Let it end `seconds` from now: later than before, or sooner, when a critical section is over. What
-- was asked earlier, by the holder's own clock, and arrives later, changes nothing: it may have lain
-- on a silent wire while the holder extended the lease by another.
-- False when it is no longer ours or has expired: then it must be taken, with a new epoch.
drop function if exists refitd.renew_lease(text, text, bigint, double precision);
create or replace function refitd.renew_lease(
  for_target text, instance text, held bigint, seconds double precision, asked_at_ns bigint
)
  returns boolean
  language sql
  set search_path = pg_catalog, pg_temp
begin atomic
  with renewed as (
    update refitd.lease l
    set renewed_at = clock_timestamp(),
        expires_at = clock_timestamp() + make_interval(secs => seconds),
        asked_ns   = asked_at_ns
    where l.target = for_target and l.holder = instance and l.epoch = held
      and l.expires_at > clock_timestamp() and l.asked_ns < asked_at_ns
    returning l.target
  )
  select exists (select from renewed);
end;

-- Let go at once, and wake those who wait for it: the payload says that no row has changed.
create or replace function refitd.resign_lease(for_target text, instance text, held bigint)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update refitd.lease l
  set expires_at = clock_timestamp()
  where l.target = for_target and l.holder = instance and l.epoch = held;
  if found then
    perform pg_notify('refitd', 'lease');
  end if;
end
$$;

-- The first statement of every transaction that writes for a holder. Two may have come by the same
-- epoch, where the row went back in a failover: then it is the holder's, and nobody else's.
drop function if exists refitd.fence(text, bigint);
create or replace function refitd.fence(for_target text, instance text, held bigint)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  present bigint;
  whose   text;
begin
  select l.epoch, l.holder into present, whose
  from refitd.lease l where l.target = for_target for key share;
  if present = held and whose <> instance then
    raise exception using
      errcode = 'RF001',
      message = format('the lease on target %s is held by %s in epoch %s; this was decided by %s',
                       for_target, whose, present, instance);
  end if;
  if present > held then
    raise exception using
      errcode = 'RF001',
      message = format('the lease on target %s has gone on to epoch %s; this was decided in epoch %s',
                       for_target, present, held);
  end if;
end
$$;
