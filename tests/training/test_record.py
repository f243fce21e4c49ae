"""Guards: a log that cannot be written ends no training, and is told once."""

from srlab.training.record import Record


def test_a_full_disk_under_the_log_is_told_once_and_the_training_goes_on(
    tmp_path, monkeypatch, capsys
):
    record = Record(tmp_path, 0)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record.writer, "add_scalar", full)
    for step in range(3):
        record.losses(step, {"pixel": 1.0}, 1e-3, 10.0)
    record.close()
    said = capsys.readouterr().err
    assert said.count("No space left on device; the training goes on without") == 1
