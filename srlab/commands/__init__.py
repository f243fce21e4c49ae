"""The verbs: ``VERB.py``, or a folder of that name whose ``command.py`` has ``run``."""
