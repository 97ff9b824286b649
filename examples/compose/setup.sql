-- What a panel's owner does once, made fit to be done at each start of the stack.

\set ON_ERROR_STOP on
\getenv password REFITD_PASSWORD

SELECT refitd.watch('public.modules', version => 'version');

-- The daemon is nobody's owner: it reads the modules and keeps its own books.
SELECT 'CREATE ROLE refitd LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'refitd')
\gexec
GRANT refitd_daemon TO refitd;
ALTER ROLE refitd PASSWORD :'password';
