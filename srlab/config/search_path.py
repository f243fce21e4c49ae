"""Where Hydra looks for configs besides srlab's own."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from srlab.config.plugins import config_dirs


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
