"""A table is read whole: no cell is lost or made up, and a damaged one is a sentence with the line."""

import pytest

from voxelbench.data.table import columns, read_table
from voxelbench.errors import ConfigError, DataError


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table."""

    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_rows_have_all_columns_and_their_lines(table, mark):
    path = table(f'{mark}id,"long name"\r\na,"1, ""2"""\n\nb,\n')
    assert columns(path) == ["id", "long name"]
    assert read_table(path, ("id",)) == [(2, {"id": "a", "long name": '1, "2"'}), (4, {"id": "b", "long name": ""})]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "has no column 'id' in its first line"),
        ("name\nb\n", "has no column 'id' in its first line"),
        ("id,name\na,b\nc\n", "line 3 has 1 cells, expected 2; complete the line."),
        ("id\na,b\n", "line 2 has 2 cells, expected 1; complete the line."),
        (b"id\n\xff\n", r"not a table in UTF-8 \(UnicodeDecodeError\)"),
        ('id\n"a\n', r"not a table in UTF-8 \(Error\)"),
        ("id\n" + "a" * 200_000, r"not a table in UTF-8 \(Error\)"),
    ],
)
@pytest.mark.parametrize("error", [DataError, ConfigError])
def test_what_is_damaged_is_named(table, content, sentence, error):
    with pytest.raises(error, match=rf"table\.csv: {sentence}"):
        read_table(table(content), ("id",), error)
