"""What Hydra reads and parses is remembered: the same files and texts come in every command.

Files that a test writes are read anew, as they may change.
"""

import copy
import functools

import omegaconf._utils
import omegaconf.base
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from omegaconf import grammar_parser

from srlab.config.paths import config_dir

_load, _parse = ConfigRepository.load_config, grammar_parser.parse


def remember():
    """Let this process read each file of Hydra and of srlab once, and parse each text once."""
    ConfigRepository.load_config = _loaded
    parse = functools.lru_cache(_parse)
    for module in (omegaconf._utils, omegaconf.base):
        module.parse = parse


_found = {}


def _loaded(repository, config_path):
    source = repository._find_object_source(config_path, ObjectType.CONFIG)
    if source is None or source.path not in ("hydra.conf", str(config_dir())):
        return _load(repository, config_path)
    place = source.path, config_path
    if place not in _found:
        _found[place] = _load(repository, config_path)
    return copy.deepcopy(_found[place])  # into which Hydra writes
