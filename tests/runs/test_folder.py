"""Guards: a config of a run that is damaged is told in a sentence that names the file."""

import pytest
from common import for_all

from srlab.errors import UserError
from srlab.runs.folder import stored_config


def test_whatever_stands_in_a_config_is_read_or_told(tmp_path):
    path = tmp_path / "config.yaml"

    def refuses(text):
        path.write_text(text)
        with pytest.raises(UserError, match=rf"^{path} is "):
            stored_config(tmp_path)

    texts = "", "1", "null", "x", "true", "[]", "- a", "a: [", "a: ${b}", "? ", "\x00", "&a [*a]"
    for_all([*texts, "[" * 3000], refuses)
    path.write_text("model: {}\nscale: 3")
    assert stored_config(tmp_path) == {"model": {}, "scale": 3}
