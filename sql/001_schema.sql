-- Schema refitd, and the two roles that others may be made members of.
--
-- The files of this folder are applied in the order of their names, by `refitd migrate` or by
-- `psql -f`, as often as one likes: each leaves what is there alone or replaces it in place.
-- They need Postgres 14 or newer, and nothing that a database owner may not do, but for the
-- roles: where those cannot be created, a notice says so and everything else works without.
--
-- Errors that the daemon must tell apart bear a code of their own:
--   RF001   another daemon holds the lease             (refitd.fence)
--   RF002   a watched table cannot be read any more    (refitd.rows_of)

create schema if not exists refitd;

comment on schema refitd is
  'Keeps backend containers in step with the tables named by refitd.watch().';

do $$
declare
  wanted text;
begin
  foreach wanted in array array['refitd_daemon', 'refitd_web'] loop
    continue when exists (select from pg_catalog.pg_roles where rolname = wanted);
    begin
      execute pg_catalog.format('create role %I nologin', wanted);
    exception
      when insufficient_privilege then
        raise notice 'role % is missing and % may not create it; apply these files again once an administrator has: CREATE ROLE % NOLOGIN',
          wanted, current_user, wanted;
      when duplicate_object or unique_violation then
        null;  -- roles are the whole server's: another database was being migrated just now
    end;
  end loop;
end
$$;
