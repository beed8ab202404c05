"""Threads that work together, and the one way to stop them.

A run is asked to stop by a flag that its threads look at between two pieces of work: nothing is thrown into them, so
nothing they hold is lost, whenever the asking comes and however often. In the main thread Ctrl-C asks, and signals that
the run was told of; anywhere else `stop` does, and a progress callable that returns True. All threads are daemons: a
process whose main thread has ended does not wait for them.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

TICK_SECONDS = 0.1
_under_way: set[Asked] = set()  # runs of this process
_here = threading.local()  # .run: the run that this thread works for; .ticks: of the runs that wait for what it does
_at_work: set[object] = set()  # one mark for each thread that does something


class Asked:
    """Whether a run was asked to stop, or the run that it is a part of."""

    def __init__(self, whole: Asked | None = None) -> None:
        self._asked, self._whole = False, whole
        self.raises = False  # whether the first signal is a KeyboardInterrupt too, while somebody else's code is called

    def __bool__(self) -> bool:
        return self._asked or bool(self._whole)

    def ask(self) -> None:
        """Ask it to stop."""
        self._asked = True


def stop() -> None:
    """Ask all runs of this process to stop: each returns what it has done, with `interrupted` set, as after Ctrl-C.

    It returns at once, and may be called from any thread and from a signal handler. Where nothing runs it does nothing.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((64, 64)), beta=0.4, sweeps=10**6, thin=10**6, progress=lambda *done: fg.stop())
    >>> run.interrupted
    True
    """
    for run in tuple(_under_way):
        run.ask()


def work_for(run: Asked) -> None:
    """This thread works for the run: what it begins is a part of that."""
    _here.run = run


class stoppable:
    """`with stoppable() as asked:` is a run. In the main thread Ctrl-C, and `signals`, ask all runs to stop meanwhile.

    A signal then takes the course it had before, if that was another than a KeyboardInterrupt; one that was ignored
    still is. The course of Ctrl-C is given back by the very last instruction, so that none can come between the run's
    end and its result.
    """

    def __init__(self, signals: Iterable[int] = ()) -> None:
        self._signals = signals if threading.current_thread() is threading.main_thread() else None

    def __enter__(self) -> Asked:
        self._whole = getattr(_here, "run", None)
        run = self._run = _here.run = Asked(self._whole)
        self._before: dict[int, Any] = {}
        self._heard: list[int] = []

        process = os.getpid()

        def hear(number: int, frame: object) -> None:
            if os.getpid() != process:  # one that was forked meanwhile, and is no part of the run
                signal.signal(number, self._before[number])
                return signal.raise_signal(number)
            self._heard.append(number)
            raises = run.raises and not run
            stop()
            if raises:
                raise KeyboardInterrupt

        try:
            _under_way.add(run)
            for number in (*self._signals, signal.SIGINT) if self._signals is not None else ():
                if callable(course := signal.getsignal(number)) or course == signal.SIG_DFL:
                    self._before[number] = course
                    signal.signal(number, hear)
        except BaseException:  # Ctrl-C before that is ours, or an error of somebody's signal handler
            self.__exit__()
            raise
        return run

    def __exit__(self, *error: object) -> None:
        self._run.ask()  # should it have ended by an error of somebody's signal handler, its threads end too
        _under_way.discard(self._run)
        _here.run = self._whole
        interrupt = self._before.pop(signal.SIGINT, None)
        for number, course in self._before.items():
            signal.signal(number, course)
        for number in dict.fromkeys(self._heard):
            if number in self._before:
                signal.raise_signal(number)
        if interrupt not in (None, signal.default_int_handler) and signal.SIGINT in self._heard:
            signal.signal(signal.SIGINT, interrupt)
            signal.raise_signal(signal.SIGINT)
        elif interrupt is not None:
            signal.signal(signal.SIGINT, interrupt)


def on_threads(
    work: Callable[[], object],
    count: int,
    prepare: Callable[[], object] = lambda: None,
    tick: Callable[[], object] = lambda: None,
) -> None:
    """Call `prepare()` and then `work()` in `count` threads at once, and `tick()` ten times a second until all return.

    A run that is asked to stop does not wait for threads that still prepare, as long as that takes: they do nothing
    more. If not all threads can start, those that did do the work, and if none can this one does, without ticks. An
    error of `work` or `tick` asks the run to stop, and comes out when all threads have returned.
    """
    if _importing():
        prepare()
    run = _here.run
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    more = threading.Lock()  # to wait for: a SimpleQueue that a signal meets as its time is over waits for ever
    more.acquire()
    starting, closed, working = threading.Lock(), False, 0

    def worker() -> None:
        nonlocal working
        _here.run = run
        error = _error_of([(prepare,)])
        with starting:
            works = not closed
            working += works
        if works:
            error = error or _error_of([(work,)])
            if error is not None:
                run.ask()
            ended.put(error)
            with suppress(RuntimeError):  # another has released it
                more.release()

    left = _start([worker] * count)
    errors: list[BaseException | None] = []
    if left == 0 and not run:
        worker()
    try:
        with _ticking(tick) as attend:
            while len(errors) < left:
                woken = more.acquire(timeout=TICK_SECONDS / 2)
                with suppress(Empty):
                    while True:
                        errors.append(ended.get_nowait())
                if run and not woken:
                    break
                attend()
    finally:
        if len(errors) < left:
            run.ask()
        with starting:
            closed, left = True, working
        while len(errors) < left:
            errors.append(ended.get())
    for error in errors:
        if error is not None:
            raise error


def here(chunks: Generator[object, None, None], tick: Callable[[], object]) -> None:
    """Do work in this thread, chunk by chunk as it is asked for the next, and call `tick()` ten times a second."""
    _at_work.add(me := object())
    try:
        with _ticking(tick) as attend:
            for _ in chunks:
                attend()
    finally:
        chunks.close()  # whoever else does the work
        _at_work.discard(me)


class _ticking:
    """`with _ticking(tick) as attend:` is a run whose `attend()`, called often, calls `tick()` ten times a second.

    And those of the runs that this one is a part of, in the same thread: they would wait until it has ended.
    """

    def __init__(self, tick: Callable[[], object]) -> None:
        self._outer: tuple[Callable[[], object], ...] = getattr(_here, "ticks", ())
        self._ticks, self._ticked = (*self._outer, tick), time.monotonic()

    def __enter__(self) -> Callable[[], None]:
        _here.ticks = self._ticks
        return self._attend

    def _attend(self) -> None:
        if time.monotonic() - self._ticked < TICK_SECONDS:
            return
        _here.ticks = ()  # a run made by a tick is not a part of this one
        try:
            for tick in self._ticks:
                tick()
        finally:
            _here.ticks = self._ticks
        self._ticked = time.monotonic()

    def __exit__(self, *error: object) -> None:
        _here.ticks = self._outer


def _importing() -> bool:
    """Whether this thread is within an import: another one that imports the same module would wait for it for ever.

    As compiling does, of what an energy or an engine is made of.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


class Team:
    """This thread and up to `size` - 1 others, as many as could start, which make calls at the same time."""

    def __init__(self, size: int) -> None:
        self._inboxes: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(size - 1)]
        self._results: SimpleQueue[BaseException | None] = SimpleQueue()
        if self._inboxes:
            started = _start([partial(self._serve, inbox) for inbox in self._inboxes])
            del self._inboxes[started:]
        self.size = 1 + len(self._inboxes)

    def _serve(self, inbox: SimpleQueue[Any]) -> None:
        while (calls := inbox.get()) is not None:
            self._results.put(_error_of(calls))

    def call(self, calls: Sequence[Sequence[Any]]) -> None:
        """Make calls (function, *arguments): the k-th in thread k modulo `size`, this one being 0, in order."""
        theirs = [calls[k :: self.size] for k in range(1, min(self.size, len(calls)))]
        for inbox, share in zip(self._inboxes, theirs, strict=False):
            inbox.put(share)
        errors = [_error_of(calls[:: self.size]), *(self._results.get() for _ in theirs)]
        for error in errors:
            if error is not None:
                raise error

    def close(self) -> None:
        """End the other threads."""
        for inbox in self._inboxes:
            inbox.put(None)


def _error_of(calls: Iterable[Sequence[Any]]) -> BaseException | None:
    """Make calls one after the other; the error that ended them, for the thread that waits, or None."""
    _at_work.add(me := object())
    try:
        for function, *arguments in calls:
            function(*arguments)
    except BaseException as error:
        return error
    finally:
        _at_work.discard(me)
    return None


def _start(works: Sequence[Callable[[], object]]) -> int:
    """Start a daemon thread for each of `works`; the number of those that could start before the run was stopped."""
    for started, work in enumerate(works):
        if getattr(_here, "run", None):
            return started
        try:
            threading.Thread(target=work, daemon=True).start()
        except RuntimeError:  # the system has no more
            return started
    return len(works)


@atexit.register
def _end(patience: float = 10.0) -> None:
    """No kernel runs or compiles any more when the interpreter takes down what it needs; most compile in less."""
    stop()
    until = time.monotonic() + patience
    while _at_work and time.monotonic() < until:
        time.sleep(0.005)
