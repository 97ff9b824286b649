-- What the watched tables say, under fixed column names: the view refitd.module.
--
-- The view stands over a function that composes its query when it runs, and not over the tables
-- themselves. A view over the tables would make the panel's own migrations fail: ALTER COLUMN
-- TYPE, DROP COLUMN and DROP TABLE are all refused while a view depends on them. So a panel may
-- change its table as it likes; what then cannot be read any more is an error here, for the
-- daemon, that names the table and the way out.

-- The query that reads the has_backend rows of `relation`: a watched table, or one of the
-- transition tables of a write to it.
--
-- concat() and not a cast, be it to text or, by `is true`, to boolean: a cast can be somebody's
-- own function, and would run as the owner of this schema. An output function cannot. The types
-- that refitd.check_columns saw need not be those of now: who reads by this query calls it again,
-- or a flag of another type would read as off. concat() of a true boolean is `t`, of null it is
-- the empty text: off as well.
create or replace function refitd.module_query(
  relation text, id name, enabled name, has_backend name, version name, installed name
)
  returns text
  language sql stable
  set search_path = pg_catalog, pg_temp
return format(
  'select case when m.%1$I is not null then concat(m.%1$I) end as id, '
  '%2$s as version, concat(m.%3$I) = ''t'' as enabled '
  'from %4$s m where concat(m.%5$I) = ''t''%6$s',
  id,
  case
    when version is null then 'null::text'
    else format('case when m.%1$I is not null then concat(m.%1$I) end', version)
  end,
  enabled,
  relation,
  has_backend,
  case when installed is null then '' else format(' and concat(m.%I) = ''t''', installed) end
);

-- The has_backend rows of one watched table.
--
-- SECURITY DEFINER, so that the daemon needs no right on the table, and sees of it these three
-- columns only. With row_security off, a policy that would hide rows from us is an error: hidden
-- rows must never look like uninstalled modules.
create or replace function refitd.rows_of(source oid)
  returns table (id text, version text, enabled boolean)
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
  set row_security = off
as $$
#variable_conflict use_column
declare
  w refitd.watched;
begin
  select * into w from refitd.watched where watched.source = rows_of.source;
  if not found then
    return;
  end if;
  if not exists (select from pg_class where pg_class.oid = rows_of.source) then
    raise exception using
      errcode = 'RF002',
      message = format('table %s, watched for target %s, was dropped', w.source_name, w.target),
      hint = format('SELECT refitd.watch(''%s'', ...) if there is a new one of that name, '
                    'or SELECT refitd.unwatch(''%s'')', w.source_name, rows_of.source);
  end if;
  return query execute refitd.module_query(
    w.source::text, w.id_column, w.enabled_column, w.has_backend_column,
    w.version_column, w.installed_column);
  perform refitd.check_columns(w);  -- with the table locked by the query
exception
  when syntax_error_or_access_rule_violation then  -- the whole class: columns, types, rights
    raise exception using
      errcode = 'RF002',
      message = format('table %s, watched for target %s, cannot be read: %s',
                       w.source::text, w.target, sqlerrm),
      hint = case sqlstate
        when '42501' then format('GRANT SELECT ON %s TO the owner of schema refitd; '
                                 'its row security must not apply to them', w.source::text)
        else format('SELECT refitd.watch(''%s'', ...) with the columns it has now, '
                    'or SELECT refitd.unwatch(''%1$s'')', w.source::text)
      end;
end
$$;

-- A condition on `target` reaches the scan of refitd.watched before any function is called, so a
-- table that cannot be read is the trouble of its own target only.
create or replace view refitd.module as
  select w.target, m.id, m.version, m.enabled
  from refitd.watched w
  cross join lateral refitd.rows_of(w.source) m;

comment on view refitd.module is
  'The has_backend rows of all watched tables: what each target should be built of.';
