"""`toyflows lab` opens the lecture laboratory in the browser."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options
from toyflows.cli._errors import refuse_typed, refusing, say, typed
from toyflows.errors import InputError

if TYPE_CHECKING:
    from toyflows.lab._server import Hall


def lab(
    room: Annotated[
        str | None,
        typer.Argument(metavar="ROOM", help="Name of the first room; --list prints the names."),
    ] = None,
    lesson: Annotated[
        str | None, typer.Option(help="Name of a prepared lesson; --list prints the names.")
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(help="Offer a method of your own, my.py or my.py:Name; repeatable."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the server; 0 means any free port.")] = 5006,
    address: Annotated[
        str,
        typer.Option(help="Visitors: 127.0.0.1 lets in this machine, 0.0.0.0 all that reach it."),
    ] = "127.0.0.1",
    sessions: Annotated[
        int, typer.Option(help="Largest number of visitors at the same time.")
    ] = 30,
    threads: _options.Threads = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    list_: Annotated[bool, typer.Option("--list", help="List rooms and lessons.")] = False,
) -> None:
    """Open the live lecture pages: you move a slider, and 100,000 walkers answer.

    Example: toyflows lab two-modes
    """
    with refusing():
        from toyflows import workers
        from toyflows.limits import check_whole, check_workers

        check_whole("port", port, 0, 65535)
        check_whole("sessions", sessions, 1, 1000)
        check_workers(threads=threads)

        if list_:
            refuse_typed([n for n in typed() if n != "list_"], "is not for --list")
        # One BLAS thread: the desk has a thread for each core, and numbers depend on no machine.
        with workers.environment(workers.BLAS):
            if importlib.util.find_spec("bokeh") is None:
                from toyflows.lab import WITHOUT

                say(WITHOUT)
                raise typer.Exit(2)
            if list_:
                _list()
                return
            from toyflows.lab import _methods

            for words in loss or ():
                _methods.offer(words)
            _serve(_path(room, lesson), port, address, sessions, threads, browser)


def _path(room: str | None, lesson: str | None) -> str:
    from toyflows.errors import nearest
    from toyflows.lab._lessons import LESSONS
    from toyflows.lab._room import rooms

    if lesson is not None:
        if lesson not in LESSONS:
            raise InputError("lesson", lesson, f"unknown; {nearest(lesson, LESSONS)}")
        if room is not None:
            raise InputError("lesson", lesson, "has its own room; name one of the two")
        return f"/?lesson={lesson}"
    if room is not None and room not in rooms():
        raise InputError("room", room, f"unknown; {nearest(room, rooms())}")
    return f"/{room or ''}"


def _serve(
    path: str, port: int, address: str, sessions: int, threads: int | None, browser: bool
) -> None:
    from toyflows.files import available_cores
    from toyflows.lab._server import serve

    server, hall = serve(port, address, threads or available_cores(), sessions)
    host = "127.0.0.1" if address in ("0.0.0.0", "::") else address
    url = f"http://{host}:{server.port}{path}"
    print(f"{url}   (Ctrl-C ends it)", flush=True)
    if address not in ("127.0.0.1", "localhost", "::1"):
        print("open to everybody who reaches this machine; nothing they send is run or kept")
    hall.warm()
    if browser:
        import webbrowser

        server.io_loop.add_callback(webbrowser.open, url)
    _until_interrupted(server, hall)


def _until_interrupted(server: Any, hall: Hall) -> None:
    """Serves until a signal, which ends it as any command (cli._ending)."""
    try:
        server.io_loop.start()
    finally:
        hall.desk.close()
        server.stop()


def _list() -> None:
    from toyflows.lab._lessons import LESSONS
    from toyflows.lab._room import rooms

    print("rooms")
    for name, room in rooms().items():
        print(f"  {name:<14} {room.title}")
    if LESSONS:
        print("lessons")
    for name, lesson in LESSONS.items():
        print(f"  {name:<22} {lesson.sentence}")
