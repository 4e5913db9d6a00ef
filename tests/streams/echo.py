"""A WebSocket server that echoes, or a client that checks an echo; with a library that is not ours."""
import asyncio
import os
import sys

import websockets


async def serve():
    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0, max_size=2**22) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


async def check(url, key):
    async with websockets.connect(url, extra_headers={"X-API-Key": key}, max_size=2**22) as socket:
        for index in range(100):
            await socket.send(f"message {index}")
            assert await socket.recv() == f"message {index}"
        for size in (0, 1, 125, 126, 65_535, 65_536, 2**21):
            body = os.urandom(size)
            await socket.send(body)
            assert await socket.recv() == body, size
        await asyncio.wait_for(await socket.ping(), 20)
    assert socket.close_code == 1000, socket.close_code
    try:
        await websockets.connect(url)
    except websockets.InvalidStatusCode as refused:
        assert refused.status_code == 401, refused
    else:
        raise AssertionError("a stranger was let in")
    print("echoed")


if sys.argv[1] == "serve":
    asyncio.run(serve())
else:
    asyncio.run(check(sys.argv[2], os.environ["API_KEY"]))
