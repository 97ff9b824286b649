-- refitd.watch() and refitd.unwatch(): put our triggers on a table of somebody else's, and take
-- them away again. To be called by a superuser, or by the owner of this schema where that is the
-- table's owner as well: the schema is closed to all others.
--
--   SELECT refitd.watch('public.modules');
--   SELECT refitd.watch('public.modules', target => 'panel', id => 'slug', enabled => 'is_on');
--
-- Calling it again changes the columns. Both wait at most five seconds for the table's lock.

-- Refuses, by name and with the way out, a column that is not there or has the wrong type.
create or replace function refitd.check_columns(w refitd.watched)
  returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  wanted record;
  found_type oid;
  is_virtual boolean;
begin
  for wanted in
    select *
    from (values
      ('id',          w.id_column,          false),
      ('enabled',     w.enabled_column,     true),
      ('has_backend', w.has_backend_column, true),
      ('version',     w.version_column,     false),
      ('installed',   w.installed_column,   true)
    ) as mapping (argument, column_name, is_flag)
    where column_name is not null
  loop
    select case t.typtype when 'd' then t.typbasetype else t.oid end, a.attgenerated = 'v'
    into found_type, is_virtual
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    where a.attrelid = w.source and a.attname = wanted.column_name
      and a.attnum > 0 and not a.attisdropped;

    if not found then
      raise exception using
        errcode = 'undefined_column',
        message = format('table %s has no column %I', w.source::text, wanted.column_name),
        detail = format('Its columns are: %s.', (
          select string_agg(quote_ident(attname), ', ' order by attnum)
          from pg_attribute
          where attrelid = w.source and attnum > 0 and not attisdropped)),
        hint = format('Name the right one: SELECT refitd.watch(''%s'', %s => ''...'').',
                      w.source::text, wanted.argument);
    elsif is_virtual then
      raise exception using
        errcode = 'wrong_object_type',
        message = format('column %I of table %s is a virtual generated column, whose values '
                         'triggers do not see', wanted.column_name, w.source::text),
        hint = 'Make it GENERATED ALWAYS AS (...) STORED.';
    elsif wanted.is_flag and found_type <> 'boolean'::regtype then
      raise exception using
        errcode = 'datatype_mismatch',
        message = format('column %I of table %s is %s, where %s must be boolean',
                         wanted.column_name, w.source::text, format_type(found_type, null),
                         wanted.argument),
        hint = format('Name another column (%s => ''...''), or make it one: '
                      'ALTER TABLE %s ADD COLUMN ... boolean GENERATED ALWAYS AS (...) STORED.',
                      wanted.argument, w.source::text);
    end if;
  end loop;
end
$$;

-- Refuses what cannot bear statement triggers with transition tables.
create or replace function refitd.check_table(source regclass)
  returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  c pg_class;
begin
  select * into c from pg_class where oid = source;
  if not found then
    raise exception using
      errcode = 'undefined_table',
      message = format('there is no table with oid %s to watch', source::oid);
  elsif c.relispartition then
    raise exception using
      errcode = 'wrong_object_type',
      message = format('table %s is a partition', source),
      hint = 'Watch the table it is a partition of.';
  elsif c.relkind not in ('r', 'p') then
    raise exception using
      errcode = 'wrong_object_type',
      message = format('%s is not a table', source),
      hint = 'Watch the table that the rows are written to.';
  elsif c.relpersistence = 't' then
    raise exception using
      errcode = 'wrong_object_type',
      message = format('table %s is temporary: the daemon could not see it', source);
  end if;
end
$$;

create or replace function refitd.watch(
  source      regclass,
  target      text default 'backend',
  id          name default 'id',
  enabled     name default 'enabled',
  has_backend name default 'has_backend',
  version     name default null,
  installed   name default null
)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '5s'
as $$
declare
  w refitd.watched;
begin
  if watch.source is null then
    raise exception using errcode = 'null_value_not_allowed', message = 'no table to watch was given';
  elsif watch.target is null or watch.target !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('%L cannot be the name of a target', watch.target),
      hint = 'Letters, digits, dots, dashes and underscores, 63 at most, as in refitd.toml.';
  end if;

  w.source             := watch.source;
  w.source_name        := watch.source::text;
  w.target             := watch.target;
  w.id_column          := coalesce(watch.id, 'id');
  w.enabled_column     := coalesce(watch.enabled, 'enabled');
  w.has_backend_column := coalesce(watch.has_backend, 'has_backend');
  w.version_column     := watch.version;
  w.installed_column   := watch.installed;
  w.since              := now();

  perform refitd.check_table(w.source);
  perform refitd.check_columns(w);

  -- A table that was dropped and made anew is a new table; its forerunner is forgotten.
  delete from refitd.watched gone
  where gone.source = w.source
    or gone.source_name = w.source_name
       and not exists (select from pg_class c where c.oid = gone.source);
  insert into refitd.watched select w.*;

  perform refitd.add_triggers(w.source);
  perform from refitd.rows_of(w.source);  -- so that a missing right is known now
  perform pg_notify('refitd', '');
end
$$;

-- Four of them: a trigger with transition tables may have one event only. ALWAYS: a session in
-- replication role `replica`, as some restores are, counts too.
create or replace function refitd.add_triggers(source regclass)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  wanted record;
begin
  for wanted in
    select *
    from (values
      ('refitd_insert',   'after insert',    'referencing new table as refitd_new'),
      ('refitd_update',   'after update',    'referencing old table as refitd_old new table as refitd_new'),
      ('refitd_delete',   'after delete',    'referencing old table as refitd_old'),
      ('refitd_truncate', 'before truncate', '')
    ) as four (name, event, transition)
  loop
    execute format(
      'create or replace trigger %I %s on %s %s '
      'for each statement execute function refitd.table_written()',
      wanted.name, wanted.event, source, wanted.transition);
    execute format('alter table %s enable always trigger %I', source, wanted.name);
  end loop;
end
$$;

-- Also takes the number that an error message names for a table which was dropped.
create or replace function refitd.unwatch(source regclass)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '5s'
as $$
declare
  ours name;
begin
  delete from refitd.watched w where w.source = unwatch.source;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('table %s is not watched', unwatch.source),
      hint = 'SELECT source FROM refitd.watched shows those that are.';
  end if;
  for ours in
    select tgname from pg_trigger
    where tgrelid = unwatch.source and tgfoid = 'refitd.table_written()'::regprocedure
  loop
    execute format('drop trigger %I on %s', ours, unwatch.source);
  end loop;
  perform pg_notify('refitd', '');
end
$$;
