"""asyncpg-listen, which hears hints and leaves the rest to its user.

The handler takes a notification as it is. A time-out (30 s without any, the default) is the
occasion to look at the table: what was notified while nobody listened is lost to the library.

python asyncpg_listen_hints.py install|work|send DSN
"""

import asyncio
import sys

import asyncpg
import asyncpg_listen

_, ROLE, DSN = sys.argv


async def handle(event: asyncpg_listen.NotificationOrTimeout) -> None:
    """Take a hint, or look."""
    if isinstance(event, asyncpg_listen.Timeout):
        connection = await asyncpg.connect(DSN)
        print("saw all to", await connection.fetchval("select max(n) from changes"), flush=True)
        await connection.close()
    else:
        print("saw", event.payload, flush=True)


async def main() -> None:
    """One of the three roles."""
    if ROLE == "work":
        listener = asyncpg_listen.NotificationListener(asyncpg_listen.connect_func(DSN))
        print("ready", flush=True)
        await listener.run({"changes": handle}, policy=asyncpg_listen.ListenPolicy.ALL)
        return
    connection = await asyncpg.connect(DSN)
    if ROLE == "install":
        await connection.execute("create table changes (n int); insert into changes values (0)")
        return
    while line := await asyncio.to_thread(sys.stdin.readline):
        async with connection.transaction():
            await connection.execute("insert into changes values ($1)", int(line))
            await connection.execute("select pg_notify('changes', $1)", line.strip())
        print("sent", flush=True)


asyncio.run(main())
