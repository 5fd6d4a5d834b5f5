"""Tables that ken wrote, read by other programs, and tables of other programs, read by ken.

tests/formats/table_driver.c writes rows that follow from their number; this computes the same rows.
"""
import json
import subprocess

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

WIDTH = 8


@pytest.fixture(scope="session")
def driver(build):
    paths = sorted(build.glob("**/table_driver"))
    assert paths, f"table_driver is not built in {build}"

    def run(*args, code=0):
        done = subprocess.run([paths[0], *map(str, args)], capture_output=True, check=False)
        assert done.returncode == code, done.stderr.decode()
        return done.stdout.decode() if code == 0 else done.stderr.decode()

    return run


def expected_vectors(n_rows):
    values, state = np.empty(n_rows * WIDTH, np.float32), 1
    for i in range(len(values)):
        state = (state * 1664525 + 1013904223) % 2**32
        values[i] = np.float32(state >> 8) / np.float32(16777216) - np.float32(0.5)
    return values.reshape(n_rows, WIDTH)


def check_rows(rows, n_rows):
    vectors = expected_vectors(n_rows)
    assert len(rows) == n_rows
    for i, row in enumerate(rows):
        assert row["id"] == f"photos/{i:06} é'\".jpg"
        if i % 7 == 3:
            assert all(value is None for name, value in row.items() if name != "id")
            continue
        assert row['a "quoted" name'] == i - 5
        assert row["size_bytes"] == i * 10_000_000_000
        assert row["flag"] == (i % 2 == 0)
        assert row["f"] == i / 4
        assert row["d"] == i / 3
        assert row["blob"] == b"\0\xff"
        assert np.array_equal(np.asarray(row["embedding"], np.float32), vectors[i])


@pytest.mark.parametrize("n_rows", [0, 1, 2049])
def test_pyarrow_reads_it(driver, tmp_path, n_rows):
    path = tmp_path / "t.parquet"
    driver("write", path, n_rows, WIDTH)
    table = pq.read_table(path)
    types = {field.name: field.type for field in table.schema}
    assert types["id"] == pa.string()
    assert types['a "quoted" name'] == pa.int32()
    assert types["mtime"] == pa.timestamp("us", tz="UTC")
    assert types["embedding"].value_type == pa.float32()
    check_rows(table.to_pylist(), n_rows)
    metadata = table.schema.metadata
    assert metadata[b"ken.format_version"] == b"1"
    assert metadata[b"ken.it's"] == b"a \"value\" with 'quotes'"
    assert metadata[b"ken.empty"] == b""
    if n_rows:
        assert table["mtime"][0].value == 1_700_000_000_000_000
        column = pq.ParquetFile(path).metadata.row_group(0).column(8)
        assert column.compression == "ZSTD"


def test_duckdb_reads_it(driver, tmp_path):
    path = tmp_path / "it's.parquet"
    driver("write", path, 100, WIDTH)
    # As numbers, because DuckDB's Python gives UTC timestamps only where pytz is.
    sql = "SELECT * REPLACE (epoch_us(mtime) AS mtime) FROM read_parquet(?)"
    cursor = duckdb.connect().execute(sql, [str(path)])
    names = [column[0] for column in cursor.description]
    check_rows([dict(zip(names, row)) for row in cursor.fetchall()], 100)


def test_row_groups_and_bytes(driver, tmp_path):
    a, b, whole = tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "whole.parquet"
    driver("write", a, 25000, 2)
    driver("write", b, 25000, 2)
    assert a.read_bytes() == b.read_bytes()
    driver("join", whole, a, b)
    meta = pq.ParquetFile(whole).metadata
    groups = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
    assert sum(groups) == 50000 and max(groups) <= 12288
    once = whole.read_bytes()
    driver("join", whole, a, b)
    assert whole.read_bytes() == once
    assert pq.read_table(whole)["id"].to_pylist() == 2 * pq.read_table(a)["id"].to_pylist()
    one = tmp_path / "one.parquet"
    driver("write", one, 25000, 2)
    driver("join", whole, one)
    assert whole.read_bytes() == one.read_bytes()  # the way it came about leaves no trace


def dump(driver, path, *columns):
    header, *rows = driver("dump", path, *columns).splitlines()
    return header, [json.loads(row) for row in rows]


def test_reads_pyarrow_types(driver, tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "u8": pa.array([1, None], pa.uint8()),
            "u64": pa.array([2**64 - 1, 0], pa.uint64()),
            "half": pa.array(np.array([0.5, 1], np.float16)),
            "decimal": pa.array([1, 2], pa.decimal128(10, 2)),
            "dictionary": pa.array(["x", "y"]).dictionary_encode(),
            "large": pa.array(["x" * 100000, "é"], pa.large_string()),
            "date": pa.array([0, 1], pa.date32()),
            "ns": pa.array([1_500, 2_000_000], pa.timestamp("ns")),
            "tz": pa.array([1, 2], pa.timestamp("ms", tz="Europe/Berlin")),
            "image": pa.array([{"bytes": b"\1\2", "path": "a"}, {"bytes": None, "path": "b"}]),
            "fixed": pa.array([[1.5, 2], [3, 4]], pa.list_(pa.float32(), 2)),
            "doubles": pa.array([[1.5], [3]], pa.list_(pa.float64())),
            "tags": pa.array([["a", "b"], []], pa.list_(pa.string())),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, path, compression="snappy")
    header, rows = dump(driver, path)
    types = dict(item.rsplit(" ", 2)[0::1][:2] for item in header.split(";")[0].split(", "))
    assert types["u8"] == "int64" and types["u64"] == "text" and types["half"] == "float"
    assert types["decimal"] == "double" and types["dictionary"] == "text"
    assert types["ns"] == types["tz"] == "timestamp" and types["image"] == "blob"
    assert types["fixed"] == types["doubles"] == "vector" and types["tags"] == "text"
    first, second = (dict(zip(table.column_names, row)) for row in rows)
    assert first["u64"] == "18446744073709551615" and second["u8"] is None
    assert first["large"] == "x" * 100000 and first["date"] == "1970-01-01"
    assert (first["ns"], second["ns"], first["tz"]) == (1, 2000, 1000)
    assert first["image"] == "0102" and second["image"] is None
    assert first["fixed"] == [1.5, 2] and first["doubles"] == [1.5]
    assert first["tags"] == "[a, b]" and first["nothing"] is None


def test_streams_in_bounded_memory(driver, tmp_path):
    """60,000 rows of 256 numbers are 61 MB; one row group of pyarrow's holds them all."""
    path = tmp_path / "big.parquet"
    values = np.random.default_rng(0).standard_normal(60000 * 256).astype(np.float32)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values), 256)
    pq.write_table(pa.table({"v": lists}), path, row_group_size=10000)
    assert driver("count", path).strip() == "60000"


def test_columns_are_chosen(driver, tmp_path):
    path = tmp_path / "t.parquet"
    driver("write", path, 10, WIDTH)
    header, rows = dump(driver, path, "d", "id")
    assert header.startswith("d double 0, id text 0; 10 rows")
    assert rows[3] == [None, "photos/000003 é'\".jpg"]
    message = driver("dump", path, "nope", code=65)
    assert "it has no column 'nope'" in message and "'id', 'a \"quoted\" name'" in message
