-- refitd.status: one row per target, for the web app and `refitd status`.
--
-- `condition`, the first that holds of:
--   unwatched    no table is watched for it
--   unattended   no daemon holds its lease: nothing will happen until one does
--   paused       by request
--   working      a deployment is under way
--   missing      its container is not there (as the problem says, in the words of core.plan)
--   failed       what failed is still asked for: it is set aside (refitd.quarantine) until the
--                table changes, whatever else has succeeded since
--   behind       something was written or asked for that is not acted on yet
--   in_step      the container is as the table says

create or replace view refitd.status as
  with
    known as (
      select target from refitd.watched
      union select target from refitd.record
      union select target from refitd.target_state
      union select target from refitd.lease
      union select target from refitd.deployment
    ),
    facts as (
      select
        known.target,
        watched.yes as watched,
        lease.holder,
        coalesce(state.paused, false) as paused,
        state.problem,
        d.id as deployment_id,
        d.action, d.state, d.step, d.progress_step, d.progress_total,
        case when aside.cause is null or d.state in ('failed', 'rolled_back')
          then coalesce(d.error, aside.cause) else aside.cause end as error,
        d.id is not null and d.finished_at is null as working,
        aside.cause is not null as failed,
        r.container_id, r.image_id,
        coalesce(r.modules, '{}') as modules,
        coalesce(r.enabled, '{}') as enabled,
        r.target is not null as recorded,
        changes.waiting as pending_changes,
        requests.waiting as pending_requests,
        greatest(d.updated_at, r.updated_at, state.updated_at, lease.taken_at) as updated_at
      from known
      left join refitd.record r using (target)
      left join refitd.target_state state using (target)
      left join refitd.lease lease
        on lease.target = known.target and lease.expires_at > clock_timestamp()
      left join lateral (
        select * from refitd.deployment newest
        where newest.target = known.target order by newest.id desc limit 1
      ) d on true
      cross join lateral (
        select exists (select from refitd.watched w where w.target = known.target) as yes
      ) watched
      left join lateral (
        select q.cause from refitd.quarantine q
        where q.target = known.target order by q.at desc, q.id desc limit 1
      ) aside on true
      cross join lateral (
        select count(*)::integer as waiting from refitd.change c
        where c.target = known.target and c.handled_at is null
      ) changes
      cross join lateral (
        select count(*)::integer as waiting from refitd.request q
        where q.target = known.target and q.closed_at is null and q.taken_at is null
      ) requests
    ),
    judged as (
      select *,
        case
          when not watched                             then 'unwatched'
          when holder is null                          then 'unattended'
          when paused                                  then 'paused'
          when working                                 then 'working'
          when problem like '%there is no container %' then 'missing'
          when failed and pending_changes = 0          then 'failed'
          when pending_changes + pending_requests > 0
            or not recorded                            then 'behind'
          else 'in_step'
        end as condition
      from facts
    )
  select
    target,
    condition,
    case condition
      when 'unwatched'  then format('no table is watched for it: SELECT refitd.watch(''public.modules'', target => ''%s'')', target)
      when 'unattended' then 'no daemon attends to it: is refitd running?'
      when 'paused'     then 'paused by request'
      when 'working'    then concat_ws(': ', action, coalesce(step, state))
      when 'missing'    then problem
      when 'failed'     then coalesce(error, state)
      when 'behind'     then
        case
          when not recorded then coalesce(problem, 'not looked at yet')
          else concat_ws('; ', format('waiting: changes %s, requests %s', pending_changes, pending_requests), problem)
        end
      else coalesce(problem, format('%s modules, %s enabled', cardinality(modules), cardinality(enabled)))
    end as detail,
    deployment_id, action, state, step, progress_step, progress_total,
    case when failed then error end as error,
    container_id, image_id, modules, enabled, pending_changes, holder, updated_at
  from judged;

comment on view refitd.status is
  'One row per target; NOTIFY refitd_status (payload: the target) tells when to look.';
