-- Retention: drop what is older than `older_than` and no longer needed; answer how many rows.
--
-- Of each target the newest `keep` deployments stay however old they are, and so does each that
-- still stands for a container: the recorded one, a retiree, a quarantined failure. A deployment
-- takes its steps and its build log with it.

create or replace function refitd.prune(older_than interval, keep integer default 10)
  returns bigint
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  horizon timestamptz := now() - older_than;
  dropped bigint;
  total   bigint := 0;
begin
  delete from refitd.change c
  where c.at < horizon
    and (c.handled_at is not null
         or not exists (select from refitd.watched w where w.target = c.target));
  get diagnostics dropped = row_count;
  total := total + dropped;

  -- An open request that nobody took up in all that time was for a target that nobody serves.
  delete from refitd.request q
  where coalesce(q.closed_at, q.requested_at) < horizon
    and (q.closed_at is not null or q.taken_at is null);
  get diagnostics dropped = row_count;
  total := total + dropped;

  delete from refitd.deployment d
  using (
    select id, row_number() over (partition by target order by id desc) as age
    from refitd.deployment
  ) ranked
  where ranked.id = d.id
    and ranked.age > keep
    and d.finished_at < horizon
    and not exists (select from refitd.record r where r.deployment_id = d.id)
    and not exists (select from refitd.retiree t where t.deployment_id = d.id)
    and not exists (select from refitd.quarantine q where q.deployment_id = d.id);
  get diagnostics dropped = row_count;
  return total + dropped;
end
$$;
