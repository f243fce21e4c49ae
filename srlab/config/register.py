"""What Hydra is told before it composes: schemas, resolvers, where configs lie."""

import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from srlab.config.paths import config_dir
from srlab.config.plugins import config_dirs
from srlab.config.schema import (
    BenchEvaluateConfig,
    BenchTrainConfig,
    BenchUpscaleConfig,
    ConvertConfig,
    DataShowConfig,
    DescribeConfig,
    EvaluateConfig,
    ExportConfig,
    NetworkConfig,
    ReportConfig,
    SweepConfig,
    TrainConfig,
    TuneConfig,
    UpscaleConfig,
)
from srlab.words import Colour

# The primary configs, by their names, and what each consists of.
SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "sweep": SweepConfig,
    "tune": TuneConfig,
    "report": ReportConfig,
    "evaluate": EvaluateConfig,
    "upscale": UpscaleConfig,
    "describe": DescribeConfig,
    "convert": ConvertConfig,
    "export": ExportConfig,
    "data_show": DataShowConfig,
    "bench_train": BenchTrainConfig,
    "bench_upscale": BenchUpscaleConfig,
    "bench_evaluate": BenchEvaluateConfig,
}


def uses_network(verb: str) -> bool:
    """Tell whether a verb takes a trained network as well as a model that is named."""
    return issubclass(SCHEMAS.get(verb, object), NetworkConfig)


def default_choices(config: str) -> dict[str, Any]:
    """Return the options that a primary config chooses, by group; None where none is."""
    content = yaml.safe_load((config_dir() / f"{config}.yaml").read_text(encoding="utf-8"))
    return {
        group: option
        for entry in content["defaults"]
        if isinstance(entry, dict)
        for group, option in entry.items()
        if not group.startswith("override ")
    }


@cache  # it takes 50 ms, and Hydra keeps what it is told
def register() -> None:
    """Make the schemas and the resolvers known to Hydra."""
    store = ConfigStore.instance()
    # Hydra only reads what it takes for a copy; it makes one for each group that its help lists.
    vars(store)["__deepcopy__"] = partial(_itself, store)
    for name, schema in SCHEMAS.items():
        store.store(name=f"{name}_schema", node=schema)
    OmegaConf.register_new_resolver(
        "channels", lambda colour: 3 if colour == Colour.rgb else 1, replace=True
    )
    OmegaConf.register_new_resolver("times", lambda a, b: a * b, replace=True)


def _itself(store: ConfigStore, _: object) -> ConfigStore:
    """Return the store: a copy of the only one there is, which launchers can pickle."""
    return store


def prepare_process() -> None:
    """Let this process find and understand configs, and components in the user's folder."""
    register()
    register_plugins()
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


class PluginConfigs(SearchPathPlugin):
    """The folders of installed packages, wherever Hydra looks into srlab's.

    Hydra takes the first file of a name, so that none of srlab's is replaced.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders."""
        own, *others = config_dirs()
        if any(place.path == str(own) for place in search_path.get_path()):
            for folder in others:
                search_path.append("srlab plug-in", f"file://{folder}")


def register_plugins() -> None:
    """Make the configs of installed packages known to Hydra."""
    Plugins.instance().register(PluginConfigs)
