"""procrastinate: a worker with its defaults, and one who defers jobs.

python procrastinate_jobs.py install|work|send DSN
"""

import asyncio
import sys

import procrastinate

_, ROLE, DSN = sys.argv
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DSN))


@app.task(name="see")
async def see(n: int) -> None:
    """The work."""
    print("saw", n, flush=True)


async def main() -> None:
    """One of the three roles."""
    async with app.open_async():
        if ROLE == "install":
            await app.schema_manager.apply_schema_async()
        elif ROLE == "work":
            print("ready", flush=True)
            await app.run_worker_async(install_signal_handlers=False)
        else:
            while line := await asyncio.to_thread(sys.stdin.readline):
                await see.defer_async(n=int(line))
                print("sent", flush=True)


asyncio.run(main())
