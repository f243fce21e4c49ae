"""Which file becomes which: pictures and videos, and what is made of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from srlab.errors import OutputExists, UserError
from srlab.imaging.files import is_image, left_out, list_images, listed
from srlab.imaging.formats.opening import holds_frames
from srlab.imaging.video.files import is_found_video, is_video, pyav
from srlab.imaging.video.writing import kind_for
from srlab.imaging.writing import output_format
from srlab.storage.folders import ensure_folder
from srlab.words import PictureFormat

Job = tuple[Path, Path]
Naming = Callable[[Path], str]  # the suffix of what a picture becomes
_SHORT = {PictureFormat.jpeg: ".jpg", PictureFormat.tiff: ".tif"}
# What is kept where there are several frames or pages; others of them become a PNG that moves.
_OF_FRAMES = {".gif": ".gif", ".webp": ".webp", ".tif": ".tif", ".tiff": ".tif"}


def find_jobs(
    sources: Sequence[Path],
    output: str | None,
    mark: str,
    recursive: bool,
    kind: PictureFormat | None = None,
    first_frame: bool = False,
) -> list[Job]:
    """Pair each picture and video with the file that is made of it; make the folders of these.

    Args:
        sources: A picture, several pictures and videos, or a folder of them.
        output: What was named as the output: a file, or a folder, which is there or whose name
            ends with a slash; beside the sources if None.
        mark: What names say of the size, as ``x2``.
        recursive: Whether to look into the folders in a folder, too.
        kind: What the pictures become; PNG if None, or for several frames what they are.
        first_frame: Whether the first of several frames only is taken.

    Raises:
        UserError: A source is missing, or there is no such place for the output.
    """
    target = Path(output).expanduser() if output else None
    if target is not None and is_video(target) and not target.is_dir():
        if is_video(sources[0]):
            raise UserError(f"output {target} is one video, but input has several: name a folder")
        raise UserError(f"output {target} is a video, but input {sources[0]} is none")
    sources = list(dict.fromkeys(sources))
    _check_sources(sources)
    suffix_of = partial(_suffix, kind=kind, first_frame=first_frame)
    if sources[0].is_dir():
        jobs = _of_folder(sources[0], target, mark, recursive, suffix_of)
    elif len(sources) > 1 or target is None or target.is_dir() or str(output)[-1:] in "/\\":
        if target is not None and target.is_file():
            raise UserError(f"output {target} is a file, but a folder is wanted")
        folders = [target or source.parent for source in sources]
        jobs = _named(sources, folders, mark, suffix_of)
        if len(sources) == 1:
            _check_free(jobs[0][1])
    else:
        jobs = [(sources[0], _file(target, kind))]
    for folder in {made.parent for _, made in jobs}:
        ensure_folder(folder)
    return jobs


def _check_sources(sources: Sequence[Path]) -> None:
    for source in sources:
        if not source.is_file() and not source.is_dir():
            raise UserError(f"input {source} is no file and no folder")
        if len(sources) > 1 and source.is_dir():
            raise UserError(f"several pictures at once, but {source} is none: name it alone")


def _of_folder(
    source: Path, target: Path | None, mark: str, recursive: bool, suffix_of: Naming
) -> list[Job]:
    if target is None:
        folder = source.resolve()
        if not folder.name:
            raise UserError(f"there is nothing beside {source}: name an output")
        target = folder.with_name(f"{folder.name}_{mark}")
    if target.resolve() == source.resolve():
        raise UserError("input and output are the same folder: name another output")
    if target.exists() and not target.is_dir():
        raise UserError(f"input is a folder, so output must be one too, but {target} is a file")
    paths = _found(source, recursive)
    if recursive:  # what an earlier run has made within the input
        paths = [path for path in paths if target.resolve() not in path.resolve().parents]
    if others := left_out(source, recursive, _is_taken):
        print(f"{source}: left out, as no pictures: {others}")
    folders = [target / path.parent.relative_to(source) for path in paths]
    return _named(paths, folders, mark, suffix_of)


def _is_taken(path: Path) -> bool:
    return is_image(path) or is_found_video(path)


def _found(source: Path, recursive: bool) -> list[Path]:
    """Return the pictures and videos in a folder; no videos, and say so, where PyAV is missing.

    Raises:
        UserError: There are none.
    """
    paths = listed(source, recursive, _is_taken)
    pictures = [path for path in paths if is_image(path)]
    try:
        if len(pictures) < len(paths):
            pyav()
    except UserError as error:
        if not pictures:
            raise
        print(f"{source}: {len(paths) - len(pictures)} videos are left out: {error}")
        paths = pictures
    return paths or list_images(source, recursive)


def _named(
    paths: Sequence[Path], folders: Sequence[Path], mark: str, suffix_of: Naming
) -> list[Job]:
    """Name what is made of files; those that differ by their suffix only keep it in the name.

    What an earlier run has made of one of the others is left out.
    """
    made = [(path.parent, path.stem, suffix_of(path)) for path in paths]
    names = Counter(made)
    jobs = []
    for path, folder, name in zip(paths, folders, made, strict=True):
        kind = f"_{path.suffix[1:]}" if names[name] > 1 else ""
        jobs.append((path, folder / f"{path.stem}{kind}_{mark}{name[-1]}"))
    targets = {made for _, made in jobs}
    for path in [path for path, _ in jobs if path in targets]:
        print(f"{path}: left out, it is what another one becomes")
    jobs = [(path, made) for path, made in jobs if path not in targets]
    twice = [made for made, count in Counter(made for _, made in jobs).items() if count > 1]
    if twice:
        raise UserError(f"two pictures would both become {twice[0]}: rename one")
    return jobs


def _suffix(path: Path, kind: PictureFormat | None, first_frame: bool) -> str:
    """Return the suffix of what a picture or a video becomes."""
    if is_video(path):
        return kind_for(path)
    if kind is not None:
        return _SHORT.get(kind, f".{kind}")
    if first_frame or path.suffix.lower() not in _OF_FRAMES:
        return ".png"
    return _OF_FRAMES[path.suffix.lower()] if holds_frames(path) else ".png"


def _file(target: Path, kind: PictureFormat | None) -> Path:
    """Check the file that was named as the output.

    Raises:
        UserError: It cannot be written, or exists.
    """
    if not target.suffix:
        raise UserError(f"output {target} has no suffix that says its type, as in {target}.png")
    form = output_format(target.suffix)
    if kind is not None and output_format(f".{kind}") != form:
        raise UserError(f"output {target} is {form} by its name, but format={kind} is asked")
    _check_free(target)
    return target


def _check_free(target: Path) -> None:
    if target.exists():
        raise OutputExists(f"{target} exists already: name another output, nothing is overwritten")
