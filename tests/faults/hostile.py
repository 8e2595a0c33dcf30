"""What hostile and careless hands write: hypothesis strategies for text, files, answers and addresses."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

MARKER = "marker4711secret"

texts = st.text(max_size=40)
_NUMBERS = (
    "0", "-1", "1", "0.1", "00.10", "1e5", "1E-400", "9" * 13, "1." + "1" * 13, "123456789012.123456789012", "NaN",
    "Infinity", "-0", "1_000", "１２", " 1", "1,5", "0x10", "1.", ".1", "1e999999999999999999", "100.25", "87.260414",
)  # fmt: skip
_DATES = (
    "2024-01-02", "2024-01-08", "2024-02-30", "1899-12-31", "2101-01-01", "0001-01-01", "9999-12-31", "2024-1-2",
    "20240102", "2024-01-02T00:00:00.000Z", "2024-W01-1", "２０２４-01-08", "2024-01-15", "1900-01-08", "2024-01-03",
    "2024-01-02T00:00:00+00:00", "2024-01-02T16:00:00Z", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59",
    "2024-03-10T02:30", "1900-01-09T00:00+14:00", "2024-01-02 09:00", "2024-01-02T09:00:00,5",
)  # fmt: skip
_TICKERS = (
    "AAA",
    "SPY",
    "brk.b",
    "A",
    "ABCDEFGHIJK",
    "1AB",
    "",
    " ",
    "ß",
    "A B",
    "ıJK",
    "AAA\0",
    "[red]",
    "BBB",
    "CCC",
)
_ACTIONS = ("BUY", "SELL", "buy ", "HOLD", "", "ＢＵＹ")

numbers = st.one_of(st.sampled_from(_NUMBERS), st.decimals().map(str), st.integers().map(str), texts)
dates = st.one_of(st.sampled_from(_DATES), st.dates().map(str), st.datetimes().map(lambda at: at.isoformat()), texts)
tickers = st.one_of(st.sampled_from(_TICKERS), texts)
actions = st.one_of(st.sampled_from(_ACTIONS), texts)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | dates,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


_PIECES = (b"", b"\0", b"\xff", b'"', b",", b"\r", b"\n", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"]", b"{")


def _edited(data: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    for position, length, replacement in edits:
        at = position % (len(data) + 1)
        data = data[:at] + replacement + data[at + length :]
    return data


def damaged(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """`texts` as UTF-8, mostly as they are, some with bytes cut, put in or replaced, and some cut short."""
    piece = st.sampled_from(
        [b"", b"\0", b"\xff", b'"', b",", b"\r", b"\n", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"]", b"{"]
    )
    edits = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 8), piece), max_size=2)
    encoded = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    return st.one_of(encoded, st.builds(_edited, encoded, edits), st.binary(max_size=60))


def _row(cells: Sequence[str]) -> str:
    return ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & set('",\r\n') else cell for cell in cells)


def csv_files(**columns: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Files with a header of `columns`, sometimes of others, and rows of their cells, sometimes of another number."""
    names = list(columns)
    headers = st.one_of(
        st.just(names), st.just(names), st.just(names), st.lists(st.sampled_from([*names, "x", ""]), max_size=6)
    )
    whole = st.tuples(*columns.values())
    rows = st.lists(st.one_of(whole, whole, whole, st.lists(texts, max_size=6).map(tuple)), max_size=8)
    ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
    return damaged(st.builds(lambda header, rows, end: end.join(map(_row, [header, *rows])) + end, headers, rows, ends))


def pick_files() -> st.SearchStrategy[bytes]:
    """Files of picks: whole weeks of three, and anything."""
    mondays = st.sampled_from(["2024-01-08", "2024-01-15", "2024-01-09"])
    week = st.builds(
        lambda day, tickers, side, reason: "".join(f"{day},{ticker},{side},{reason}\n" for ticker in tickers),
        mondays,
        st.permutations(["AAA", "BBB", "CCC", "brk.b"]).map(lambda some: some[:3]),
        st.sampled_from(["BUY", "SELL", "buy"]),
        st.sampled_from(["Because.", '"With, comma"', "x" * 4001, "\N{SNOWMAN}"]),
    )
    weeks = st.lists(week, max_size=3).map(lambda weeks: "run_date,ticker,action,reasoning\n" + "".join(weeks))
    return st.one_of(damaged(weeks), csv_files(run_date=dates, ticker=tickers, action=actions, reasoning=texts))


_tiingo_number = st.one_of(
    st.sampled_from(_NUMBERS), st.decimals(min_value=Decimal("0.01"), max_value=1000, places=2).map(str)
)
_tiingo_date = st.one_of(
    st.dates(date(2024, 1, 1), date(2024, 1, 8)).map(lambda day: f'"{day}T00:00:00.000Z"'), dates.map(json.dumps)
)
_tiingo_row = st.one_of(
    st.builds(
        lambda day, close, factor, more: f'{{"date": {day}, "close": {close}, "splitFactor": {factor}{more}}}',
        _tiingo_date,
        _tiingo_number,
        st.one_of(st.sampled_from(["1.0", "1", "7.0", "0.1"]), _tiingo_number),
        st.sampled_from(["", ', "open": 1', ', "close": 2', ', "volume": 1e400']),
    ),
    json_values.map(json.dumps),
)
_tiingo_said = st.one_of(
    st.sampled_from(
        [
            "Error: Ticker 'AAA' not found", "Error: You have run over your hourly request allocation.",
            "Invalid token.", "", "AAA",
        ]
    ),
    texts,
)  # fmt: skip
tiingo_bodies = damaged(
    st.one_of(
        st.lists(_tiingo_row, max_size=5).map(lambda rows: f"[{', '.join(rows)}]"),
        _tiingo_said.map(lambda said: json.dumps({"detail": said})),
        json_values.map(json.dumps),
        st.sampled_from(["[" * 100_000, "[" * 500 + "]" * 500, "[]", "{}", "null", "1", '"', "[{}]", "[NaN]"]),
    )
)

_setting_values = st.one_of(
    st.sampled_from(
        [
            "30 min", "48h", "0 s", "367 d", "9" * 400 + " d", "-1 h", "1.5 h", "09:00", "24:00", "9:00", "", " ",
            "csv", "csv,csv", "csv,",
            ",", "SPY", "spy", "~nobody-such-user/x", "/x", "~", "\0", "postgresql://u@h/d", "ｔ",
        ]
    ),
    texts,
    texts.map(lambda text: text + MARKER),
)  # fmt: skip


def settings_of(names: Sequence[str]) -> st.SearchStrategy[dict[str, str]]:
    """Values for some of the settings called `names`."""
    return st.dictionaries(st.sampled_from(names), _setting_values, max_size=4)


def env_files(names: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Settings files with lines of known names, unknown ones and none."""
    name = st.one_of(
        st.sampled_from(names), st.sampled_from(["ALPHA_MONDAY_X", "HOME", "alpha_monday_benchmark", "export A"]), texts
    )
    quoted = st.sampled_from(["{}", "'{}'", '"{}"', "'{}", '"{}', "{} # {}", "${{{}}}"])
    line = st.builds(lambda name, form, value: f"{name}={form.replace('{}', value)}", name, quoted, _setting_values)
    return damaged(st.lists(st.one_of(line, texts), max_size=5).map("\n".join))


def key_files(command_ids: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Files of keys: lines for known commands and unknown ones, with keys that exist or do not."""
    key = st.one_of(
        st.sampled_from(
            ['"f"', '"ctrl+k"', '"ctrl+"', '"f99"', '["a", "b"]', "[]", "1", "{}", '"\\u0000"', '" "', '"é"']
        ),
        texts.map(json.dumps),
    )
    line = st.builds(lambda name, key: f"{name} = {key}", st.sampled_from([*command_ids, "no_such", "a.b", ""]), key)
    body = st.lists(line, max_size=4).map("\n".join)
    head = st.sampled_from(["[keys]\n", "[keys]\n", "[other]\n", "keys = 1\n", "", "[" * 3000])
    return damaged(st.builds(str.__add__, head, body))


_host = st.one_of(
    st.sampled_from(
        ["h", "h:5432", "h1,h2", "h1:1,h2:2", "[::1]", "[::1", "/run/x", "%2Frun", "a@b", "h:x", "", "h:99999", "h:-1"]
    ),
    texts,
)
_user = st.one_of(
    st.sampled_from(["", "u@", f"u:{MARKER}@", f"u:{MARKER}/p@", f"u:{MARKER}@x@", f"u:1/{MARKER}%40@", f":{MARKER}@"]),
    texts,
)
_options = st.sampled_from(
    [
        "",
        "?sslmode=require",
        f"?password={MARKER}",
        "?a=b",
        "?target_session_attrs=read-write",
        "?sslmode",
        "?%zz",
        "#x",
    ]
)
database_urls = st.one_of(
    st.builds(
        lambda scheme, user, host, name, options: f"{scheme}{user}{host}/{name}{options}",
        st.sampled_from(["postgresql://", "postgres://", "http://", ""]),
        _user,
        _host,
        st.one_of(st.sampled_from(["d", "", "a b", "%20", "%"]), texts),
        _options,
    ),
    st.sampled_from([f"host=h password={MARKER}", f"host=h password='{MARKER}", "host=h port=x", "host", "=", "\0"]),
    texts,
)


def facts(keys: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    """What another version may have noted: objects with the keys that are looked for, and values of any kind."""
    return st.dictionaries(
        st.one_of(st.sampled_from(keys), st.text(max_size=8)), st.one_of(dates, json_values), max_size=8
    )


notifications = st.one_of(
    json_values.map(json.dumps),
    texts,
    st.sampled_from(["[" * 20_000, '["2024-01-08"]', '["x", 1]', "{}", "[]", "1e9999"]),
)
