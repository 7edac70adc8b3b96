"""Anyfind: find pictures, sounds, films, texts and graphs by words or by each other.

The page, and the same verbs on the command line.

`python app.py` opens the page; `python app.py --help` lists the commands. Results go to stdout,
everything else to stderr. Exit codes: 0, 1 for a run that failed, 2 for wrong use.
"""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from encoders.space import Space
    from store.library import Hit, Library, Report

cli = typer.Typer(
    help="Find your pictures, sounds, films and texts by words. Without a command: opens the page.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the library [ANYFIND_DATA].", show_default="user data"),
]
SpaceName = Annotated[
    str | None,
    typer.Option(
        "--space",
        help="embedded, an open_clip MODEL/PRETRAINED, or local-dir:PATH [ANYFIND_SPACE].",
        show_default="embedded",
    ),
]
Medium = Annotated[
    str | None,
    typer.Option("--in", help="Look in one medium only: image, audio, film, text, graph or node."),
]
Top = Annotated[int, typer.Option(help="How many results.", min=1, max=10_000)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.callback(invoke_without_command=True)
def page(
    context: typer.Context,
    data: Data = None,
    space: SpaceName = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 7860,
    auth: Annotated[
        str | None, typer.Option(help="Ask for a login: USER:PASSWORD.", envvar="ANYFIND_AUTH")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the web browser.")] = True,
    max_upload: Annotated[int, typer.Option(help="Largest upload in megabytes.", min=1)] = 500,
) -> None:
    """Open the page."""
    # what stands before a command holds for the command as well
    context.obj = {"data": data, "space": space}
    if context.invoked_subcommand is not None:
        return
    login = None
    if auth is not None:
        user, colon, password = auth.partition(":")
        if not (user and colon and password):
            raise typer.BadParameter("write it as USER:PASSWORD", param_hint="--auth")
        login = (user, password)
    from ui import serve

    address = f"http://{host}:{port}" if port else None
    with _library(context, data, space, address=address) as (library, bars):
        _offer_samples(library, bars)
        bars.stop()
        serve(
            library,
            host=host,
            port=port,
            auth=login,
            open_browser=browser and _has_screen(),
            max_upload_mb=max_upload,
        )


@cli.command()
def index(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders with all below.")],
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Look at pictures in less detail, in half the time; what is there stays as it is.",
        ),
    ] = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Add files and folders; files stay where they are, unchanged ones are skipped."""
    with _library(context, data, space, fast=fast) as (library, bars):
        stopped = False
        if fast and library.space.name != "embedded":
            bars.print(f"--fast changes nothing in the space {library.space.name}.")

        def show(event: Any) -> None:
            bars("Indexing", event.done, event.total or 0)
            if event.state == "skipped":
                bars.print(f"skipped: {event.reason}")

        try:
            report = library.add(paths, progress=show)
        except KeyboardInterrupt:
            stopped = True
        bars.stop()
    if stopped:
        _say("Stopped; what was indexed so far is kept, and the same command goes on from there.")
        raise typer.Exit(1)
    print(report.summary())
    if _nothing_usable(report):
        raise typer.Exit(1)


@cli.command()
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What to look for; may be empty with --like.")],
    plus: Annotated[
        list[str] | None, typer.Option(help="More words, to be met as well; WORDS^0.5 counts half.")
    ] = None,
    minus: Annotated[
        list[str] | None, typer.Option(help="Words to lead away from; WORDS^1 counts fully.")
    ] = None,
    like: Annotated[
        list[str] | None, typer.Option(help="A file or an id to be like; FILE^2 counts twice.")
    ] = None,
    medium: Medium = None,
    top: Top = 10,
    skip: Annotated[int, typer.Option(help="Leave out so many of the first.", min=0)] = 0,
    exact: Annotated[bool, typer.Option(help="Look for the very words as well.")] = True,
    folder: Annotated[Path | None, typer.Option(help="Only what lies in this folder.")] = None,
    title: Annotated[str | None, typer.Option(help="Only titles that hold this text.")] = None,
    after: Annotated[str | None, typer.Option(help="Only what was added since YYYY-MM-DD.")] = None,
    before: Annotated[str | None, typer.Option(help="Only what was added before it.")] = None,
    longer: Annotated[float | None, typer.Option(help="Only what lasts so many seconds.")] = None,
    shorter: Annotated[float | None, typer.Option(help="Only what lasts no longer.")] = None,
    larger: Annotated[int | None, typer.Option(help="Only files of so many bytes.")] = None,
    smaller: Annotated[int | None, typer.Option(help="Only files no larger.")] = None,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Find what fits words, files, or both, best first."""
    from store.records import Filter, Term

    medium = _check_medium(medium)
    terms = [Term(text)] if text.strip() or not (plus or like) else []
    terms += [Term(words, weight=weight) for words, weight in map(_weighted, plus or ())]
    terms += [Term(words, weight=-weight) for words, weight in map(_less, minus or ())]
    for name, weight in map(_weighted, like or ()):
        file = os.path.expanduser(name)
        is_file = os.path.exists(file) or not _looks_like_id(name)
        what = Path(file) if is_file else name
        terms.append(Term(what, "file" if is_file else "item", weight))
    chosen = Filter(
        folder=os.path.abspath(os.path.expanduser(folder)) if folder else None,
        title=title,
        added_after=_day(after, "--after"),
        added_before=_day(before, "--before"),
        longer=longer,
        shorter=shorter,
        larger=larger,
        smaller=smaller,
    )
    with _library(context, data, space) as (library, bars):
        answer = library.find(terms, medium, top, offset=skip, chosen=chosen, exact=exact)
        bars.stop()
        among = {hit.modality for hit in answer.hits}
        if among and among <= answer.far:
            from ui.cards import nothing_close

            _say(
                nothing_close(text, {m: library.count(m) for m in library.modalities if m in among})
            )
        _print_hits(library, answer.hits, as_json, skip)


@cli.command()
def similar(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file of any medium; it need not be indexed.")],
    medium: Medium = None,
    top: Top = 10,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Find what is like a file, best first."""
    medium = _check_medium(medium)
    with _library(context, data, space) as (library, bars):
        hits = library.similar(file, medium, top)
        bars.stop()
        _print_hits(library, hits, as_json)


@cli.command()
def remove(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(help="Ids, as `search --json` prints them.")],
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Take items out of the library; files outside it are never deleted."""
    with _library(context, data, space, networks=False) as (library, _):
        removed = set(library.remove(ids))
    unknown = [id for id in ids if id not in removed]
    print(f"{len(removed)} removed.")
    if unknown:
        _fail(f"There is no item {', '.join(unknown)} in the library.")


@cli.command()
def stats(
    context: typer.Context,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Tell what the library holds, and where."""
    from store.streams import STREAMS

    with _library(context, data, space, networks=False) as (library, _):
        numbers = library.stats()
    if as_json:
        print(json.dumps(vars(numbers), default=str, indent=2))
        return
    vectors = dict.fromkeys(numbers.items, 0)
    for stream, count in numbers.segments.items():
        vectors[STREAMS[stream].modality] += count
    for modality, count in numbers.items.items():
        print(f"{modality:<8} {count:>8} items {vectors[modality]:>8} vectors")
    print(f"space    {numbers.space} ({numbers.dim} dimensions)")
    print(f"data     {numbers.data} ({numbers.bytes / 1e6:.1f} MB)")


@cli.command()
def models() -> None:
    """List the spaces that --space takes by name."""
    print("embedded")
    import open_clip

    for model, pretrained in open_clip.list_pretrained():
        print(f"{model}/{pretrained}")
    _say("Also local-dir:PATH for a saved open_clip model, and MODEL/FILE for weights in a file.")


@cli.command()
def samples(
    context: typer.Context,
    remove: Annotated[bool, typer.Option("--remove", help="Take them out again.")] = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Put the sample library into the library, or take it out."""
    from store.samples import add_samples, remove_samples

    with _library(context, data, space) as (library, bars):
        if remove:
            print(f"{len(remove_samples(library))} removed.")
            return
        report = add_samples(library, bars)
        bars.stop()
    for _, reason in report.skipped:
        _say(reason)
    print(report.summary())
    if _nothing_usable(report):
        raise typer.Exit(1)


@cli.command("eval")
def evaluate(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="CSV with the columns path and text.")],
    template: Annotated[
        str | None,
        typer.Option(help="Wording of the queries; {} is the text.", show_default="per medium"),
    ] = None,
    as_json: AsJson = False,
    space: SpaceName = None,
) -> None:
    """Measure how well texts find files: recall, precision and average precision on your data."""
    from store.evaluation import evaluate as measure

    with _Bars() as bars:
        result = measure(manifest, _load_space(context, space, bars), template, bars)
    for _, reason in result.skipped:
        _say(f"left out: {reason}")
    if as_json:
        print(json.dumps(result.media, indent=2))
    else:
        for modality, metrics in result.media.items():
            print(modality)
            for name, value in metrics.items():
                print(
                    f"  {name:<14} {value:.3f}"
                    if isinstance(value, float)
                    else f"  {name:<14} {value}"
                )
    if not result.media:
        _fail("None of the files could be read.")


def main() -> None:
    """Run the command line; an expected error is one sentence on stderr and exit code 1."""
    # set before any import of the libraries that would look for a model hub or call home
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be valid text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli()
    except Exception as error:
        if type(error).__name__ not in _EXPECTED or os.environ.get("ANYFIND_DEBUG"):
            raise
        _say(str(error))
        sys.exit(1)


# By name, so that asking costs no import: SpaceError and the others live with what raises them.
_EXPECTED = {
    "AdapterError",
    "DeviceError",
    "LibraryBusy",
    "LibraryError",
    "MediaError",
    "PageError",
    "SpaceError",
    "WeightsError",
}


@contextmanager
def _library(
    context: typer.Context,
    data: Path | None,
    space: str | None,
    address: str | None = None,
    fast: bool = False,
    networks: bool = True,
) -> Iterator[tuple[Library, _Bars]]:
    """The library, and the bars that show what it is doing, now and while it closes."""
    from store.library import Library, default_data

    folder = data or context.obj["data"] or default_data()
    with _Bars() as bars:
        loaded = _load_space(context, space, bars, fast, networks)
        with Library(folder, loaded, address=address, progress=bars) as library:
            yield library, bars


def _load_space(
    context: typer.Context,
    name: str | None,
    bars: _Bars,
    fast: bool = False,
    networks: bool = True,
) -> Space:
    """The space asked for; with its networks fetched and converted, unless they are not needed."""
    from encoders import load_space

    chosen = name or context.obj["space"] or os.environ.get("ANYFIND_SPACE") or "embedded"
    fast = fast or os.environ.get("ANYFIND_FAST", "0") not in ("", "0")
    space = load_space(chosen, bars, fast=fast)
    if networks:
        space.build()
    return space


def _offer_samples(library: Library, bars: _Bars) -> None:
    """Put the samples into an empty library, once: who takes them out does not get them again."""
    from store.samples import add_samples

    note = library.data / "samples"
    state = note.read_text("utf-8") if note.exists() else "new" if library.count() == 0 else "done"
    if state in ("new", "incomplete"):
        report = add_samples(library, bars)
        for _, reason in report.skipped:
            bars.print(reason)
        # what could not be fetched now is tried at the next start
        state = "incomplete" if report.skipped else "done"
    note.write_text(state, "utf-8")


def _print_hits(library: Library, hits: list[Hit], as_json: bool, skipped: int = 0) -> None:
    from store.certainty import rate

    if as_json:
        print(json.dumps([hit.as_dict() for hit in hits], indent=2, ensure_ascii=False))
    else:
        for rank, hit in enumerate(hits, start=skipped + 1):
            span = "" if hit.start is None else f"  {_clock(hit.start)}-{_clock(hit.end or 0)}"
            span += "".join(f"  {key} {value}" for key, value in hit.place.items())
            sure = "" if hit.sure is None else f"  ({rate(hit.sure)[1]})"
            sure += "  (exact words)" if hit.exact else ""
            print(f"{rank:>3}  {hit.modality}  {hit.title}{span}{sure}")
            print(f"     {hit.path}")
            if hit.text:
                print(f"     {textwrap.shorten(hit.text, 160, placeholder='…')}")
    if not hits and not library.count():
        _say("The library is empty: add files with `index PATH...`, or try `samples`.")


def _check_medium(medium: str | None) -> str | None:
    from store.streams import MODALITIES

    if medium not in (None, *MODALITIES):
        raise typer.BadParameter(f"it is one of {', '.join(MODALITIES)}", param_hint="--in")
    return medium


def _weighted(text: str, usual: float = 1.0) -> tuple[str, float]:
    """ "a dog^0.5" as ("a dog", 0.5); what has no weight gets the usual one."""
    words, hat, weight = text.rpartition("^")
    try:
        return (words, float(weight)) if hat and words else (text, usual)
    except ValueError:
        return text, usual


def _less(text: str) -> tuple[str, float]:
    # Half: all of it would lead to what has nothing to do with either.
    return _weighted(text, 0.5)


def _looks_like_id(name: str) -> bool:
    digits = name.partition("#")[0]
    return len(digits) == 32 and all(c in "0123456789abcdef" for c in digits)


def _day(text: str | None, option: str) -> float | None:
    """The beginning of a day, in seconds since 1970."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise typer.BadParameter("write it as YYYY-MM-DD", param_hint=option) from None


def _nothing_usable(report: Report) -> bool:
    return bool(report.skipped) and not (report.added or report.present)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _fail(sentence: str) -> None:
    _say(sentence)
    raise typer.Exit(1)


class _Bars:
    """Progress bars on stderr, one for each thing that is being done; none for what is quick.

    An instance is a `Progress`: call it with (what, done, total); a total of 0 is not known yet.
    """

    def __init__(self) -> None:
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}
        self._lock = threading.RLock()  # the library reports from threads of its own

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        with self._lock:
            bars = self._bars()
            if what not in self._tasks:
                self._tasks[what] = bars.add_task(what, total=None)
            bars.update(self._tasks[what], completed=done, total=total or None)

    def stop(self) -> None:
        """Take the bars off the screen; the next thing that is reported brings them back."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = None
            self._tasks = {}

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        if self._progress is None:
            _say(line)
        else:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _bars(self) -> Any:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self._progress


if __name__ == "__main__":
    main()
