"""The verbs: ``VERB.py``, or a folder of that name; ``command_line.verbs`` says what runs each."""
