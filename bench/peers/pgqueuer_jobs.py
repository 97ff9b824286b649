"""pgqueuer on an asyncpg pool, with its defaults, and one who enqueues.

python pgqueuer_jobs.py install|work|send DSN
"""

import asyncio
import sys

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

_, ROLE, DSN = sys.argv


async def main() -> None:
    """One of the three roles."""
    async with asyncpg.create_pool(DSN, min_size=2) as pool:
        driver = AsyncpgPoolDriver(pool)
        if ROLE == "install":
            await Queries(driver).install()
        elif ROLE == "work":
            queue = PgQueuer(driver)

            @queue.entrypoint("see")
            async def see(job: Job) -> None:
                print("saw", (job.payload or b"").decode(), flush=True)

            print("ready", flush=True)
            await queue.run()
        else:
            queries = Queries(driver)
            while line := await asyncio.to_thread(sys.stdin.readline):
                await queries.enqueue(["see"], [line.strip().encode()], [0])
                print("sent", flush=True)


asyncio.run(main())
