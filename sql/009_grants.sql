-- Who may do what. Nothing in this schema is anybody's by default.
--
--   refitd_daemon   reads the modules and keeps its own books; may not say what is watched
--   refitd_web      asks (refitd.request) and sees (refitd.status); nothing else
--
-- Both are for membership: GRANT refitd_web TO panel;

revoke all on schema refitd from public;
revoke all on all tables in schema refitd from public;
revoke all on all functions in schema refitd from public;

do $$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'refitd_daemon') then
    grant usage on schema refitd to refitd_daemon;
    grant select, insert, update, delete on
      refitd.change, refitd.deployment, refitd.deployment_step, refitd.build_log,
      refitd.request, refitd.record, refitd.quarantine, refitd.retiree,
      refitd.target_state, refitd.lease
      to refitd_daemon;
    grant select on refitd.watched, refitd.module, refitd.status to refitd_daemon;
    grant execute on function
      refitd.rows_of(oid),
      refitd.take_lease(text, text, text, double precision, bigint),
      refitd.renew_lease(text, text, bigint, double precision, bigint),
      refitd.resign_lease(text, text, bigint),
      refitd.fence(text, text, bigint),
      refitd.prune(interval, integer)
      to refitd_daemon;
  end if;

  if exists (select from pg_catalog.pg_roles where rolname = 'refitd_web') then
    grant usage on schema refitd to refitd_web;
    grant insert (target, kind, args) on refitd.request to refitd_web;
    grant select (id) on refitd.request to refitd_web;  -- for INSERT ... RETURNING id
    grant select on refitd.status to refitd_web;
  end if;
end
$$;
